internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Finds out what is needed: walks the maps of all roots and marks what they name.
///
///     walk the spans ─▶ extents
///
/// What is marked was walked before, so what points share is walked once. Chunks are marked many at
/// once, in the order of their IDs, which is that of the index: a page of it that several of them
/// are on is read once. Everything must be readable: the first thing that is not ends it.
final class CollectionMarking: Sendable {
  private struct Job: Sendable {
    var disk: PointDisk
    var number: UInt64
    var node: ChunkID
    var dataByteCount: UInt64
  }

  private let session: Session
  private let index: ChunkIndex
  private let marks: LiveMarks
  private let reader: ChunkReader
  private let resources: Resources
  private let progress: Progress
  private let interruption: Interruption
  /// That extents name, and that are not marked yet.
  private let chunks = Lock<[ChunkID]>([])
  private let batchCount: Int
  private let perExtent = FormatLimit.extent / FormatLimit.block
  /// Held by the lane that marks chunks.
  private let turn = Lock(())

  init(
    session: Session, index: ChunkIndex, marks: LiveMarks, resources: Resources,
    progress: Progress, interruption: Interruption
  ) {
    self.session = session
    self.index = index
    self.marks = marks
    self.resources = resources
    self.progress = progress
    self.interruption = interruption
    batchCount = resources.memoryByteCount / 8 / ChunkID.byteCount
    reader = ChunkReader(vault: session.vault, index: index)
  }

  func mark(_ points: [RecoveryPoint]) throws {
    let work = ParallelWork(interruption: interruption)
    let jobs: Channel<Job> = work.channel(capacity: 64)
    progress.begin(total: points.flatMap(\.disks).reduce(0) { $0 &+ $1.root.dataByteCount })
    work.run("walk", lanes: 1) { [self] _ in
      let check = PackCheck(session: session)
      for disk in points.flatMap(\.disks) {
        let map = DiskMapReader(reader: reader, disk: disk)
        try walk(
          disk.root, level: DiskMap.rootLevel(ofDisk: disk.byteCount), number: 0, disk, map, check,
          jobs)
      }
    } then: {
      jobs.finish()
    }
    work.run("extents", lanes: resources.readLanes) { [self] _ in
      let check = PackCheck(session: session)
      while let job = try jobs.receive() { try mark(job, check) }
    }
    try work.wait()
    try markChunks(PackCheck(session: session), all: true)
    // A node may have been read from another copy than the one that was marked.
    if let finding = index.found.findings.first {
      throw VaultError(.damaged, "a copy of \(finding.id) is damaged; it is recorded now")
    }
  }

  private func walk(
    _ reference: MapReference, level: Int, number: UInt64, _ disk: PointDisk,
    _ map: DiskMapReader, _ check: PackCheck, _ jobs: Channel<Job>
  ) throws {
    guard case .node(let id, let dataByteCount) = reference else { return }
    guard try mark(id, .mapNode, check) else {
      progress.add(dataByteCount)
      return
    }
    if level == 0 {
      try jobs.send(Job(disk: disk, number: number, node: id, dataByteCount: dataByteCount))
      return
    }
    let node = try map.span(number, level: level, node: id, dataByteCount: dataByteCount)
    let first = number * UInt64(FormatLimit.mapFanOut)
    for (child, reference) in node.children.enumerated() {
      try walk(
        reference, level: level - 1, number: first + UInt64(child), disk, map, check, jobs)
    }
  }

  private func mark(_ job: Job, _ check: PackCheck) throws {
    let map = DiskMapReader(reader: reader, disk: job.disk)
    let node = try map.extent(job.number, node: job.node, dataByteCount: job.dataByteCount)
    let isFull = chunks.withLock { chunks in
      // Grown step by step, it would take twice as much.
      if chunks.isEmpty { chunks.reserveCapacity(batchCount + resources.readLanes * perExtent) }
      for case .chunk(_, let id, _) in node.ranges { chunks.append(id) }
      return chunks.count >= batchCount
    }
    if isFull { try markChunks(check) }
    progress.add(job.dataByteCount)
  }

  /// Marks the chunks that wait for it. Lanes that come meanwhile wait too, so that no more than
  /// two batches are held.
  private func markChunks(_ check: PackCheck, all: Bool = false) throws {
    try turn.withLock { _ in
      var batch = chunks.withLock { chunks -> [ChunkID] in
        guard chunks.count >= batchCount || all else { return [] }
        defer { chunks = [] }
        return chunks
      }
      batch.sort()
      var open: [PackedEntry] = []
      for (place, id) in batch.enumerated() where place == 0 || batch[place - 1] != id {
        if place.isMultiple(of: 1 << 12) && interruption.isRaised { throw Interrupted() }
        if let doubt = try markUnlessOpen(id) { open.append(doubt) }
        if open.count == Self.openCount {
          try markOpen(open, check)
          open = []
        }
      }
      try markOpen(open, check)
    }
  }

  /// So many copies are checked at once.
  private static let openCount = 1 << 16

  private typealias PackedEntry = (pack: SerialName, entry: PackDirectoryEntry)

  /// Marks a chunk, unless a copy of it has to be checked before: that one is returned.
  private func markUnlessOpen(_ id: ChunkID) throws -> PackedEntry? {
    switch try marks.mark(id, isGood: { _ in nil }) {
    case .new, .known: return nil
    case .missing: throw missing(id, .chunk)
    case .open(let location):
      return (
        location.pack, PackDirectoryEntry(id: id, kind: .chunk, record: location.record)
      )
    }
  }

  /// Marks chunks that have several copies, those that collections have made among them: the first
  /// choices are read in the order in which they lie, and only what is wrong there one by one.
  private func markOpen(_ open: [PackedEntry], _ check: PackCheck) throws {
    guard !open.isEmpty else { return }
    var whole: Set<ChunkLocation> = []
    let buffer = BufferPool(capacity: 1, bufferByteCount: Resources.bufferByteCount).take()
    for (pack, entries) in Dictionary(grouping: open, by: \.pack) {
      let sorted = entries.map(\.entry).sorted { $0.record.offset < $1.record.offset }
      for run in PackCheck.runs(of: pack, sorted, byteCount: buffer.byteCount) {
        if interruption.isRaised { throw Interrupted() }
        guard try check.canRead(run, into: buffer) else { continue }
        check.check(run, in: buffer.bytes) { entry, verdict in
          guard case .chunk = verdict else { return }
          whole.insert(ChunkLocation(pack: pack, record: entry.record))
        }
      }
    }
    for (_, entry) in open {
      _ = try mark(entry.id, .chunk, check) { whole.contains($0) }
    }
  }

  /// True where it was not marked before. `isKnown`: whether a copy was found whole just now.
  private func mark(
    _ id: ChunkID, _ kind: PackRecord.Kind, _ check: PackCheck,
    isKnown: (ChunkLocation) -> Bool = { _ in false }
  ) throws -> Bool {
    let mark = try marks.mark(id) { location in
      if isKnown(location) { return true }
      let entry = PackDirectoryEntry(id: id, kind: kind, record: location.record)
      let isGood = try check.isWhole(entry, in: location.pack)
      if !isGood { index.found.note(id, kind, at: location.address) }
      return isGood
    }
    switch mark {
    case .new: return true
    case .known: return false
    case .missing, .open: throw missing(id, kind)
    }
  }

  private func missing(_ id: ChunkID, _ kind: PackRecord.Kind) -> VaultError {
    index.found.note(id, kind, at: nil)
    let name = kind == .chunk ? "chunk" : "map node"
    return VaultError(.damaged, "no good copy of \(name) \(id) is left in the vault")
  }
}
