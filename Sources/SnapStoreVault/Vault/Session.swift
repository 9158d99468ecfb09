internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// One writer's or long reader's run against a vault (docs/format.md, "Sessions").
///
/// The order matters, and `begin` keeps it: read the epoch's number, register, then learn which
/// packs are condemned, list packs, and look again whether the points the session leans on are
/// still there. What a session relies on is what it saw after it registered.
package final class Session: Sendable {
  package let id: SessionID
  package let vault: Vault
  /// The packs that were there after the session registered, the doomed ones aside.
  package let packs: [SerialName: UInt64]
  /// Packs that were there and are doomed.
  package let doomedPacks: [SerialName: UInt64]
  /// What nothing new may rely on.
  package let condemned: CondemnedPacks
  /// The points that the session leans on: they were there after it registered, and stay.
  package let leansOn: [PointID]
  /// False for a reader that could not write to the vault.
  package let isRegistered: Bool
  private let counter: CountingObjectStore
  private let hold: (any ObjectHold)?
  let purpose: SessionRecord.Purpose
  private let nextSerial = Lock<UInt64>(1)

  private init(
    id: SessionID, vault: Vault, counter: CountingObjectStore, view: View,
    hold: (any ObjectHold)?, purpose: SessionRecord.Purpose
  ) {
    self.id = id
    self.vault = vault
    self.counter = counter
    packs = view.packs
    doomedPacks = view.doomedPacks
    condemned = view.condemned
    leansOn = view.leansOn
    self.hold = hold
    self.purpose = purpose
    isRegistered = hold != nil
  }

  /// What a session saw after it registered.
  private struct View {
    var packs: [SerialName: UInt64]
    var doomedPacks: [SerialName: UInt64] = [:]
    var condemned = CondemnedPacks()
    var leansOn: [PointID]

    /// The epoch is read before the listing, so that a pack in it which a late deletion takes away
    /// is known to be doomed; and after it, so that one which is missing there is not taken for
    /// lost.
    init(_ vault: Vault, leaningOn points: [PointID]) throws {
      try vault.learnCondemned(&condemned)
      packs = try vault.listPacks()
      try vault.learnCondemned(&condemned)
      for pack in condemned.doomed { doomedPacks[pack] = packs.removeValue(forKey: pack) }
      leansOn = try points.filter { try Session.isStillThere($0, vault) }
    }
  }

  /// A session that will write a point. A point it wanted to lean on that was deleted meanwhile is
  /// not in `leansOn`.
  package static func beginWriting(
    _ vault: Vault, leaningOn points: [PointID]
  ) throws -> Session {
    try beginChanging(vault, .write, leaningOn: points)
  }

  /// A session that collects.
  package static func beginCollecting(_ vault: Vault) throws -> Session {
    try beginChanging(vault, .collect, leaningOn: [])
  }

  private static func beginChanging(
    _ vault: Vault, _ purpose: SessionRecord.Purpose, leaningOn points: [PointID]
  ) throws -> Session {
    let epoch = try vault.newestEpochNumber()
    let counter = CountingObjectStore(vault.store)
    let removed = try vault.store.removeAbandoned()
    if removed > 0 { vault.log.info("removed \(removed) unfinished files of dead runs") }
    let id = randomID(vault.host)
    guard let hold = try register(id, vault, counter, purpose, epoch, points) else {
      throw VaultError(.aborted, "a session of the same ID is registered already")
    }
    let view = try View(vault, leaningOn: points)
    // Another writer's name can be seen before it is durable; what this session builds on must be.
    // A collection deletes points for the sake of their tombstones.
    let folders =
      [VaultFolder.packs, VaultFolder.points, VaultFolder.outcomes]
      + (purpose == .collect ? [VaultFolder.tombstones] : [])
    for folder in folders {
      try vault.store.synchronize(folder)
    }
    return Session(
      id: id, vault: vault, counter: counter, view: view, hold: hold, purpose: purpose)
  }

  /// A session that reads a point for long. Where the vault can't be written (a read-only medium,
  /// a full disk, no directory where one should be) it goes on unregistered, and `isRegistered`
  /// says so.
  package static func beginReading(
    _ vault: Vault, leaningOn points: [PointID]
  ) throws -> Session {
    let epoch = try vault.newestEpochNumber()
    let counter = CountingObjectStore(vault.store)
    let id = randomID(vault.host)
    var hold: (any ObjectHold)?
    do {
      hold = try register(id, vault, counter, .read, epoch, points)
    } catch {
      // A full disk too, which is no damage.
      guard error is IOError || damageReason(error) != nil else { throw error }
      vault.log.info("reading without a session: \(error)")
    }
    let session = Session(
      id: id, vault: vault, counter: counter, view: try View(vault, leaningOn: points),
      hold: hold, purpose: .read)
    if let point = points.first(where: { !session.leansOn.contains($0) }) {
      session.end()
      throw VaultError(.notThere, "recovery point \(point) was deleted meanwhile")
    }
    return session
  }

  private static func randomID(_ host: HostSystem) -> SessionID {
    SessionID(high: host.randomness.next(), low: host.randomness.next())
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

  /// The tombstones come first: a collection deletes a point, then its tombstone, and who looked
  /// the other way round could see the point before the one and nothing after the other.
  private static func isStillThere(_ point: PointID, _ vault: Vault) throws -> Bool {
    guard try Tombstones(vault, of: point).isWhole(point) else { return false }
    let names = Set(try vault.store.list(VaultFolder.points).map(\.name))
    return names.contains(.point(point, copy: 1)) || names.contains(.point(point, copy: 2))
  }

  /// The store through which the session writes, so that its bytes are counted.
  package var store: any ObjectStore { counter }
  /// All bytes that the session has added to the vault.
  package var storedByteCount: UInt64 { counter.putByteCount }

  /// Whether a pack of the listing was deleted since, as collections may do: it was condemned when
  /// the session began, and nothing needs it. Any other pack stays for as long as the session.
  package func hasGone(_ pack: SerialName) throws -> Bool {
    guard condemned.condemned.contains(pack) || condemned.doomed.contains(pack) else {
      return false
    }
    return try !vault.isThere(.pack(pack))
  }

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
    try Self.checkReadable(bytes, point)
    for copy in 1...2 {
      guard try store.put(.point(point.id, copy: copy), bytes) else {
        throw VaultError(
          .aborted, "recovery point \(point.id) exists already", hint: "run the backup again")
      }
    }
    // Where the record is gone, collections did not know of this session. Where it goes behind this
    // look, they see the point, which is there by now, and keep all that it needs.
    guard try vault.isThere(.session(id)) else {
      throw VaultError(
        .aborted, "the record of this backup was removed from the vault's folder sessions",
        hint: "run the backup again; what it stored is found and used")
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

  /// What a reader would refuse must not be reported as a point: the clock, or what the vault says
  /// of the points before, may lead beyond the limits of the format.
  private static func checkReadable(_ bytes: [UInt8], _ point: RecoveryPoint) throws {
    let problem: String
    do throws(FormatError) {
      if try RecoveryPoint(decoding: bytes.rawSpan) == point { return }
      problem = "it would be read as another"
    } catch {
      problem = error.problem
    }
    throw VaultError(
      .damaged, "recovery point \(point.id) could not be read again: \(problem)",
      hint: "look at this machine's clock, and verify the vault: snapstore verify")
  }

  /// How many bytes `commit` will add for this point; the figures in it do not change that.
  package static func commitByteCount(_ point: RecoveryPoint) -> UInt64 {
    let outcome = SessionOutcome(session: point.session, verdict: .committed)
    return UInt64(2 * point.encoded().count + 2 * outcome.encoded().count)
  }

  /// Ends the session of a reader or a collection: nobody needs to know of it any more. A writer's
  /// record stays, for a collection to remove after it has seen its outcome.
  package func end() {
    precondition(purpose != .write)
    guard isRegistered else { return }
    do {
      try vault.store.delete(.session(id))
    } catch {
      // What was done is done; a collection takes the record of a session that nobody holds.
      vault.log.info("the session's record stays in the vault: \(error)")
    }
  }
}
