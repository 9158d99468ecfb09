internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// One writer's or long reader's run against a vault (docs/format.md, "Sessions").
///
/// The order matters, and `begin` keeps it: read the epoch, register, then list packs, then look
/// again whether the points the session leans on are still there. What a session relies on is what
/// it saw after it registered.
package final class Session: Sendable {
  package let id: SessionID
  package let vault: Vault
  /// The packs that were there after the session registered.
  package let packs: [SerialName: UInt64]
  /// False for a reader that could not write to the vault.
  package let isRegistered: Bool
  private let counter: CountingObjectStore
  private let hold: (any ObjectHold)?
  let purpose: SessionRecord.Purpose
  private let nextSerial = Lock<UInt64>(1)

  private init(
    id: SessionID, vault: Vault, counter: CountingObjectStore, packs: [SerialName: UInt64],
    hold: (any ObjectHold)?, purpose: SessionRecord.Purpose
  ) {
    self.id = id
    self.vault = vault
    self.counter = counter
    self.packs = packs
    self.hold = hold
    self.purpose = purpose
    isRegistered = hold != nil
  }

  /// A session that will write a point.
  package static func beginWriting(
    _ vault: Vault, leaningOn points: [PointID]
  ) throws -> Session {
    let epoch = try readEpoch(vault)
    let counter = CountingObjectStore(vault.store)
    let removed = try vault.store.removeAbandoned()
    if removed > 0 { vault.log.info("removed \(removed) unfinished files of dead runs") }
    let id = randomID(vault.host)
    guard let hold = try register(id, vault, counter, .write, epoch, points) else {
      throw VaultError(.aborted, "a session of the same ID is registered already")
    }
    try checkStillThere(points, vault)
    let packs = try vault.listPacks()
    // Another writer's name can be seen before it is durable; what this session builds on must be.
    for folder in [VaultFolder.packs, VaultFolder.points, VaultFolder.outcomes] {
      try vault.store.synchronize(folder)
    }
    return Session(
      id: id, vault: vault, counter: counter, packs: packs, hold: hold, purpose: .write)
  }

  /// A session that reads a point for long. Where the vault can't be written (a read-only medium,
  /// a full disk, no directory where one should be) it goes on unregistered, and `isRegistered`
  /// says so.
  package static func beginReading(
    _ vault: Vault, leaningOn points: [PointID]
  ) throws -> Session {
    let epoch = try readEpoch(vault)
    let counter = CountingObjectStore(vault.store)
    let id = randomID(vault.host)
    var hold: (any ObjectHold)?
    do {
      hold = try register(id, vault, counter, .read, epoch, points)
    } catch {
      // A full disk too, which is no damage.
      let refusal = (error as? IOError)?.description
      guard let reason = refusal ?? damageReason(error) else { throw error }
      vault.log.info("reading without a session: \(reason)")
    }
    try checkStillThere(points, vault)
    return Session(
      id: id, vault: vault, counter: counter, packs: try vault.listPacks(), hold: hold,
      purpose: .read)
  }

  private static func randomID(_ host: HostSystem) -> SessionID {
    SessionID(high: host.randomness.next(), low: host.randomness.next())
  }

  /// The number of the newest decision of a collection: 0, as long as there was none. A vault that
  /// was collected has packs which must not be relied on, so this program refuses it.
  private static func readEpoch(_ vault: Vault) throws -> UInt64 {
    guard try vault.store.list(VaultFolder.epochs).isEmpty else {
      throw VaultError(
        .unsupported, "the vault at \(vault.store.location) was collected by a newer snapstore",
        hint: "use a newer snapstore")
    }
    return 0
  }

  private static func register(
    _ id: SessionID, _ vault: Vault, _ store: any ObjectStore,
    _ purpose: SessionRecord.Purpose, _ epoch: UInt64, _ points: [PointID]
  ) throws -> (any ObjectHold)? {
    let record = SessionRecord(
      id: id, purpose: purpose, epoch: epoch, started: vault.now(), leansOn: points,
      host: vault.host.description)
    return try store.putHeld(.session(id), record.encoded())
  }

  private static func checkStillThere(_ points: [PointID], _ vault: Vault) throws {
    let names = Set(try vault.store.list(VaultFolder.points).map(\.name))
    for point in points
    where !names.contains(.point(point, copy: 1)) && !names.contains(.point(point, copy: 2)) {
      throw VaultError(.notThere, "recovery point \(point) was deleted meanwhile")
    }
  }

  /// The store through which the session writes, so that its bytes are counted.
  package var store: any ObjectStore { counter }
  /// All bytes that the session has added to the vault.
  package var storedByteCount: UInt64 { counter.putByteCount }

  /// A name for the session's next pack or index segment.
  func nextName() -> SerialName {
    SerialName(
      session: id,
      number: nextSerial.withLock { number in
        defer { number += 1 }
        return number
      })
  }

  /// Puts the point as pending, twice, then commits it: creating the outcome is the only commit.
  /// Everything that the point refers to must be durable already.
  package func commit(_ point: RecoveryPoint) throws {
    precondition(purpose == .write && point.session == id)
    let bytes = point.encoded()
    for copy in 1...2 {
      guard try store.put(.point(point.id, copy: copy), bytes) else {
        throw VaultError(
          .aborted, "recovery point \(point.id) exists already", hint: "run the backup again")
      }
    }
    let outcome = SessionOutcome(session: id, verdict: .committed)
    guard try store.put(.outcome(id), outcome.encoded()) else {
      throw VaultError(
        .aborted, "another process took this backup for dead and ended it",
        hint: "run the backup again; what it stored is found and used")
    }
    // Nobody else can end the session any more. A second copy, so that one damaged object of a
    // hundred bytes can't take a point away.
    do {
      _ = try store.put(.outcomeCopy(id), outcome.encoded())
    } catch {
      vault.log.warning("the point is there, but its outcome has no second copy: \(error)")
    }
  }

  /// How many bytes `commit` will add for this point; the figures in it do not change that.
  package static func commitByteCount(_ point: RecoveryPoint) -> UInt64 {
    let outcome = SessionOutcome(session: point.session, verdict: .committed)
    return UInt64(2 * point.encoded().count + 2 * outcome.encoded().count)
  }

  /// Ends a reader's session: nobody needs to know of it any more. A writer's record stays, for a
  /// collection to remove after it has seen its outcome.
  package func endReading() {
    precondition(purpose == .read)
    guard isRegistered else { return }
    do {
      try vault.store.delete(.session(id))
    } catch {
      // What was read is read; a collection takes the record of a session that nobody holds.
      vault.log.info("the session's record stays in the vault: \(error)")
    }
  }
}
