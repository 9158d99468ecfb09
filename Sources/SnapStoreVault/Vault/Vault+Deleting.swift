internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// What only a collection does, after it has decided. Each returns how many bytes it freed: by what
/// the store says of objects, which need not be true, so that sums of it wrap.
extension Vault {
  /// Makes a decision; false where another one was made meanwhile. Durable, with its copy, when it
  /// returns.
  package func decide(_ epoch: EpochRecord) throws -> Bool {
    let bytes = epoch.encoded()
    guard try store.put(.epoch(epoch.number), bytes) else { return false }
    // The number may have been free because it is old, and was deleted.
    guard try newestEpochNumber() == epoch.number else { return false }
    do {
      _ = try store.put(.epochCopy(epoch.number), bytes)
    } catch {
      log.warning("epoch \(epoch.number) has no second copy: \(error)")
    }
    return true
  }

  package func deletePack(_ pack: SerialName) throws -> Bool { try store.delete(.pack(pack)) }

  package func deletePoint(_ point: PointID) throws -> UInt64 {
    try delete([.point(point, copy: 1), .point(point, copy: 2)])
  }

  package func deleteSession(_ session: SessionID) throws -> UInt64 {
    try delete([.session(session)])
  }

  /// The copy first: it would count where the other is gone.
  package func deleteOutcome(_ session: SessionID) throws -> UInt64 {
    try delete([.outcomeCopy(session), .outcome(session)])
  }

  private func delete(_ names: [ObjectName]) throws -> UInt64 {
    var freed: UInt64 = 0
    for name in names {
      let byteCount = try readable { try store.open(name)?.byteCount } ?? 0
      if try store.delete(name) { freed &+= byteCount }
    }
    return freed
  }

  /// All epochs but the newest.
  package func deleteOldEpochs() throws -> UInt64 {
    let newest = try newestEpochNumber()
    let old = try store.list(VaultFolder.epochs).map(\.name).filter { name in
      let key = name.key.hasSuffix(".2") ? name.key.dropLast(2) : name.key[...]
      return EpochName(key).map { $0.number < newest } ?? false
    }
    return try delete(old)
  }

  /// Tombstones of points that are gone, and that nothing is explained by any more: no point which
  /// is left names them as the one before it, and the machine has, or had, one after them. (What
  /// was its newest point explains why a host that made it does not find it.)
  package func deleteOldTombstones() throws -> UInt64 {
    var names: [PointID: [TombstoneName]] = [:]
    for object in try store.list(VaultFolder.tombstones) {
      guard let name = TombstoneName(object.name.key) else { continue }
      names[name.point, default: []].append(name)
    }
    guard !names.isEmpty else { return 0 }
    let tombstones = try Tombstones(self)
    let left = try VaultLook(self).points()
    let explained = Set(left.points.values.flatMap(\.previous))
    var newest: [Name: UInt64] = [:]
    for point in left.points.values {
      newest[point.machine] = max(newest[point.machine] ?? 0, point.sequence)
    }
    for subject in tombstones.gone.values {
      newest[subject.machine] = max(newest[subject.machine] ?? 0, subject.sequence)
    }
    let there = Set(left.points.keys).union(left.unreadable)
    var freed: UInt64 = 0
    for (point, all) in names where !there.contains(point) && tombstones.isFinal(point) {
      guard let record = tombstones.newest[point]?.record,
        record.subject.map({
          !explained.contains($0.hash) && $0.sequence < newest[$0.machine] ?? 0
        }) ?? true
      else { continue }
      freed &+= try delete(all.sorted().map { .tombstone($0) })
    }
    return freed
  }

  /// Pins and reviews of points that are gone.
  package func deleteOldPins() throws -> UInt64 {
    let marks = try [VaultFolder.pins, VaultFolder.reviews].flatMap(store.list).map(\.name)
    guard !marks.isEmpty else { return 0 }
    let there = try listPoints()
    return try delete(marks.filter { PointID($0.key).map { !there.contains($0) } ?? false })
  }

  /// The points of which the vault has a copy, in whatever state.
  private func listPoints() throws -> Set<PointID> {
    Set(try store.list(VaultFolder.points).compactMap { PointID($0.name.key.dropLast(2)) })
  }

  package func listDamage() throws -> [SerialName] {
    try store.list(VaultFolder.damage).compactMap { SerialName($0.name.key) }
  }

  /// Of the records of damage that were listed before `packs` and before all that is needed was
  /// found, those of which every finding lies in a pack that is gone. `isAlone`, where nobody was
  /// under way who may go by them: those, too, that say that no copy is known, or that nobody knows
  /// what is lost.
  package func deleteOldDamage(
    among listed: [SerialName], packs: Set<SerialName>, isAlone: Bool
  ) throws -> UInt64 {
    var old: [ObjectName] = []
    for name in listed {
      let object = ObjectName.damage(name)
      guard let record = try readable({ try KnownDamage.read(object, name, self) }) else {
        continue
      }
      let isOld = record.findings.allSatisfy { finding in
        finding.address.map { !packs.contains($0.pack) } ?? isAlone
      }
      if isOld, isAlone || !record.findings.isEmpty { old.append(object) }
    }
    return try delete(old)
  }

  /// Records of damage that can't be read; to be called by who has read all content since `listed`
  /// was, and found it whole: what they said is told by that. Returns what was deleted. One of a
  /// newer version stays.
  package func deleteUnreadableDamage(among listed: [SerialName]) throws -> Set<String> {
    var deleted: Set<String> = []
    for name in listed {
      let object = ObjectName.damage(name)
      do {
        _ = try KnownDamage.read(object, name, self)
      } catch {
        guard damageReason(error) != nil else { throw error }
        guard (error as? FormatError)?.code != .unsupported else { continue }
        try store.delete(object)
        deleted.insert("\(object)")
      }
    }
    return deleted
  }

  /// Records of verifications of which every point is gone, or was verified again since, and those
  /// whose bytes are wrong: they say nothing.
  package func deleteOldVerifications() throws -> UInt64 {
    var records: [(name: ObjectName, record: VerificationRecord)] = []
    var old: [ObjectName] = []
    for object in try store.list(VaultFolder.verifications) {
      guard SessionID(object.name.key) != nil else { continue }
      let bytes = try readable { try store.get(object.name, limit: FormatLimit.smallObject) }
      guard let bytes else { continue }
      do {
        records.append((object.name, try VerificationRecord(decoding: bytes.rawSpan)))
      } catch {
        if error.code == .damaged { old.append(object.name) }
      }
    }
    records.sort { $0.record.time > $1.record.time }
    // Behind them: what they name was made before.
    let there = try listPoints()
    var known: Set<PointID> = []
    for (name, record) in records {
      let says = Set(record.points + record.lossy).intersection(there)
      if says.isSubset(of: known) { old.append(name) }
      known.formUnion(says)
    }
    return try delete(old)
  }

  /// Nil where what is asked for is gone or can't be read: then it stays as it is.
  private func readable<Result>(_ body: () throws -> Result?) throws -> Result? {
    do {
      return try body()
    } catch {
      guard damageReason(error) != nil else { throw error }
      return nil
    }
  }
}
