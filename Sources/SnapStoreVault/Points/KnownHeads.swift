package import SnapStoreFormat
package import SnapStoreIO

/// What a host remembers, outside of any vault, of the newest point that it made of each machine:
/// so it is noticed when a vault comes back with less, or with other points. (Who can write to a
/// vault that is not encrypted can make everything in it fit.)
///
/// Kept in a store of the host's own, one object a machine: `VAULT-MACHINE-SEQUENCE` with the
/// point's ID and hash as a line of text.
package struct KnownHeads: Sendable {
  private static let folder = "heads"
  private static let limit = 4096
  private let store: any ObjectStore

  package init(store: any ObjectStore) {
    self.store = store
  }

  /// Remembers a point that was just made, in place of the one before. Durable when it returns.
  package func record(_ point: RecoveryPoint) throws {
    let machine = prefix(point.machine, of: point.descriptor.id)
    let name = ObjectName(
      folder: Self.folder, key: machine + Hexadecimal.text(number: point.sequence))
    let bytes = point.encoded()
    let hash = bytes.withRawSpan { ObjectHash.of($0) }
    let before = try names(machine)
    // Of a vault that was put back, the same number may come again.
    if before.contains(name) { try store.delete(name) }
    _ = try store.put(name, Array("\(point.id) \(Hexadecimal.text(hash))\n".utf8))
    for old in before where old != name { try store.delete(old) }
  }

  /// What of it does not fit the vault: for each machine whose newest point from here is missing,
  /// without a tombstone that says so, or is another one, a sentence. With `machine`, of this only.
  ///
  /// What seems wrong is looked at again: since the catalog was read, another process may have made
  /// a point and remembered it, or deleted one.
  package func contradictions(
    of vault: Vault, _ catalog: PointCatalog, machine: Name? = nil
  ) throws -> [String] {
    let start = machine.map { prefix($0, of: vault.descriptor.id) } ?? "\(vault.descriptor.id)-"
    let heads = try names(start).compactMap { name in
      try store.get(name, limit: Self.limit).flatMap(Self.parse)
    }
    let doubtful = heads.filter { Self.contradiction(of: $0, catalog) != nil }
    if doubtful.isEmpty { return [] }
    let now = try PointCatalog(vault)
    return doubtful.compactMap { Self.contradiction(of: $0, now) }
  }

  private static func contradiction(of head: Head, _ catalog: PointCatalog) -> String? {
    if let entry = catalog.kept.first(where: { $0.point.id == head.point }) {
      if entry.hash == head.hash { return nil }
      return "recovery point \(head.point) is not the one that this host made: altered"
    }
    let isExplained =
      catalog.tombstones.gone[head.hash] != nil
      || catalog.unreadable.contains { $0.id == head.point }
    if isExplained { return nil }
    return "recovery point \(head.point), which this host made, is not in the vault, "
      + "and nothing there says that it was deleted"
  }

  /// The objects of a vault, or of one machine of it: all that stands before the number.
  private func names(_ start: String) throws -> [ObjectName] {
    let isVault = start.utf8.count == 2 * VaultID.byteCount + 1
    return try store.list(Self.folder).map(\.name).filter { name in
      guard let dash = name.key.lastIndex(of: "-") else { return false }
      return isVault ? name.key.hasPrefix(start) : name.key[...dash] == start
    }.sorted { $0.key < $1.key }
  }

  private func prefix(_ machine: Name, of vault: VaultID) -> String { "\(vault)-\(machine)-" }

  private typealias Head = (point: PointID, hash: RecoveryPoint.Hash)

  private static func parse(_ bytes: [UInt8]) -> Head? {
    let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let point = PointID(parts[0]), let hash = Hexadecimal.bytes(parts[1])
    else { return nil }
    return (point, hash)
  }
}
