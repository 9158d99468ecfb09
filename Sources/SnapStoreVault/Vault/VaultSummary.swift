internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO

/// What `vault info` tells: counted from the objects themselves, the index not asked.
package struct VaultSummary: Sendable {
  package var machineCount = 0
  package var pointCount = 0
  /// Records in packs, copies of one chunk counted each; map nodes not counted.
  package var chunkCount: UInt64 = 0
  /// What those hold, uncompressed.
  package var uniqueByteCount: UInt64 = 0
  /// All objects together.
  package var storedByteCount: UInt64 = 0
  package var packCount = 0
  package var indexSegmentCount = 0

  /// Reads every pack's directory; a damaged one is logged and left out.
  package init(_ vault: Vault) throws {
    let catalog = try PointCatalog(vault)
    machineCount = catalog.machines.count
    pointCount = catalog.entries.count
    for folder in VaultFolder.all + [""] {
      for object in try vault.store.list(folder) {
        guard !folder.isEmpty || object.name == .vaultDescriptor else { continue }
        // Sparse files in the place of objects may add up to more than there is.
        storedByteCount &+= object.byteCount
        if folder == VaultFolder.index { indexSegmentCount += 1 }
      }
    }
    let packs = PackReaders(store: vault.store)
    for name in try vault.listPacks().keys.sorted() {
      packCount += 1
      do {
        for entry in try packs.directory(name, vault: vault.descriptor.id)
        where entry.kind == .chunk {
          chunkCount += 1
          uniqueByteCount += UInt64(entry.record.rawLength)
        }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("not counted: \(reason)")
      }
    }
  }
}
