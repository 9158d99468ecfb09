/// Keyed XXH3-128 of a chunk's content: tells whether a range of a disk changed, and checks data
/// from the moment it was read to the moment it is restored. Never a name across disks.
///
/// Stored in the canonical order of the xxHash specification: the high half first, big-endian.
package struct Fingerprint: Hashable, Sendable {
  package static let byteCount = 16
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  package init(of bytes: RawSpan, secrets: VaultSecrets) {
    let hash = XXH3.hash128(bytes, secret: secrets.fingerprint.rawSpan)
    high = hash.high
    low = hash.low
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    high = try reader.uint64().byteSwapped
    low = try reader.uint64().byteSwapped
  }

  package func encode(to writer: inout ByteWriter) {
    writer.append(high.byteSwapped)
    writer.append(low.byteSwapped)
  }
}
