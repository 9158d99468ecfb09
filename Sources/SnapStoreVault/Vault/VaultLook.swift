internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// The looks that a collection takes at the small objects of a vault. What can't be read and may
/// matter is an error: nothing is freed then.
package struct VaultLook: Sendable {
  private let vault: Vault

  package init(_ vault: Vault) {
    self.vault = vault
  }

  /// A session that is under way, for people.
  package struct UnderWay: Sendable {
    package var id: SessionID
    package var purpose: SessionRecord.Purpose
    package var started: Timestamp?
    package var host: String
  }

  /// The sessions that have an outcome, or a copy of one.
  package func outcomes() throws -> Set<SessionID> {
    Set(
      try vault.store.list(VaultFolder.outcomes).compactMap { object in
        let key = object.name.key
        return SessionID(key.hasSuffix(".2") ? key.dropLast(2) : key[...])
      })
  }

  /// The sessions that are registered. One whose record can't be read is taken for a writer that
  /// began before all others, or refused where it is under way.
  package func sessions() throws -> (seen: [SeenSession], records: [SessionID: UnderWay]) {
    var seen: [SeenSession] = []
    var records: [SessionID: UnderWay] = [:]
    for object in try vault.store.list(VaultFolder.sessions) {
      guard let id = SessionID(object.name.key) else { continue }
      // False where nobody can tell: who is ended by mistake commits nothing.
      var isAlive = false
      do {
        // First whether it lives: one that ends now is gone when it is read.
        isAlive = try vault.store.isHeld(object.name)
        guard let bytes = try vault.store.get(object.name, limit: FormatLimit.smallObject) else {
          continue
        }
        let record = try SessionRecord(decoding: bytes.rawSpan)
        guard record.id == id else {
          throw FormatError.damaged("says that it is session \(record.id)")
        }
        seen.append(
          SeenSession(
            id: id, purpose: record.purpose, epoch: record.epoch, leansOn: Set(record.leansOn),
            isAlive: isAlive))
        records[id] = UnderWay(
          id: id, purpose: record.purpose, started: record.started, host: record.host)
      } catch {
        guard let reason = damageReason(error) else { throw error }
        guard !isAlive else {
          throw VaultError(
            .damaged, "the record of session \(id), which is under way, can't be read: \(reason)",
            hint: "run the same command when no other snapstore works on the vault")
        }
        seen.append(
          SeenSession(id: id, purpose: .write, epoch: 0, leansOn: [], isAlive: false))
      }
    }
    return (seen, records)
  }

  /// Ends a dead writer's session, unless it has ended.
  package func end(_ session: SessionID, _ verdict: SessionOutcome.Verdict) throws {
    let outcome = SessionOutcome(session: session, verdict: verdict)
    guard try !vault.isThere(.outcomeCopy(session)) else { return }
    guard try vault.store.put(.outcome(session), outcome.encoded()) else { return }
    vault.log.info("session \(session) died; it is ended")
    if verdict == .committed { _ = try vault.store.put(.outcomeCopy(session), outcome.encoded()) }
  }

  /// Makes outcomes and copies of them that points have lost, or never had; returns of how many
  /// points the outcome was lost.
  package func restoreOutcomes(_ catalog: PointCatalog) throws -> Int {
    let there = Set(try vault.store.list(VaultFolder.outcomes).map(\.name))
    var lostCount = 0
    for session in catalog.kept.map(\.point.session) {
      let bytes = SessionOutcome(session: session, verdict: .committed).encoded()
      let names = [ObjectName.outcome(session), .outcomeCopy(session)]
      if !there.contains(names[0]) { lostCount += 1 }
      for name in names where !there.contains(name) { _ = try vault.store.put(name, bytes) }
    }
    return lostCount
  }

  /// What is in `points/`, with the tombstones of that moment.
  package struct Points: Sendable {
    package var seen: [SeenPoint] = []
    package var points: [PointID: RecoveryPoint] = [:]
    package var hashes: [PointID: RecoveryPoint.Hash] = [:]
    /// Deleted for ever, and unreadable: whose they were is not known.
    package var unreadable: [PointID] = []
  }

  /// Throws where a point that is not deleted for ever can't be read.
  package func points() throws -> Points {
    var found = Points()
    var copies: [PointID: [ObjectName]] = [:]
    for object in try vault.store.list(VaultFolder.points) {
      let parts = object.name.key.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[1] == "1" || parts[1] == "2", let id = PointID(parts[0])
      else { continue }
      copies[id, default: []].append(object.name)
    }
    let tombstones = try Tombstones(vault)
    for (id, names) in copies {
      let read = try PointCatalog.read(id, names.sorted { $0.key < $1.key }, vault)
      switch read {
      case nil: continue  // deleted since it was listed
      case .success(let entry):
        let point = entry.point
        found.points[id] = point
        found.hashes[id] = entry.hash
        found.seen.append(
          SeenPoint(
            id: id, session: point.session, outcome: try outcome(point.session),
            isFinal: tombstones.isFinal(id)))
      case .failure(let error):
        guard tombstones.isFinal(id) else {
          throw VaultError(
            error.code == .unsupported ? .unsupported : .damaged,
            "recovery point \(id) can't be read: \(error)",
            hint: error.code == .unsupported
              ? "use a newer snapstore"
              : "if it can be done without: snapstore point delete \(id) --now --yes")
        }
        found.unreadable.append(id)
      }
    }
    found.seen.sort { $0.id < $1.id }
    return found
  }

  private func outcome(_ session: SessionID) throws -> SeenPoint.Outcome {
    do {
      switch try SessionOutcome.verdict(of: session, vault) {
      case .committed: return .committed
      case .aborted: return .aborted
      case nil: return .pending
      }
    } catch {
      guard damageReason(error) != nil else { throw error }
      return .unknown
    }
  }
}
