internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO

/// Checks the small objects of a vault, as a verification does: descriptor, points, outcomes,
/// sessions, records of damage, of verifications and of jobs, policies and machines, and each
/// machine's chain of points.
package struct ObjectCheck {
  private let vault: Vault
  private let report: DamageReport

  package init(vault: Vault, report: DamageReport) {
    self.vault = vault
    self.report = report
  }

  package func run(_ catalog: PointCatalog) throws {
    try checkDescriptor()
    try checkPoints(catalog)
    try checkOutcomes(catalog)
    try check(VaultFolder.sessions) { key, bytes throws(FormatError) in
      guard let id = SessionID(key) else { return }
      let record = try SessionRecord(decoding: bytes)
      guard record.id == id else { throw .damaged("says that it is session \(record.id)") }
    }
    try check(VaultFolder.damage) { key, bytes throws(FormatError) in
      guard let name = SerialName(key) else { return }
      let record = try DamageRecord(decoding: bytes)
      guard record.name == name else { throw .damaged("says that it is \(record.name)") }
    }
    try check(VaultFolder.verifications) { key, bytes throws(FormatError) in
      guard let id = SessionID(key) else { return }
      let record = try VerificationRecord(decoding: bytes)
      guard record.session == id else { throw .damaged("says that it is \(record.session)") }
    }
    try check(VaultFolder.tombstones) { key, bytes throws(FormatError) in
      guard let name = TombstoneName(key) else { return }
      let record = try TombstoneRecord(decoding: bytes)
      guard record.name == name else { throw .damaged("says that it is \(record.name)") }
    }
    try check(VaultFolder.pins) { key, bytes throws(FormatError) in
      guard let point = PointID(key) else { return }
      let record = try PinRecord(decoding: bytes)
      guard record.point == point else { throw .damaged("says that it pins \(record.point)") }
    }
    try check(VaultFolder.reviews) { key, bytes throws(FormatError) in
      guard let point = PointID(key) else { return }
      let record = try ReviewRecord(decoding: bytes)
      guard record.point == point else { throw .damaged("says that it is of \(record.point)") }
    }
    try check(VaultFolder.epochs) { key, bytes throws(FormatError) in
      guard let name = EpochName(key.hasSuffix(".2") ? key.dropLast(2) : key[...]) else { return }
      let record = try EpochRecord(decoding: bytes)
      guard record.number == name.number else {
        throw .damaged("says that it is epoch \(record.number)")
      }
    }
    try check(VaultFolder.jobs) { _, bytes throws(FormatError) in
      _ = try JobsObject(decoding: bytes)
    }
    try checkChanges(PolicyRecord.self)
    try checkChanges(MachineRecord.self)
    try checkChains(catalog)
    for lost in catalog.unreadable where lost.error.code == .damaged {
      let copies = [ObjectName.point(lost.id, copy: 1), .point(lost.id, copy: 2)].map { "\($0)" }
      // Its outcome is the cause where its copies are not.
      let cause = lost.error.object.flatMap { copies.contains($0) ? nil : [$0] } ?? copies
      report.lose(point: lost.id, by: cause, lost.error.problem)
    }
  }

  /// Calls `body` for each object of a folder; what that throws is damage.
  private func check(
    _ folder: String, _ body: (_ key: String, RawSpan) throws(FormatError) -> Void
  ) throws {
    for object in try vault.store.list(folder) {
      try check(object.name) { bytes throws(FormatError) in try body(object.name.key, bytes) }
    }
  }

  /// The bytes of an object that `body` finds right; nil where it is damaged, or is not there.
  @discardableResult
  private func check(
    _ name: ObjectName, _ body: (RawSpan) throws(FormatError) -> Void
  ) throws -> [UInt8]? {
    do {
      guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
        return nil  // gone since it was listed
      }
      try body(bytes.rawSpan)
      return bytes
    } catch let error as FormatError where error.code == .unsupported {
      vault.log.warning("\(name) can't be checked: it \(error.problem)")
    } catch let error as FormatError {
      report.add(name, at: error.offset, error.problem)
    } catch {
      guard let reason = damageReason(error) else { throw error }
      report.add(name, reason)
    }
    return nil
  }

  private func checkDescriptor() throws {
    let name = ObjectName.vaultDescriptor
    guard try vault.isThere(name) else {
      report.add(name, "is missing; a copy in a recovery point is used")
      return
    }
    try check(name) { bytes throws(FormatError) in
      guard try VaultDescriptor(decoding: bytes) == vault.descriptor else {
        throw .damaged("is not what the recovery points have a copy of")
      }
    }
  }

  /// Both copies of each committed point must be there, and be the same.
  private func checkPoints(_ catalog: PointCatalog) throws {
    try check(VaultFolder.points) { key, bytes throws(FormatError) in
      let point = try RecoveryPoint(decoding: bytes)
      guard "\(point.id).1" == key || "\(point.id).2" == key else {
        throw .damaged("says that it is point \(point.id)")
      }
      guard point.descriptor == vault.descriptor else {
        throw .damaged("is of another vault")
      }
    }
    for entry in catalog.kept {
      for copy in 1...2 {
        let name = ObjectName.point(entry.point.id, copy: copy)
        if try !vault.isThere(name) {
          guard try !isGone(entry.point.id) else { break }
          report.add(name, "is missing; the other copy is used")
        } else {
          try check(name) { bytes throws(FormatError) in
            // A copy that does not decode has been found above.
            guard ObjectHash.of(bytes) != entry.hash, try Self.decodes(bytes) else { return }
            throw .damaged("is not the same as the other copy")
          }
        }
      }
    }
  }

  private static func decodes(_ bytes: RawSpan) throws(FormatError) -> Bool {
    do {
      _ = try RecoveryPoint(decoding: bytes)
      return true
    } catch {
      return false
    }
  }

  private func checkOutcomes(_ catalog: PointCatalog) throws {
    try check(VaultFolder.outcomes) { key, bytes throws(FormatError) in
      let text = key.hasSuffix(".2") ? key.dropLast(2) : key[...]
      guard let id = SessionID(text) else { return }
      let outcome = try SessionOutcome(decoding: bytes)
      guard outcome.session == id else { throw .damaged("is that of session \(outcome.session)") }
    }
    for entry in catalog.kept {
      let outcome = ObjectName.outcome(entry.point.session)
      guard try !vault.isThere(outcome) && !isGone(entry.point.id) else { continue }
      report.add(
        outcome,
        entry.lostOutcome == nil
          ? "is missing; its copy is used"
          : "is missing, and so is its copy; a later point shows that it was committed")
    }
  }

  /// Each change but the newest has one before it and one behind it, and its first copy: what was
  /// stopped between the two has no second one.
  private func checkChanges<Record: ChangeRecord>(_ kind: Record.Type) throws {
    var copies: [ChangeName: Set<Int>] = [:]
    try check(Record.folder) { key, bytes throws(FormatError) in
      guard let (name, copy) = ChangeLog<Record>.parse(key) else { return }
      copies[name, default: []].insert(copy)
      _ = try ChangeLog<Record>.decode(bytes, name)
    }
    for name in copies.keys where !copies[name, default: []].contains(1) {
      report.add(.change(name, in: Record.folder, copy: 1), "is missing; its copy is used")
    }
    for (subject, changes) in Dictionary(grouping: copies.keys, by: \.subject) {
      var next: UInt64 = 1
      for change in changes.sorted(by: { $0.number < $1.number }) {
        if change.number > next {
          let first = ChangeName(subject, number: next)
          report.add(
            .change(first, in: Record.folder, copy: 1),
            "is missing, and so is all that is before change \(change.number)")
        }
        next = change.number + 1
      }
    }
  }

  /// Whether a point was deleted for ever while this check went on: then its objects go one by one.
  private func isGone(_ point: PointID) throws -> Bool {
    if try Tombstones(vault, of: point).isFinal(point) { return true }
    return try !vault.isThere(.point(point, copy: 1)) && !vault.isThere(.point(point, copy: 2))
  }

  /// Each point names those before it by their hashes, and counts on from them. The tombstones of
  /// those that were deleted for ever say what they were.
  private func checkChains(_ catalog: PointCatalog) throws {
    // What was deleted while points were listed is told by tombstones that came later.
    let gone = try Tombstones(vault).gone.merging(catalog.tombstones.gone) { new, _ in new }
    for machine in Set(catalog.kept.map(\.point.machine)) {
      let entries = catalog.kept.filter { $0.point.machine == machine }
      var sequences = gone.filter { $0.value.machine == machine }.mapValues(\.sequence)
      for entry in entries { sequences[entry.hash] = entry.point.sequence }
      for entry in entries {
        let name = ObjectName.point(entry.point.id, copy: 1)
        for hash in entry.point.previous where sequences[hash] == nil {
          report.add(
            name,
            "the point of \(machine) before it is missing or was altered; its hash was "
              + Hexadecimal.text(hash))
        }
        let before = entry.point.previous.compactMap { sequences[$0] }
        guard before.count == entry.point.previous.count else { continue }
        let expected = (before.max() ?? 0) + 1
        if entry.point.sequence != expected {
          report.add(
            name, "has sequence number \(entry.point.sequence) where \(expected) follows")
        }
      }
    }
  }
}
