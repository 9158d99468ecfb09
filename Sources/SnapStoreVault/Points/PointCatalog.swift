internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// The committed recovery points of a vault, as they were when it was listed.
package struct PointCatalog: Sendable {
  package struct Entry: Sendable {
    package var point: RecoveryPoint
    package var hash: RecoveryPoint.Hash
    /// Whether it was deleted, and can be brought back.
    package var isDeleted = false
    /// Why the outcome of its session can't be read, where that is damaged or lost.
    package var lostOutcome: FormatError?

    /// What a tombstone says of the point.
    package var subject: TombstoneRecord.Subject {
      TombstoneRecord.Subject(machine: point.machine, sequence: point.sequence, hash: hash)
    }
  }

  package typealias Unreadable = (id: PointID, error: FormatError)

  /// All that are kept, deleted ones too, in the order of machine, sequence, time.
  package private(set) var kept: [Entry]
  /// Those that are not deleted, in the same order.
  package private(set) var entries: [Entry]
  /// Those that are deleted and can be brought back, in the same order.
  package var deleted: [Entry] { kept.filter(\.isDeleted) }
  package private(set) var tombstones: Tombstones
  /// Points of which no copy can be read, with the reason; those that were deleted aside.
  package private(set) var unreadable: [Unreadable]

  /// Deleted, and unreadable.
  private var hidden: [PointID] = []
  /// Those of `unreadable` that can be read: nobody knows whether they were committed.
  private var doubtful: [Entry] = []
  /// Those whose sessions have not ended.
  private var pending: [Entry] = []

  package init(_ vault: Vault) throws {
    kept = []
    entries = []
    unreadable = []
    tombstones = try Tombstones(vault)
    var copies: [PointID: [ObjectName]] = [:]
    for object in try vault.store.list(VaultFolder.points) {
      let parts = object.name.key.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[1] == "1" || parts[1] == "2", let id = PointID(parts[0])
      else { continue }
      copies[id, default: []].append(object.name)
    }
    var found: [Entry] = []
    for (id, names) in copies where !tombstones.isFinal(id) {
      do {
        guard let entry = try Self.read(id, names.sorted { $0.key < $1.key }, vault)?.get()
        else { continue }
        found.append(entry)
      } catch {
        if let problem = try Self.problem(error, of: id, vault) { unreadable.append((id, problem)) }
      }
    }
    // A point that another one follows was committed, whatever became of its session's outcome.
    let followed = Set(found.flatMap(\.point.previous))
    for entry in found { try sort(entry, isFollowed: followed.contains(entry.hash), vault) }
    try doubtTheDead(vault)
    kept = Self.sorted(kept)
    entries = kept.filter { !$0.isDeleted }
    hidden = unreadable.map(\.id).filter(tombstones.isDeleted)
    unreadable.removeAll { tombstones.isDeleted($0.id) }
    doubtful.removeAll { tombstones.isDeleted($0.point.id) }
    unreadable.sort { $0.id < $1.id }
  }

  /// By how its session ended.
  private mutating func sort(_ entry: Entry, isFollowed: Bool, _ vault: Vault) throws {
    var entry = entry
    entry.isDeleted = tombstones.isDeleted(entry.point.id)
    let session = entry.point.session
    do {
      switch try SessionOutcome.verdict(of: session, vault) {
      case .committed: kept.append(entry)
      case .aborted: break
      case nil:
        if isFollowed { throw SessionOutcome.lost(session) }
        pending.append(entry)
      }
    } catch {
      guard let problem = try Self.problem(error, of: entry.point.id, vault) else { return }
      entry.lostOutcome = problem
      if isFollowed && problem.code == .damaged {
        kept.append(entry)
      } else {
        unreadable.append((entry.point.id, problem))
        if problem.code == .damaged { doubtful.append(entry) }
      }
    }
  }

  /// Where outcomes were lost, a session that came to no end may have lost its own too: its point
  /// is doubtful, unless it is under way.
  private mutating func doubtTheDead(_ vault: Vault) throws {
    let isLost = (kept + doubtful).contains {
      $0.lostOutcome == SessionOutcome.lost($0.point.session)
    }
    guard isLost else { return }
    let dead = try pending.filter { try !vault.store.isHeld(.session($0.point.session)) }
    // One that was alive may have ended since.
    pending = []
    for entry in dead { try sort(entry, isFollowed: false, vault) }
    for var entry in pending {
      let problem = SessionOutcome.lost(entry.point.session)
      entry.lostOutcome = problem
      unreadable.append((entry.point.id, problem))
      doubtful.append(entry)
    }
  }

  /// What keeps a point from being read; nil where it has gone meanwhile, and what belongs to it.
  private static func problem(
    _ error: any Error, of point: PointID, _ vault: Vault
  ) throws -> FormatError? {
    guard let reason = damageReason(error) else { throw error }
    guard try (1...2).contains(where: { try vault.isThere(.point(point, copy: $0)) }) else {
      return nil
    }
    return error as? FormatError ?? .damaged(reason)
  }

  /// By what tells their order alone: to move whole points about takes as long as to read them.
  private static func sorted(_ entries: [Entry]) -> [Entry] {
    let keys = entries.enumerated().map { place, entry in
      let point = entry.point
      return (
        order: (point.machine.text, point.sequence, point.time, point.id), place: place
      )
    }
    return keys.sorted { $0.order < $1.order }.map { entries[$0.place] }
  }

  /// The first copy that is good; the last one's error if none is; nil if none is there any more.
  static func read(
    _ id: PointID, _ names: [ObjectName], _ vault: Vault
  ) throws -> Result<Entry, FormatError>? {
    var failure: FormatError?
    for name in names {
      do {
        guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
          continue
        }
        let point = try RecoveryPoint(decoding: bytes.rawSpan)
        guard point.id == id, point.descriptor.id == vault.descriptor.id else {
          throw FormatError.damaged("is point \(point.id) of vault \(point.descriptor.id)")
        }
        return .success(Entry(point: point, hash: ObjectHash.of(bytes.rawSpan)))
      } catch let error as FormatError {
        failure = error.inObject("\(name)")
      } catch {
        guard let reason = damageReason(error) else { throw error }
        failure = .damaged(reason)
      }
      if let failure { vault.log.info("\(failure)") }
    }
    return failure.map { .failure($0) }
  }

  /// Leaves out what was deleted since for ever.
  package mutating func keep(stillIn later: PointCatalog) {
    let still = Set(later.kept.map(\.point.id))
    kept.removeAll { !still.contains($0.point.id) }
    entries.removeAll { !still.contains($0.point.id) }
    tombstones = later.tombstones
  }

  /// The machines that have points, in order.
  package var machines: [Name] {
    entries.map(\.point.machine).reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  package func entries(of machine: Name) -> [Entry] {
    entries.filter { $0.point.machine == machine }
  }

  /// The newest point of a machine: the highest sequence number, and of two (a legal fork) the
  /// later one.
  package func latest(of machine: Name) -> Entry? {
    entries.last { $0.point.machine == machine }
  }

  /// The newest of a machine's points, deleted or not, of which the clock was not suspect.
  package func latestByGoodClock(of machine: Name) -> Entry? {
    kept.last { $0.point.machine == machine && $0.point.clock?.suspicion == nil }
  }

  /// The sequence number that the machine's next point gets. Deleted points count for it. Throws
  /// where there is no higher one: no honest point comes near it.
  package func nextSequence(of machine: Name) throws -> UInt64 {
    guard let last = kept.last(where: { $0.point.machine == machine })?.point else { return 1 }
    guard last.sequence < RecoveryPoint.maximumSequence else {
      throw VaultError(
        .damaged, "no sequence number follows that of recovery point \(last.id)",
        hint: "delete it: snapstore point delete \(last.id) --now --yes")
    }
    return last.sequence + 1
  }

  /// The hashes of the machine's points, deleted or not, to which no other point links.
  package func heads(of machine: Name) -> [RecoveryPoint.Hash] {
    let entries = kept.filter { $0.point.machine == machine }
    let linked = Set(entries.flatMap(\.point.previous))
    return entries.map(\.hash).filter { !linked.contains($0) }
  }

  /// The newest tombstone says that a point is gone for ever, or hidden; or it never was.
  private func missing(_ text: String, machine: Name?) -> VaultError {
    let deleted = deleted.map(\.point).filter { machine == nil || $0.machine == machine }
    if text != "latest", let point = deleted.first(where: { $0.id.text.hasPrefix(text) }) {
      return VaultError(
        .notThere, "recovery point \(point.id) is deleted",
        hint: "bring it back first: snapstore point undelete \(point.id)")
    }
    if text == "latest" {
      return VaultError(
        .notThere, "the vault has no recovery points",
        hint: deleted.isEmpty
          ? "make one with: snapstore backup"
          : "deleted ones can be brought back: snapstore points --deleted")
    }
    return VaultError(
      .notThere, "there is no recovery point \(text)", hint: "list them with: snapstore points")
  }

  /// The point that a person means: `latest`, an ID, or the unique beginning of one. `machine`
  /// narrows it down; `latest` needs it where the vault has more machines than one.
  ///
  /// Of `latest`, those that are `unreadable` and whose names are older are not considered, which
  /// the person should be told: a clock may have been set back. By its ID, a point is found too of
  /// which nobody knows whether it was committed (`doubt`).
  package func resolve(_ text: String, machine: Name?) throws -> Entry {
    let unreadable = unreadable(of: machine)
    if let machine, !(kept + doubtful).contains(where: { $0.point.machine == machine }) {
      // It may be one of those of which nothing can be read.
      if let lost = unreadable.last(where: { text == "latest" || $0.id.text.hasPrefix(text) }) {
        throw self.unreadable(lost)
      }
      throw VaultError(
        .notThere, "there is no recovery point of a machine named \(machine)", hint: machinesHint)
    }
    guard text == "latest" else { return try resolve(id: text, machine: machine, unreadable) }
    guard let last = (machine.map { entries(of: $0) } ?? entries).last else {
      if let damaged = unreadable.last { throw self.unreadable(damaged) }
      throw missing(text, machine: machine)
    }
    guard machine != nil || machines.count == 1 else {
      throw VaultError(
        .ambiguous, "the vault has points of \(machines.count) machines", hint: machinesHint)
    }
    // The name of a point begins with its time: a newer one may be the one that is meant. Of two
    // that were made in one second, neither name is the newer.
    if let newer = unreadable.last, newer.id.timeText >= last.point.id.timeText {
      throw self.unreadable(newer)
    }
    if let newer = newestUnsure(of: last.point.machine), newer.sequence > last.point.sequence {
      throw VaultError(
        .damaged, "whether the newer recovery point \(newer.id) is deleted can't be read",
        hint: "bring it back: snapstore point undelete \(newer.id)")
    }
    return last
  }

  /// Of the points that count as deleted because nobody can read whether they are.
  private func newestUnsure(of machine: Name) -> RecoveryPoint? {
    deleted.last { $0.point.machine == machine && tombstones.isUnreadable($0.point.id) }?.point
  }

  private func resolve(
    id text: String, machine: Name?, _ unreadable: [Unreadable]
  ) throws -> Entry {
    let matches = (entries + doubtful).filter {
      $0.point.id.text.hasPrefix(text) && (machine == nil || $0.point.machine == machine)
    }
    guard let match = matches.first, !text.isEmpty else {
      if let damaged = unreadable.first(where: { $0.id.text.hasPrefix(text) }) {
        throw self.unreadable(damaged)
      }
      throw missing(text, machine: machine)
    }
    // Where only the beginning is given, one that can't be read may be meant as well.
    let ids = Set(matches.map(\.point.id))
    let others = unreadable.map(\.id).filter { $0.text.hasPrefix(text) && !ids.contains($0) }
    let isWhole = match.point.id.text == text
    guard matches.count == 1, isWhole || others.isEmpty else {
      throw Self.ambiguous(text, (ids + others).sorted())
    }
    return match
  }

  /// What a person should know of a point that is there only for who names it: it can be read, but
  /// nobody knows whether it was committed.
  package func doubt(of entry: Entry) -> String? {
    guard let lost = entry.lostOutcome, doubtful.contains(where: { $0.point.id == entry.point.id })
    else { return nil }
    return "whether the backup of recovery point \(entry.point.id) came to its end is not known, "
      + "since \(lost); what is read of the point is checked all the same"
  }

  /// Whether a session has a point of which nobody knows whether it was committed.
  package func isDoubtful(_ session: SessionID) -> Bool {
    doubtful.contains { $0.point.session == session }
  }

  /// Those that may be this machine's.
  private func unreadable(of machine: Name?) -> [Unreadable] {
    guard let machine else { return unreadable }
    let others = Set(doubtful.filter { $0.point.machine != machine }.map(\.point.id))
    return unreadable.filter { !others.contains($0.id) }
  }

  /// The point that a person wants to delete: an ID or the unique beginning of one, whether the
  /// point is deleted already or can't be read; and what it is, where that can be told.
  package func resolveAny(
    _ text: String
  ) throws -> (id: PointID, subject: TombstoneRecord.Subject?) {
    let known = Dictionary(uniqueKeysWithValues: kept.map { ($0.point.id, $0) })
    let id = try unique(text, known.keys + unreadable.map(\.id) + hidden)
    return (id, known[id]?.subject ?? inferredSubject(of: id))
  }

  /// What a point was that can't be read, by the one that was made after it: its hash is the one
  /// that nothing else explains. Nil where there is no such point.
  private func inferredSubject(of id: PointID) -> TombstoneRecord.Subject? {
    guard let successor = kept.first(where: { $0.point.parent == id })?.point else { return nil }
    let gone = tombstones.gone
    let known = Set(kept.map(\.hash))
    let unexplained = successor.previous.filter { !known.contains($0) && gone[$0] == nil }
    guard unexplained.count == 1, successor.sequence > 1 else { return nil }
    return TombstoneRecord.Subject(
      machine: successor.machine, sequence: successor.sequence - 1, hash: unexplained[0])
  }

  /// The deleted point that a person wants back.
  package func resolveDeleted(_ text: String) throws -> PointID {
    try unique(text, deleted.map(\.point.id) + hidden)
  }

  private func unique(_ text: String, _ ids: some Sequence<PointID>) throws -> PointID {
    let matches = ids.filter { $0.text.hasPrefix(text) && !text.isEmpty }.sorted()
    guard let match = matches.first else {
      throw VaultError(
        .notThere, "there is no recovery point \(text) that could be meant",
        hint: "list them with: snapstore points, or snapstore points --deleted")
    }
    guard matches.count == 1 else { throw Self.ambiguous(text, matches) }
    return match
  }

  private static func ambiguous(_ text: String, _ matches: [PointID]) -> VaultError {
    VaultError(
      .ambiguous,
      "\(text) is the beginning of \(matches.count) recovery points: "
        + matches.prefix(4).map(\.text).joined(separator: ", "), hint: "give more of the ID")
  }

  private func unreadable(_ point: Unreadable) -> VaultError {
    guard point.error.code == .damaged else {
      return VaultError(
        .unsupported, "recovery point \(point.id) was made by a newer program: \(point.error)",
        hint: "use a newer snapstore")
    }
    return VaultError(
      .damaged, "recovery point \(point.id) is damaged: \(point.error)",
      hint: doubtful.contains { $0.point.id == point.id }
        ? "its data may be whole: snapstore restore --point \(point.id)"
        : "restore another one by its ID: snapstore points")
  }

  private var machinesHint: String {
    let names = machines.prefix(8).map(\.text).joined(separator: ", ")
    return names.isEmpty ? "the vault is empty" : "name one with --vm: \(names)"
  }
}
