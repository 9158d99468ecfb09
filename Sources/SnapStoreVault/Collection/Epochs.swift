internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// What the decisions of collections say of packs, as a session knows it.
package struct CondemnedPacks: Sendable {
  /// Nothing new may rely on these, but through a parent that is leaned on.
  package private(set) var condemned: Set<SerialName> = []
  /// These count as gone.
  package private(set) var doomed: Set<SerialName> = []
  /// The newest epoch can't be read: then any pack may be condemned.
  package private(set) var isUnknown = false

  mutating func add(_ epoch: EpochRecord?) {
    condemned.formUnion((epoch?.condemned ?? []).map(\.pack))
    doomed.formUnion(epoch?.doomed ?? [])
  }

  mutating func addUnreadable() { isUnknown = true }

  package func contains(_ pack: SerialName) -> Bool { isUnknown || condemned.contains(pack) }
}

extension Vault {
  /// More often than this no epoch is superseded while it is read.
  private static let maximumListings = 16

  /// The number of the newest epoch; 0 where there is none.
  package func newestEpochNumber() throws -> UInt64 {
    try store.list(VaultFolder.epochs).compactMap { object in
      let key = object.name.key
      return EpochName(key.hasSuffix(".2") ? key.dropLast(2) : key[...])?.number
    }.max() ?? 0
  }

  /// The newest epoch; nil where there is none. Throws `FormatError`, or what the store says, where
  /// neither it nor its copy can be read.
  package func newestEpoch() throws -> EpochRecord? {
    var failure: any Error = FormatError.damaged("no epoch can be read")
    var last: UInt64 = 0
    for _ in 0..<Self.maximumListings {
      let number = try newestEpochNumber()
      guard number > 0 else { return nil }
      do {
        if let epoch = try epoch(number) { return epoch }
      } catch {
        guard damageReason(error) != nil, number == last else {
          guard damageReason(error) != nil else { throw error }
          failure = error
          last = number
          continue
        }
        throw error
      }
      // Gone since it was listed: there is a newer one.
    }
    throw failure
  }

  /// Nil where neither the epoch nor its copy is there. The copy counts where the first is missing
  /// or damaged.
  private func epoch(_ number: UInt64) throws -> EpochRecord? {
    do {
      if let epoch = try readEpoch(.epoch(number), number) { return epoch }
    } catch let failure {
      guard damageReason(failure) != nil else { throw failure }
      guard let copy = try readEpoch(.epochCopy(number), number) else { throw failure }
      log.warning("epoch \(number) can't be read, but its copy can")
      return copy
    }
    return try readEpoch(.epochCopy(number), number)
  }

  private func readEpoch(_ name: ObjectName, _ number: UInt64) throws -> EpochRecord? {
    guard let bytes = try store.get(name, limit: FormatLimit.smallObject) else { return nil }
    do throws(FormatError) {
      let epoch = try EpochRecord(decoding: bytes.rawSpan)
      guard epoch.number == number else { throw .damaged("says that it is epoch \(epoch.number)") }
      return epoch
    } catch {
      throw error.inObject("\(name)")
    }
  }

  /// Adds what the newest epoch says now. Where it can't be read, every pack counts as condemned:
  /// a backup then stores everything again, and loses nothing.
  func learnCondemned(_ packs: inout CondemnedPacks) throws {
    do {
      packs.add(try newestEpoch())
    } catch {
      guard let reason = damageReason(error) else { throw error }
      if !packs.isUnknown {
        log.warning("the newest decision of a collection can't be read: \(reason)")
      }
      packs.addUnreadable()
    }
  }
}
