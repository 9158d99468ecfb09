internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Deletes what a collection has decided, in the order of docs/format.md, "Collection", step 10.
/// Whoever is killed in the middle of it leaves the rest to the next collection.
struct CollectionCleaning {
  let vault: Vault
  let interruption: Interruption
  private(set) var freedByteCount: UInt64 = 0

  init(vault: Vault, interruption: Interruption) {
    self.vault = vault
    self.interruption = interruption
  }

  mutating func delete(
    _ deletions: CollectionRound.Deletions, packSizes: [SerialName: UInt64]
  ) throws {
    for pack in deletions.packs {
      if interruption.isRaised { throw Interrupted() }
      if try vault.deletePack(pack) { freedByteCount &+= packSizes[pack] ?? 0 }
    }
    for point in deletions.points { freedByteCount &+= try vault.deletePoint(point) }
    for session in deletions.sessions { freedByteCount &+= try vault.deleteSession(session) }
    for session in deletions.outcomes { freedByteCount &+= try vault.deleteOutcome(session) }
  }

  mutating func deleteUnreadable(_ points: [PointID]) throws {
    for point in points { freedByteCount &+= try vault.deletePoint(point) }
  }

  /// Old epochs, tombstones that explain nothing any more, records of damage to packs that are gone
  /// or of what is not missing any more, records of verifications that say nothing new.
  /// `isAlone`: nobody was under way who may go by what is said to be lost.
  mutating func deleteWhatIsObsolete(
    damage: [SerialName], packs: Set<SerialName>, isAlone: Bool
  ) throws {
    freedByteCount &+= try vault.deleteOldEpochs()
    freedByteCount &+= try vault.deleteOldTombstones()
    freedByteCount &+= try vault.deleteOldPins()
    freedByteCount &+= try vault.deleteOldDamage(
      among: damage, packs: packs, isAlone: isAlone)
    freedByteCount &+= try vault.deleteOldVerifications()
  }
}
