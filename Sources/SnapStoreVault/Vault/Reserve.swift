internal import Logging
internal import SnapStoreIO

/// A file of noise that keeps some room in a vault, and small ones that keep inodes, for the day
/// on which the disk is full: who deletes points or collects lets go of them, and makes them again
/// when there is room (docs/format.md, "The reserve").
package struct Reserve: Sendable {
  /// Room for the largest segment that a collection writes before it frees anything, over packs
  /// that none covers: 2¹⁷ entries and their filter.
  package static let byteCount = 8 << 20
  private static let name = ObjectName(folder: "", key: "reserve")
  /// What deleting a point and collecting put beside each other, folders too, with some to spare.
  package static let inodeCount = 16
  private static let folder = "spare"
  private static let spares = (1...inodeCount).map { ObjectName(folder: folder, key: "\($0)") }
  private let vault: Vault

  package init(_ vault: Vault) {
    self.vault = vault
  }

  /// Makes the reserve where it is missing, or as large as there is room where there is less. There
  /// is only a remark where it can't be made: no work is worth failing for it.
  package func make() {
    makeRoom()
    do {
      let there = Set(try vault.store.list(Self.folder).map(\.name))
      for name in Self.spares where !there.contains(name) { _ = try vault.store.put(name, [0]) }
    } catch {
      vault.log.info("no inodes are kept for a full disk: \(error)")
    }
  }

  private func makeRoom() {
    var byteCount = Self.byteCount
    while byteCount >= Self.byteCount / 16 {
      do {
        let present = try vault.store.open(Self.name)?.byteCount ?? 0
        guard present < UInt64(byteCount) else { return }
        if present > 0 { try vault.store.delete(Self.name) }
        _ = try vault.store.put(Self.name, Self.noise(byteCount))
        return
      } catch {
        vault.log.info("no reserve of \(byteCount) bytes for a full disk: \(error)")
        byteCount /= 2
      }
    }
  }

  /// Runs `body`; where the disk is full, once more without the reserve. Then there is one again,
  /// as large as there is room, even where that was not enough: the next one needs it no less.
  package func using<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      guard (error as? IOError)?.reason == .noSpace, try letGo() else { throw error }
      vault.log.info("the disk is full: the vault's reserve is used")
      defer { make() }
      return try body()
    }
  }

  /// False where there was nothing.
  private func letGo() throws -> Bool {
    try ([Self.name] + Self.spares).filter { try vault.store.delete($0) }.count > 0
  }

  /// What no file system makes smaller. (Steele, Lea and Flood, "Fast splittable pseudorandom
  /// number generators": SplitMix64.)
  private static func noise(_ byteCount: Int) -> [UInt8] {
    var state: UInt64 = 0
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    while bytes.count < byteCount {
      state &+= 0x9E37_79B9_7F4A_7C15
      var word = state
      word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
      word ^= word >> 31
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))) }
    }
    return bytes
  }
}
