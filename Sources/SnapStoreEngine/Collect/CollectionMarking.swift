internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What a collection knows of a pack from its directory.
struct PackContent: Sendable {
  var recordCount = 0
  var recordByteCount: UInt64 = 0
  var holdsNodes = false
  /// What the index tells of a pack whose own directory is damaged; nil for all others.
  var told: [PackDirectoryEntry]?

  init(_ directory: [PackDirectoryEntry], isTold: Bool) {
    recordCount = directory.count
    holdsNodes = directory.first?.kind == .mapNode
    recordByteCount = directory.reduce(0) { $0 + LiveMarks.Life.byteCount(of: $1.record) }
    told = isTold ? directory : nil
  }
}

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

  /// Reads the directories of all packs, and checks the segments against them: the index is a hint,
  /// and nothing may be thrown away on a hint. Of a pack whose directory is damaged the segments
  /// tell what they know, and a segment that is damaged is replaced.
  static func readDirectories(
    session: Session, index: ChunkIndex, resources: Resources, interruption: Interruption
  ) throws -> [SerialName: PackContent] {
    let report = DamageReport(limit: 16)
    struct State {
      var left: ArraySlice<SerialName>
      var check: IndexCheck
      var contents: [SerialName: PackContent] = [:]
    }
    let state = Lock(
      State(
        left: session.packs.keys.sorted()[...],
        check: IndexCheck(
          session: session, index: index, report: report, replacesDamaged: true,
          interruption: interruption)))
    let work = ParallelWork(interruption: interruption)
    work.run("directories", lanes: resources.readLanes) { _ in
      let check = PackCheck(session: session)
      while let pack = state.withLock({ $0.left.popFirst() }) {
        if work.isCancelled { return }
        let directory: [PackDirectoryEntry]
        do {
          directory = try check.directory(of: pack)
        } catch {
          guard let cause = DamageReport.cause(of: error) else { throw error }
          session.vault.log.warning("pack \(pack) is damaged: \(cause.problem)")
          let told = PackContent(try index.entries(of: pack), isTold: true)
          state.withLock { $0.contents[pack] = told }
          continue
        }
        let content = PackContent(directory, isTold: false)
        state.withLock { state in
          state.check.add(pack, directory)
          state.contents[pack] = content
        }
      }
    }
    try work.wait()
    let finished = state.withLock { $0 }
    try finished.check.run()
    if let damage = report.damages().first {
      throw VaultError(.damaged, "\(damage.object) \(damage.problem)")
    }
    return finished.contents
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
      for (place, id) in batch.enumerated() where place == 0 || batch[place - 1] != id {
        if place.isMultiple(of: 1 << 12) && interruption.isRaised { throw Interrupted() }
        _ = try mark(id, .chunk, check)
      }
    }
  }

  /// True where it was not marked before.
  private func mark(_ id: ChunkID, _ kind: PackRecord.Kind, _ check: PackCheck) throws -> Bool {
    let mark = try marks.mark(id) { location in
      let entry = PackDirectoryEntry(id: id, kind: kind, record: location.record)
      let isGood = try check.isWhole(entry, in: location.pack)
      if !isGood { index.found.note(id, kind, at: location.address) }
      return isGood
    }
    switch mark {
    case .new: return true
    case .known: return false
    case .missing:
      let name = kind == .chunk ? "chunk" : "map node"
      throw VaultError(.damaged, "no good copy of \(name) \(id) is left in the vault")
    }
  }
}
