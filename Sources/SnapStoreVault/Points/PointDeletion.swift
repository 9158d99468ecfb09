internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// How long a deleted point can be brought back.
package enum SoftDelete {
  package static let defaultSeconds: UInt64 = 14 * 86400

  /// Whether the time in which a deleted point can be brought back is over.
  ///
  /// `now` is the lesser of the clock's time and the vault's (`VaultTime.expiryTime`): a clock is a
  /// lower bound and nothing more.
  package static func isOver(_ tombstone: TombstoneRecord, at now: Timestamp) -> Bool {
    guard tombstone.state == .deleted, now.seconds >= tombstone.time.seconds else { return false }
    return UInt64(now.seconds - tombstone.time.seconds) >= tombstone.softDeleteSeconds
  }
}

/// Deletes points and brings them back: each step is a tombstone that is created if it is absent.
package struct PointDeletion: Sendable {
  private static let maximumAttempts = 16
  private let vault: Vault
  private let time: Timestamp
  private let known: Tombstones?

  /// `time`: when it is done (`VaultTime.recordTime`). `known`: the tombstones as they were read
  /// before, for who deletes many points: each deletion is tried by these first, and a number that
  /// was taken since is found when it is put.
  package init(_ vault: Vault, at time: Timestamp, knowing known: Tombstones? = nil) {
    self.vault = vault
    self.time = time
    self.known = known
  }

  /// Now, by the vault's time as `catalog` has it.
  package init(_ vault: Vault, _ catalog: PointCatalog) throws {
    self.init(vault, at: try VaultTime(vault, catalog).recordTime(at: vault.now()))
  }

  /// Deletes a point: for ever with `isFinal`, else so that it can be brought back for a while.
  /// `subject` is nil where the point can't be read. Durable when it returns the tombstone that
  /// holds now, which may be one that was there. Throws `VaultError` where the point is pinned.
  @discardableResult
  package func delete(
    _ point: PointID, subject: TombstoneRecord.Subject?, isFinal: Bool,
    softDeleteSeconds: UInt64 = SoftDelete.defaultSeconds
  ) throws -> TombstoneRecord {
    try refusePinned(point)
    if isFinal {
      // Who pins at this moment sees this step, or is seen behind it; `final` can't be taken back.
      try delete(point, subject: subject, isFinal: false, softDeleteSeconds: softDeleteSeconds)
    }
    let record = try change(point, knowing: isFinal ? nil : known) { newest in
      if let record = newest?.record {
        if record.state == .final || record.state == .deleted && !isFinal { return .holds(record) }
        if record.state == .undeleted && isFinal {
          throw VaultError(
            .aborted, "recovery point \(point) was brought back meanwhile",
            hint: "run the same command again, if it is to be deleted all the same")
        }
      }
      return .step(
        isFinal ? .final : .deleted, softDeleteSeconds: isFinal ? 0 : softDeleteSeconds,
        subject ?? newest?.record?.subject)
    }
    guard record.state == .deleted else { return record }
    do {
      // It may have been pinned meanwhile; who pins looks for a tombstone afterwards too.
      try refusePinned(point)
    } catch {
      _ = try undelete(point)
      throw error
    }
    return record
  }

  private func refusePinned(_ point: PointID) throws {
    guard try Pins(vault).contains(point) else { return }
    throw VaultError(
      .pinned, "recovery point \(point) is pinned",
      hint: "to let it go: snapstore point unpin \(point)")
  }

  /// Brings a deleted point back; one, too, of which nobody can read whether it is deleted. Throws
  /// `VaultError` where it is gone for ever.
  @discardableResult
  package func undelete(_ point: PointID) throws -> TombstoneRecord? {
    guard try Tombstones(vault, of: point).newest[point] != nil else { return nil }
    let record = try change(point) { newest in
      guard let record = newest?.record else {
        vault.log.warning(
          """
          the newest tombstone of recovery point \(point) can't be read, and may have said that it \
          is gone for ever: snapstore verify --point \(point) tells whether it can be restored
          """)
        return .step(.undeleted, softDeleteSeconds: 0, nil)
      }
      switch record.state {
      case .undeleted: return .holds(record)
      case .deleted: return .step(.undeleted, softDeleteSeconds: 0, record.subject)
      case .final:
        throw VaultError(.notThere, "recovery point \(point) was deleted for ever")
      }
    }
    try repeatUndeleted(record)
    // Whoever was held up here may come after everything of the point is gone.
    guard
      try vault.isThere(.point(point, copy: 1)) || vault.isThere(.point(point, copy: 2))
    else { throw VaultError(.notThere, "recovery point \(point) is gone") }
    return record
  }

  /// The same step once more, unless it is there twice: were the only one lost, the one before
  /// would hold again, and delete the point in the end.
  private func repeatUndeleted(_ record: TombstoneRecord) throws {
    let name = record.name
    guard record.state == .undeleted, name.number < TombstoneName.maximumNumber else { return }
    let before =
      try name.number > 1
      ? Tombstones.state(TombstoneName(point: name.point, number: name.number - 1), vault) : nil
    guard before != .undeleted else { return }
    var again = record
    again.name = TombstoneName(point: name.point, number: name.number + 1)
    // Where the number is taken, somebody deletes it again.
    _ = try put(again)
  }

  /// Deletes for ever what was deleted long enough ago, but for what is pinned; returns which
  /// points. `isDry`: only tells.
  package func finishSoftDeletes(at now: Timestamp, isDry: Bool) throws -> [PointID] {
    let tombstones = try Tombstones(vault)
    // Behind them: who pins looks for a tombstone afterwards.
    let pins = try Pins(vault)
    let over = tombstones.newest.values.compactMap(\.record).filter {
      SoftDelete.isOver($0, at: now) && !pins.contains($0.name.point)
    }.sorted { $0.name < $1.name }
    if !isDry {
      for record in over where record.name.number < TombstoneName.maximumNumber {
        // Somebody may bring it back at this moment: then this number is taken.
        _ = try put(
          TombstoneRecord(
            name: TombstoneName(point: record.name.point, number: record.name.number + 1),
            state: .final, time: time, softDeleteSeconds: 0, subject: record.subject))
      }
    }
    return over.map(\.name.point)
  }

  private enum Next {
    case holds(TombstoneRecord)
    case step(TombstoneRecord.State, softDeleteSeconds: UInt64, TombstoneRecord.Subject?)
  }

  private func change(
    _ point: PointID, knowing known: Tombstones? = nil, _ next: (Tombstones.Newest?) throws -> Next
  ) throws -> TombstoneRecord {
    for attempt in 0..<Self.maximumAttempts {
      let earlier = attempt == 0 ? known : nil
      let newest = try (earlier ?? Tombstones(vault, of: point)).newest[point]
      switch try next(newest) {
      case .holds(let record):
        // Whoever put it may have been killed before it was durable.
        try vault.store.synchronize(VaultFolder.tombstones)
        return record
      case .step(let state, let seconds, let subject):
        guard newest?.name.number != TombstoneName.maximumNumber else {
          throw VaultError(
            .damaged, "the tombstones of recovery point \(point) have no next number",
            hint: "verify the vault: snapstore verify")
        }
        let record = TombstoneRecord(
          name: TombstoneName(point: point, number: (newest?.name.number ?? 0) + 1), state: state,
          time: time, softDeleteSeconds: seconds, subject: subject)
        if try put(record) { return record }
      }
    }
    throw VaultError(
      .aborted, "recovery point \(point) is being deleted and brought back by others",
      hint: "run the same command again")
  }

  /// False where another step was taken meanwhile.
  private func put(_ record: TombstoneRecord) throws -> Bool {
    try vault.store.put(.tombstone(record.name), record.encoded())
  }
}
