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
    var segments: [IndexSegment] = []
    /// Nil: claimed, and not yet in a finished pack.
    var table: [ChunkID: ChunkLocation?] = [:]
    /// Of what no good copy was found: known by name, and to be stored again by who has it.
    var lost: Set<ChunkID> = []
    /// What the next segment will hold.
    var uncovered: [(pack: CoveredPack, entries: [PackDirectoryEntry])] = []
    var uncoveredEntryCount = 0
    var nextSegmentNumber: UInt32 = 0
    var filterBudget: Int
  }

  /// A segment is written once so many entries wait for it.
  static let entriesPerSegment = 1 << 17

  private let session: Session
  private let packs: PackReaders
  private let cache: PageCache
  private let state: Lock<State>
  private let isWritable: Bool

  /// Opens the index for a session. `memory`: bytes for cached pages and filters together.
  /// What can't be read is logged as a warning, and done without.
  package init(session: Session, memory: Int) throws {
    self.session = session
    packs = PackReaders(store: session.vault.store)
    cache = PageCache(byteCount: memory / 2)
    state = Lock(State(filterBudget: memory / 2))
    isWritable = session.isRegistered
    try openSegments()
    let covered = state.withLock { state in
      Set(state.segments.flatMap(\.packs))
    }
    let left = session.packs.map { CoveredPack(name: $0.key, byteCount: $0.value) }
      .filter { !covered.contains($0) }.sorted { $0.name < $1.name }
    for pack in left { try addByDirectory(pack) }
  }

  private var log: Logger { session.vault.log }

  private func openSegments() throws {
    let names = try session.vault.store.list(VaultFolder.index)
      .compactMap { SerialName($0.name.key) }.sorted()
    for name in names {
      guard let reader = try session.vault.store.open(.indexSegment(name)) else { continue }
      do {
        try open(name, reader, listing: session.packs)
      } catch let error as FormatError {
        log.warning("index segment \(name) is damaged and not used: \(error)")
      }
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
          name, reader: reader, listing: listing, cache: cache, number: state.nextSegmentNumber,
          filterBudget: &state.filterBudget))
      for entry in entries { state.table[entry.id] = nil }
    }
  }

  private func addByDirectory(_ pack: CoveredPack) throws {
    do {
      let directory = try packs.directory(pack.name, vault: session.vault.descriptor.id)
      log.info("pack \(pack.name) has no index segment; read by its directory")
      try add(pack, directory)
    } catch let error as any Error & CustomStringConvertible
      where error is FormatError || error is VaultError
    {
      log.warning("not used: \(error.description)")
    }
  }

  /// Whether a pack that a segment covers is missing or has another size. Then what a parent point
  /// refers to may be gone, and must be looked up before it is relied on.
  package var hasMissingPacks: Bool {
    state.withLock { state in state.segments.contains { !$0.hasAllPacks } }
  }

  // MARK: Lookup

  /// Asks for many chunks at once, with two short locks for all. `isNew[i]` becomes true if nobody
  /// has `ids[i]` and the caller now has to store it; of equal IDs only the first is new.
  package func claim(_ ids: [ChunkID], isNew: inout [Bool]) throws {
    isNew.removeAll(keepingCapacity: true)
    let (segments, lost) = state.withLock { state in
      for id in ids { isNew.append(state.table[id] == nil || state.lost.contains(id)) }
      return (state.segments, state.lost)
    }
    for index in ids.indices where isNew[index] && !lost.contains(ids[index]) {
      isNew[index] = try locations(of: ids[index], in: segments).isEmpty
    }
    state.withLock { state in
      for index in ids.indices where isNew[index] {
        let wasLost = state.lost.remove(ids[index]) != nil
        isNew[index] = wasLost || state.table[ids[index]] == nil
        if isNew[index] { state.table.updateValue(nil, forKey: ids[index]) }
      }
    }
  }

  /// Takes note that no copy of a chunk or map node is good. The next claim of it is new again, so
  /// that a backup which meets the content stores it, and every point that uses it is healed.
  func markLost(_ id: ChunkID) {
    _ = state.withLock { $0.lost.insert(id) }
  }

  /// Every known copy of a chunk in finished packs.
  package func locations(of id: ChunkID) throws -> [ChunkLocation] {
    let (own, segments) = state.withLock { state in
      (state.table[id].flatMap { $0 }, state.segments)
    }
    let others = try locations(of: id, in: segments)
    return own.map { [$0] + others } ?? others
  }

  private func locations(
    of id: ChunkID, in segments: [IndexSegment]
  ) throws -> [ChunkLocation] {
    var found: [ChunkLocation] = []
    for segment in segments {
      do {
        found += try segment.locations(of: id)
      } catch let error as FormatError {
        try setAside(segment, error)
        return try locations(of: id)
      }
    }
    return found
  }

  /// A page of the segment is damaged: what it covers is read from the packs themselves.
  private func setAside(_ segment: IndexSegment, _ error: FormatError) throws {
    let isFirst = state.withLock { state in
      let count = state.segments.count
      state.segments.removeAll { $0 === segment }
      return state.segments.count < count
    }
    guard isFirst else { return }
    log.warning("index segment \(segment.name) is damaged and not used: \(error)")
    for pack in segment.packs where session.packs[pack.name] == pack.byteCount {
      try addByDirectory(pack)
    }
  }

  // MARK: Adding

  /// Takes note of a finished, durable pack. Writes a segment if enough has come together.
  package func add(_ pack: CoveredPack, _ directory: [PackDirectoryEntry]) throws {
    let isFull = state.withLock { state in
      for entry in directory {
        state.table[entry.id] = .some(ChunkLocation(pack: pack.name, record: entry.record))
      }
      state.uncovered.append((pack, directory))
      state.uncoveredEntryCount += directory.count
      return state.uncoveredEntryCount >= Self.entriesPerSegment
    }
    if isFull && isWritable { try writeSegment() }
  }

  /// Writes what no segment covers yet, if there is anything. The packs are durable before.
  package func writeSegment() throws {
    let waiting = state.withLock { state in
      let waiting = state.uncovered
      state.uncovered = []
      state.uncoveredEntryCount = 0
      return waiting
    }
    guard !waiting.isEmpty else { return }
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
    guard try session.store.put(.indexSegment(name), bytes),
      let reader = try session.vault.store.open(.indexSegment(name))
    else { throw VaultError(.aborted, "index segment \(name) was taken or went away") }
    let listing = Dictionary(
      uniqueKeysWithValues: waiting.map { ($0.pack.name, $0.pack.byteCount) })
    try open(name, reader, listing: listing, replacing: entries)
  }

  // MARK: For readers of chunks

  /// An open pack, kept open for the next who asks.
  func packReader(_ name: SerialName) throws -> any ObjectReader {
    try packs.reader(name)
  }
}
