internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// How much of a vault earlier runs found damaged, as their records say: nothing is read to look
/// for more. What was stored again since is damaged still, until a collection removes it.
package struct RecordedDamage: Sendable {
  /// Packs that are there and have damaged records.
  package private(set) var packs: Set<SerialName> = []
  /// Chunks and map nodes of which no copy was found.
  package private(set) var missing: Set<ChunkID> = []
  /// Records of damage that can't be read themselves.
  package private(set) var unreadableCount = 0

  package var objectCount: Int { packs.count + missing.count + unreadableCount }

  package init(_ vault: Vault) throws {
    let objects = try vault.store.list(VaultFolder.damage)
    guard !objects.isEmpty else { return }
    let there = try vault.listPacks()
    for object in objects {
      guard let name = SerialName(object.name.key) else { continue }
      do {
        for finding in try KnownDamage.read(object.name, name, vault)?.findings ?? [] {
          guard let pack = finding.address?.pack else {
            missing.insert(finding.id)
            continue
          }
          if there[pack] != nil { packs.insert(pack) }
        }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("a record of damage can't be read: \(reason)")
        unreadableCount += 1
      }
    }
  }
}
