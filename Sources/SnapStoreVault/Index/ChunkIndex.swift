internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// Tells which chunks a vault has and where, for one session.
///
/// Three sources: index segments in the store; a table in memory of what this session stores, and
/// of packs that no segment covers (a killed writer's), read by their directories; and claims,
/// which say that a lane of this session is storing a chunk right now. The table is written as a
/// segment whenever it is full, so memory stays bounded.
///
/// The index is a hint. A segment that is damaged is set aside, and its packs are read by their
/// directories; a pack whose directory is damaged gives nothing, and its content is stored again.
package final class ChunkIndex: Sendable {
  private struct State {
    var list = Replaced<[IndexSegment]>([])
    var segments: [IndexSegment] {
      get { list.value }
      set { list = Replaced(newValue) }
    }
    /// Nil: claimed, and not yet in a finished pack.
    var table: [ChunkID: ChunkLocation?] = [:]
    /// What lies in condemned packs that no segment covers: to be read, and for nothing else.
    var condemned: [ChunkID: ChunkLocation] = [:]
    /// Of what no good copy was found: known by name, and to be stored again by who has it.
    var lost: Set<ChunkID> = []
    /// Segments whose packs are all covered otherwise, or will be by the next one.
    var damagedSegments: [SerialName] = []
    /// What the next segment will hold.
    var uncovered: [(pack: CoveredPack, entries: [PackDirectoryEntry])] = []
    var uncoveredEntryCount = 0
    var nextSegmentNumber: UInt32 = 0
    var isComplete = false
    /// Whether a segment that is listed could not be opened.
    var hasUnreadSegment = false
    /// Segments that gave an error.
    var unreadSegments: [SerialName] = []
    var unknownLoss: SerialName?
    var budget: IndexSegment.Budget
    var searchesLeft = 16
  }

  /// A segment is written once so many entries wait for it.
  private let entriesPerSegment: Int

  let session: Session
  private let packs: PackReaders
  private let directories: PackDirectories
  private let cache: PageCache
  private let state: Lock<State>
  /// Held by the lane that replaces a damaged segment.
  private let repairs = Lock(())
  /// What a session adds is written as segments when enough has come together: readers write none.
  private let writesSegments: Bool
  /// What is known to be damaged: no copy there counts for `claim`.
  private let known: KnownDamage
  /// What this run found damaged.
  package let found = FoundDamage()

  /// Opens the index for a session. `memory`: bytes for filters, pack directories and cached pages
  /// together; the table takes half as much again. Most is for filters: 12 bits an entry answer for
  /// a new chunk without a page, while the pages of a large index don't fit anyway.
  /// What can't be read is logged as a warning, and done without.
  package init(session: Session, memory: Int) throws {
    self.session = session
    packs = PackReaders(store: session.vault.store)
    directories = PackDirectories(
      packs: packs, vault: session.vault.descriptor.id, byteCount: memory / 8)
    cache = PageCache(byteCount: memory / 8)
    state = Lock(
      State(budget: .init(filterByteCount: memory / 4 * 3, packsThere: session.packs.count)))
    entriesPerSegment = max(1 << 14, min(1 << 17, memory / 512))
    writesSegments = session.purpose != .read
    known = try KnownDamage(session.vault, limit: memory / 512)
    let isCovered = try openSegments()
    if !isCovered { try noteUnknownLoss() }
    for pack in uncoveredPacks() where try !addByDirectory(pack) {
      // A damaged segment may be all that tells what lies in it.
      state.withLock { $0.damagedSegments = [] }
    }
    let isLossKnown = try session.purpose != .write || findLost(limit: memory / 512)
    state.withLock { $0.isComplete = isCovered && isLossKnown }
  }

  /// Fills `lost` with the *bad set*: what damage records name and what was in packs that are gone
  /// or have another size, as far as no good copy is left. False where that can't be known.
  private func findLost(limit: Int) throws -> Bool {
    var candidates = known.ids
    // Who replaces segments says first what is lost with them, which may be since `known` was read.
    var isComplete = try known.isComplete && known.isCurrent(in: session.vault)
    let later = try laterPacks()
    for segment in segments where segment.packs.contains(where: { isLost($0, later) }) {
      do {
        try segment.forEachEntry { entry, isUsable in
          guard !isUsable, isLost(segment.packs[Int(entry.pack)], later) else { return }
          if candidates.count < limit { candidates.insert(entry.id) } else { isComplete = false }
        }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        try setAside(segment, reason, isWrong: Self.isWrong(error))
        isComplete = false
      }
    }
    for id in candidates where try locations(of: id).isEmpty { markLost(id) }
    let count = state.withLock { $0.lost.count }
    if count > 0 {
      log.warning(
        "\(count) chunks or map nodes are lost; what this backup meets of them is stored again")
    }
    return isComplete
  }

  /// Whether a pack that a segment tells of is gone or has another size, and should not.
  private func isLost(_ pack: CoveredPack, _ later: Set<CoveredPack>) -> Bool {
    session.packs[pack.name] != pack.byteCount && !later.contains(pack) && !isDoomed(pack.name)
  }

  /// False where a segment is missing or can't be read, now or before, and nothing has shown since
  /// that all is there, or there is more damage than fits the memory: then packs may be gone of
  /// which nobody knows, and what a parent point refers to must be looked up before it counts.
  package var isComplete: Bool { state.withLock { $0.isComplete } }

  private var log: Logger { session.vault.log }

  /// How often the segments are listed at most, where merges make them come and go.
  private static let maximumListings = 16

  /// Leaves a record of damage without findings: segments told what the vault had, and what they
  /// told is lost. Once others cover the packs that are there, nothing else says so, and a backup
  /// would rely on what its parent has in packs that are gone. A collection that finds all that is
  /// needed removes it; one that is there already may be about to go.
  private func noteUnknownLoss() throws {
    guard writesSegments, unknownLoss == nil else { return }
    let record = DamageRecord(name: session.nextName(), time: session.vault.now(), findings: [])
    _ = try session.store.put(.damage(record.name), record.encoded())
    state.withLock { $0.unknownLoss = record.name }
  }

  /// The record that says so, where this run has left it.
  package var unknownLoss: SerialName? { state.withLock { $0.unknownLoss } }

  /// Opens all segments; false where one can't be read, or a pack is covered by none, though the
  /// session that stored it had written one.
  ///
  /// A merge puts a segment and then deletes its inputs; a listing made meanwhile may show neither.
  /// So where one went away, or may be overlooked, the segments are listed again.
  private func openSegments() throws -> Bool {
    var seen: Set<SerialName> = []
    var overlooked: Set<SessionID> = []
    for _ in 0..<Self.maximumListings {
      var isGone = false
      let listed = try listSegments()
      for name in listed ?? [] where seen.insert(name).inserted {
        if try !openSegment(name) { isGone = true }
      }
      // Of these, the next listing must show a segment: it was there before they committed.
      let before = overlooked
      overlooked = try Set(unknownPacks().filter(isOverlooked).map(\.session))
      if listed == nil || !isGone && overlooked.isSubset(of: before) { break }
    }
    return overlooked.isEmpty && !state.withLock { $0.hasUnreadSegment }
  }

  /// Whether a segment over this pack should be there: its session had written one, and the pack
  /// was not deleted since it was listed.
  private func isOverlooked(_ pack: SerialName) throws -> Bool {
    try hasWrittenSegments(over: pack) && session.vault.isThere(.pack(pack))
  }

  /// The packs of the session's listing that no open segment covers, in order.
  private func uncoveredPacks() -> [CoveredPack] {
    let covered = Set(segments.flatMap(\.packs))
    return session.packs.map { CoveredPack(name: $0.key, byteCount: $0.value) }
      .filter { !covered.contains($0) }.sorted { $0.name < $1.name }
  }

  /// Those of them that no segment names by another size either: of these, the loss is known.
  private func unknownPacks() -> [SerialName] {
    let named = Set(segments.flatMap(\.packs).map(\.name))
    return uncoveredPacks().map(\.name).filter { !named.contains($0) }
  }

  /// Packs that a segment tells of, and that were put after the session's listing: nothing relies
  /// on them, but they are not lost.
  func laterPacks() throws -> Set<CoveredPack> {
    let unlisted = segments.flatMap(\.packs).filter { session.packs[$0.name] == nil }
    guard !unlisted.isEmpty else { return [] }
    let packs = try session.vault.listPacks()
    return Set(unlisted.filter { packs[$0.name] == $0.byteCount })
  }

  /// False where the segment is gone. One that is damaged is logged, and set aside.
  private func openSegment(_ name: SerialName) throws -> Bool {
    do {
      guard let reader = try session.vault.store.open(.indexSegment(name)) else { return false }
      try open(name, reader, listing: session.packs)
    } catch {
      guard let reason = damageReason(error) else { throw error }
      log.warning("index segment \(name) is damaged and not used: \(reason)")
      let isWrong = try Self.isWrong(error) || looksNewer(name, error)
      state.withLock { state in
        state.hasUnreadSegment = true
        if isWrong { state.damagedSegments.append(name) }
        if !(error is FormatError) { state.unreadSegments.append(name) }
      }
    }
    return true
  }

  /// Whether a segment's bytes are wrong, and it may go once others cover its packs. One that can't
  /// be read now, or is of a newer version, stays.
  static func isWrong(_ error: any Error) -> Bool {
    (error as? FormatError)?.code == .damaged
  }

  /// Whether a segment only looks as if a newer program had written it, for a flipped bit.
  private func looksNewer(_ name: SerialName, _ error: any Error) throws -> Bool {
    guard (error as? FormatError)?.code == .unsupported,
      let reader = try session.vault.store.open(.indexSegment(name)),
      reader.byteCount >= UInt64(ObjectHeader.byteCount)
    else { return false }
    let head = try reader.bytes(0..<min(reader.byteCount, UInt64(FormatLimit.smallObject)))
    return !ObjectHeader.isIntact(head.rawSpan)
  }

  /// Nil, with a warning, where they can't be listed.
  private func listSegments() throws -> [SerialName]? {
    do {
      return try session.vault.store.list(VaultFolder.index)
        .compactMap { SerialName($0.name.key) }.sorted()
    } catch {
      guard let reason = damageReason(error) else { throw error }
      log.warning("the index can't be listed, and packs are read instead: \(reason)")
      return nil
    }
  }

  /// Opens a segment whose entries count where their pack is in `listing`, and takes from the table
  /// what the segment now tells.
  private func open(
    _ name: SerialName, _ reader: any ObjectReader, listing: [SerialName: UInt64],
    replacing entries: [IndexEntry] = []
  ) throws {
    try state.withLock { state in
      state.nextSegmentNumber += 1
      state.segments.append(
        try IndexSegment(
          name, reader: reader, listing: listing, condemned: session.condemned, cache: cache,
          number: state.nextSegmentNumber, budget: &state.budget))
      for entry in entries { state.table[entry.id] = nil }
    }
  }

  /// Reads what a pack holds from the pack itself; false where that is damaged.
  @discardableResult
  private func addByDirectory(_ pack: CoveredPack) throws -> Bool {
    // A doomed one may be deleted at any moment.
    guard try session.vault.isThere(.pack(pack.name)) else { return false }
    let directory: [PackDirectoryEntry]
    do {
      directory = try packs.directory(pack.name, vault: session.vault.descriptor.id)
    } catch {
      guard let reason = damageReason(error) else { throw error }
      log.warning("the directory of a pack can't be read: \(reason)")
      return false
    }
    log.info("pack \(pack.name) has no index segment; read by its directory")
    try add(pack, directory)
    return true
  }

  // MARK: Lookup

  /// Asks for many chunks at once, with two short locks for all. `isNew[i]` becomes true if nobody
  /// has `ids[i]` and the caller now has to store it; of equal IDs only the first is new.
  package func claim(_ ids: [ChunkID], isNew: inout [Bool]) throws {
    isNew.removeAll(keepingCapacity: true)
    var unknown: [Int] = []
    let segments = state.withLock { state in
      for (index, id) in ids.enumerated() {
        let isLost = state.lost.contains(id)
        isNew.append(isLost)
        if !isLost && state.table[id] == nil { unknown.append(index) }
      }
      return state.segments
    }
    var search = directories.search()
    for index in unknown {
      isNew[index] = try find(ids[index], in: segments, &search).reusable == nil
    }
    state.withLock { state in
      for index in ids.indices where isNew[index] {
        let wasLost = state.lost.remove(ids[index]) != nil
        isNew[index] = wasLost || state.table[ids[index]] == nil
        if isNew[index] { state.table.updateValue(nil, forKey: ids[index]) }
      }
    }
  }

  /// Where a copy lies that may stand for the chunk when it is met again: first in a pack in which
  /// others were found lately. Filters are asked before any directory but the last one, since most
  /// of what that one does not have is new. Where no copy may, `copies` has those that there are.
  private func find(
    _ id: ChunkID, in segments: [IndexSegment], _ search: inout PackDirectories.Search
  ) throws -> (reusable: ChunkLocation?, copies: [IndexSegment.Copy]) {
    if let first = search.locationInFirst(of: id), !known.covers(first) { return (first, []) }
    let likely = segments.filter { $0.isLikely(id) }
    guard !likely.isEmpty else { return (nil, []) }
    if let other = search.locationInOthers(of: id), !known.covers(other) { return (other, []) }
    let copies = try copies(of: id, in: likely)
    guard let copy = copies.first(where: isReusable) else { return (nil, copies) }
    try search.note(copy.location.pack)
    return (copy.location, copies)
  }

  private func isReusable(_ copy: IndexSegment.Copy) -> Bool { isGood(copy) && !copy.isCondemned }

  /// Takes note that no copy of a chunk or map node is good. The next claim of it is new again, so
  /// that a backup which meets the content stores it, and every point that uses it is healed.
  func markLost(_ id: ChunkID) {
    _ = state.withLock { $0.lost.insert(id) }
  }

  /// Chunks and map nodes of which no good copy is left, as far as this run knows now: what a
  /// parent point says of them must not be relied on.
  package var lost: Set<ChunkID> { state.withLock { $0.lost } }

  func isGood(_ copy: IndexSegment.Copy) -> Bool {
    copy.isUsable && !known.covers(copy.location)
  }

  /// Whether the record at this place was recorded as damaged before this run.
  package func isKnownDamage(_ finding: DamageRecord.Finding) -> Bool { known.contains(finding) }

  /// Puts into the vault what this run found damaged. No error keeps a run from its end.
  package func recordDamage() { found.record(in: session, known: known) }

  /// Of many chunks that are asked for together, in the order of their disk: where the best copy of
  /// each lies, the first of `locations` or one as good; nil where that gives none.
  package func bestLocations(
    of ids: [ChunkID], doubtful: Bool = false
  ) throws -> [ChunkLocation?] {
    var (found, segments) = state.withLock { state in
      (ids.map { id in state.table[id].flatMap { $0 } }, state.segments)
    }
    var search = directories.search()
    for index in ids.indices where found[index] == nil {
      let id = ids[index]
      let (reusable, copies) = try find(id, in: segments, &search)
      found[index] = reusable ?? sorted(copies, of: id, doubtful: doubtful).first
    }
    return found
  }

  /// Every known copy of a chunk in finished packs, those in condemned ones last. With `doubtful`,
  /// those that are known to be damaged, or in packs that are missing or have another size, come
  /// behind them: nothing may be built on these, but a record that is there may still be good, and
  /// says so itself.
  package func locations(
    of id: ChunkID, doubtful: Bool = false
  ) throws -> [ChunkLocation] {
    let (own, segments) = state.withLock { state in
      (state.table[id].flatMap { $0 }, state.segments)
    }
    let others = sorted(try copies(of: id, in: segments), of: id, doubtful: doubtful)
    return (own.map { [$0] } ?? []) + others
  }

  /// In the order in which `locations` has them, with what is in condemned packs without a segment.
  private func sorted(
    _ copies: [IndexSegment.Copy], of id: ChunkID, doubtful: Bool
  ) -> [ChunkLocation] {
    var sorted = copies.filter(isReusable).map(\.location)
    sorted += copies.filter { isGood($0) && $0.isCondemned }.map(\.location)
    if let last = state.withLock({ $0.condemned[id] }) { sorted.append(last) }
    if doubtful { sorted += copies.filter { !isGood($0) }.map(\.location) }
    return sorted
  }

  /// The copies that these segments tell of. What a damaged one covered is looked for in the table
  /// and the segments that are left.
  private func copies(
    of id: ChunkID, in segments: [IndexSegment]
  ) throws -> [IndexSegment.Copy] {
    var found: [IndexSegment.Copy] = []
    for segment in segments {
      do {
        found += try segment.copies(of: id)
      } catch {
        guard let reason = damageReason(error) else { throw error }
        try setAside(segment, reason, isWrong: Self.isWrong(error))
        let (own, left) = state.withLock { ($0.table[id].flatMap { $0 }, $0.segments) }
        let copy =
          own.map {
            [IndexSegment.Copy(location: $0, isUsable: true, isCondemned: false, entry: 0)]
          } ?? []
        return copy + (try copies(of: id, in: left))
      }
    }
    return found
  }

  /// A page of the segment is damaged: what it covers is read from the packs themselves. The
  /// segment stays listed until that is done, and lanes that meet the damage meanwhile wait: at no
  /// moment is something unknown that the vault has.
  private func setAside(_ segment: IndexSegment, _ reason: String, isWrong: Bool) throws {
    try repairs.withLock { _ in
      let others = state.withLock { state -> [IndexSegment]? in
        guard state.segments.contains(where: { $0 === segment }) else { return nil }
        return state.segments.filter { $0 !== segment }
      }
      guard let others else { return }
      log.warning("index segment \(segment.name) is damaged and not used: \(reason)")
      let covered = Set(others.flatMap(\.packs))
      var isReplaced = isWrong
      // Of one that has another size now, the segment may be the last to tell what is left in it.
      for pack in segment.packs where session.packs[pack.name] != nil && !covered.contains(pack) {
        if try !addByDirectory(pack) { isReplaced = false }
      }
      let later = isReplaced ? try laterPacks() : []
      if isReplaced, segment.packs.contains(where: { isLost($0, later) }) { try noteUnknownLoss() }
      state.withLock { state in
        state.segments.removeAll { $0 === segment }
        if isReplaced { state.damagedSegments.append(segment.name) }
        if !isWrong { state.unreadSegments.append(segment.name) }
      }
    }
  }

  /// Goes on without a segment that does not tell all it should: the packs tell it themselves.
  /// `isWrong`: it may go once the packs were read and others cover them.
  func distrust(
    _ name: SerialName, _ reason: String = "it does not tell what its packs hold",
    isWrong: Bool = false
  ) throws {
    guard let segment = segments.first(where: { $0.name == name }) else { return }
    try setAside(segment, reason, isWrong: isWrong)
  }

  /// Looks for a chunk in the directory of every pack, where the index knows no good copy: the last
  /// resort, for a segment that does not tell all it should. It reads as much as rebuilding the
  /// index would, so a run does it for the first few chunks only.
  func searchDirectories(for id: ChunkID) throws -> [ChunkLocation] {
    let isAllowed = state.withLock { state in
      defer { state.searchesLeft = max(0, state.searchesLeft - 1) }
      return state.searchesLeft > 0
    }
    guard isAllowed else { return [] }
    var found: [ChunkLocation] = []
    for name in session.packs.keys.sorted() {
      do {
        for entry in try packs.directory(name, vault: session.vault.descriptor.id)
        where entry.id == id {
          found.append(ChunkLocation(pack: name, record: entry.record))
        }
      } catch {
        guard damageReason(error) != nil else { throw error }
      }
    }
    return found
  }

  // MARK: Adding

  /// Takes note of a finished, durable pack. Writes a segment if enough has come together.
  package func add(_ pack: CoveredPack, _ directory: [PackDirectoryEntry]) throws {
    let isFull = state.withLock { state in
      guard !state.uncovered.contains(where: { $0.pack == pack }) else { return false }
      for entry in directory {
        let location = ChunkLocation(pack: pack.name, record: entry.record)
        guard !known.covers(location) else { continue }
        if session.condemned.contains(pack.name) && pack.name.session != session.id {
          state.condemned[entry.id] = location
        } else {
          state.table[entry.id] = .some(location)
        }
      }
      state.uncovered.append((pack, directory))
      state.uncoveredEntryCount += directory.count
      return state.uncoveredEntryCount >= entriesPerSegment
    }
    if isFull && writesSegments { try flush() }
  }

  /// Writes what no segment covers yet, if there is anything. The packs are durable before.
  package func writeSegment() throws {
    let damaged = state.withLock { $0.damagedSegments }
    try flush()
    // What they covered is covered by good ones now.
    for name in damaged { try session.store.delete(.indexSegment(name)) }
    state.withLock { $0.damagedSegments.removeAll(where: damaged.contains) }
  }

  /// Deletes segments that gave an error, where others cover all packs by now. To be called by who
  /// has found all that is needed.
  package func deleteUnreadSegments() throws {
    guard uncoveredPacks().isEmpty else { return }
    let unread = state.withLock { state in
      defer { state.unreadSegments = [] }
      return state.unreadSegments
    }
    for name in unread { try session.store.delete(.indexSegment(name)) }
  }

  private func flush() throws {
    var waiting = state.withLock { state in
      defer {
        state.uncovered = []
        state.uncoveredEntryCount = 0
      }
      return state.uncovered
    }
    guard !waiting.isEmpty else { return }
    if try needsWitness(waiting.map(\.pack.name)) {
      waiting.append((try PackWriter.putEmpty(in: session), []))
    }
    try writeSegment(over: waiting)
  }

  private func writeSegment(
    over waiting: [(pack: CoveredPack, entries: [PackDirectoryEntry])]
  ) throws {
    var entries: [IndexEntry] = []
    for (number, (_, directory)) in waiting.enumerated() {
      for entry in directory {
        entries.append(
          IndexEntry(
            id: entry.id, kind: entry.kind, pack: UInt32(number), record: entry.record))
      }
    }
    entries.sort { $0.id < $1.id }
    let name = session.nextName()
    let bytes = IndexSegmentLayout.encode(packs: waiting.map(\.pack), entries: entries)
    guard try session.store.put(.indexSegment(name), bytes) else {
      throw VaultError(.aborted, "index segment \(name) was taken")
    }
    // Another run may have merged it already. Then the table goes on to tell what is in it.
    guard let reader = try session.vault.store.open(.indexSegment(name)) else { return }
    let listing = Dictionary(
      waiting.map { ($0.pack.name, $0.pack.byteCount) }, uniquingKeysWith: { first, _ in first })
    // What this run made itself has its place, however full the memory is.
    state.withLock { $0.budget.packCount += waiting.count }
    try open(name, reader, listing: listing, replacing: entries)
  }

  // MARK: For readers of chunks

  /// The size of a pack in the listing that counts; nil where it is not in there.
  func listedByteCount(_ pack: SerialName) -> UInt64? { session.packs[pack] }

  /// Whether a collection has decided that the pack goes: that it is missing is no loss.
  func isDoomed(_ pack: SerialName) -> Bool { session.condemned.doomed.contains(pack) }

  /// The packs that index segments cover, there or not.
  package var coveredPacks: Set<SerialName> { Set(segments.flatMap(\.packs).map(\.name)) }

  /// Those of them that were there once and are not any more.
  package func gonePacks() throws -> Set<SerialName> {
    coveredPacks.subtracting(session.packs.keys).subtracting(session.doomedPacks.keys)
      .subtracting(try laterPacks().map(\.name))
  }

  /// Where an ID lies that no segment tells of: in a pack of this session, or one that was read by
  /// its directory.
  func unsegmented(_ id: ChunkID) -> ChunkLocation? {
    state.withLock { $0.table[id].flatMap { $0 } ?? $0.condemned[id] }
  }

  var segments: [IndexSegment] { state.withLock { $0.segments } }

  /// An open pack, kept open for the next who asks.
  func packReader(_ name: SerialName) throws -> any ObjectReader {
    try packs.reader(name)
  }
}
