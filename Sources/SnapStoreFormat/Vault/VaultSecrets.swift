internal import Crypto

/// The keys of a vault, derived from the 32 random bytes in its descriptor.
///
/// Each purpose has its own 192-byte XXH3 secret: HKDF-SHA-256 (RFC 5869) without salt, with the
/// purpose's text as info. So cut points of one vault tell nothing about another's, and a guest
/// cannot make data that collides in a vault whose secret it does not have.
package struct VaultSecrets: Sendable {
  package static let seedByteCount = 32

  let cut: [UInt8]
  let fingerprint: [UInt8]
  let id: [UInt8]

  /// `seed` is the descriptor's secret and must have 32 bytes.
  package init(seed: [UInt8]) {
    precondition(seed.count == Self.seedByteCount)
    func derive(_ purpose: String) -> [UInt8] {
      let key = HKDF<SHA256>.deriveKey(
        inputKeyMaterial: SymmetricKey(data: seed), info: Array("snapstore \(purpose) 1".utf8),
        outputByteCount: XXH3.secretByteCount)
      return unsafe key.withUnsafeBytes { unsafe Array($0) }
    }
    cut = derive("cut")
    fingerprint = derive("fingerprint")
    id = derive("id")
  }
}
