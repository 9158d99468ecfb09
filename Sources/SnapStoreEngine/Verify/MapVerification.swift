internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The second part of verifying: the maps of points, from their roots down to the chunks they name.
///
///     walk the maps ─▶ check extents
///
/// A chunk is good if the witnesses have it with the fingerprint that the map says, or else if it
/// can be read so now. What points share is checked once: nodes below which all is good are
/// remembered, as far as the memory allows.
final class MapVerification: Sendable {
  private struct Job: Sendable {
    var disk: Int
    var number: UInt64
    var node: ChunkID
    var dataByteCount: UInt64
  }

  private struct State {
    /// Nodes with nothing wrong below them, by their key.
    var sound: Set<UInt64> = []
    var chunkCount: UInt64 = 0
  }

  private let index: ChunkIndex
  private let reader: ChunkReader
  private let report: DamageReport
  private let witnesses: WitnessSet?
  private let isQuick: Bool
  private let resources: Resources
  private let progress: Progress
  private let interruption: Interruption
  private let buffers: BufferPool
  private let state = Lock(State())
  private let maximumSound: Int

  /// With `isQuick`, it is enough that the index knows a place for a chunk.
  init(
    session: Session, index: ChunkIndex, report: DamageReport, witnesses: WitnessSet?,
    isQuick: Bool, resources: Resources, progress: Progress, interruption: Interruption
  ) {
    self.index = index
    self.report = report
    self.witnesses = witnesses
    self.isQuick = isQuick
    self.resources = resources
    self.progress = progress
    self.interruption = interruption
    reader = ChunkReader(vault: session.vault, index: index)
    buffers = BufferPool(
      capacity: resources.readLanes, bufferByteCount: Resources.bufferByteCount)
    maximumSound = resources.memoryByteCount / 8 / 24
  }

  /// How many references to chunks were checked; those that points share once.
  var chunkCount: UInt64 { state.withLock { $0.chunkCount } }

  /// Checks one point; true if all of it can be restored.
  func check(_ point: RecoveryPoint) throws -> Bool {
    let lossesBefore = report.lossCount
    let maps = point.disks.map { DiskMapReader(reader: reader, disk: $0) }
    let spans = Lock<[UInt64]>([])
    let work = ParallelWork(interruption: interruption)
    let jobs: Channel<Job> = work.channel(capacity: 64)
    work.run("walk", lanes: 1) { [self] _ in
      for (number, disk) in point.disks.enumerated() {
        let walk = SpanWalk(
          map: maps[number], disk: disk,
          isSound: { [self] in isSound($0) },
          lose: { [self] id, range in try lose(range, of: disk, in: point, id, .mapNode) },
          extent: { extent, node, dataByteCount in
            try jobs.send(
              Job(disk: number, number: extent, node: node, dataByteCount: dataByteCount))
          })
        let visited = try walk.run()
        spans.withLock { $0 += visited }
      }
    } then: {
      jobs.finish()
    }
    work.run("check", lanes: resources.readLanes) { [self] _ in
      while let job = try jobs.receive() {
        try check(job, maps[job.disk], of: point)
        progress.add(job.dataByteCount)
      }
    }
    try work.wait()
    let isWhole = report.lossCount == lossesBefore
    if isWhole { remember(spans.withLock { $0 }) }
    return isWhole
  }

  private func isSound(_ key: UInt64) -> Bool { state.withLock { $0.sound.contains(key) } }

  private func remember(_ keys: [UInt64]) {
    state.withLock { state in
      for key in keys where state.sound.count < maximumSound { state.sound.insert(key) }
    }
  }

  private func lose(
    _ range: Range<UInt64>, of disk: PointDisk, in point: RecoveryPoint, _ id: ChunkID,
    _ kind: PackRecord.Kind
  ) throws {
    report.lose(
      range, ofDisk: disk.name, of: point.id, id, kind,
      locations: try index.locations(of: id, doubtful: true))
  }

  private func check(_ job: Job, _ map: DiskMapReader, of point: RecoveryPoint) throws {
    let disk = point.disks[job.disk]
    let range = DiskMap.range(ofExtent: job.number, disk: disk.byteCount)
    let key = SpanWalk.key(
      job.node, level: 0, children: range.count, dataByteCount: job.dataByteCount)
    guard !isSound(key) else { return }
    let node: ExtentNode
    do {
      node = try map.extent(job.number, node: job.node, dataByteCount: job.dataByteCount)
    } catch let error as VaultError where error.code == .damaged {
      try lose(range, of: disk, in: point, job.node, .mapNode)
      return
    }
    var places: [(request: ChunkReader.Request, offset: UInt64)] = []
    var offset = range.lowerBound
    for part in node.ranges {
      if case .chunk(let length, let id, let fingerprint) = part {
        places.append(
          (ChunkReader.Request(id: id, length: length, fingerprint: fingerprint), offset))
      }
      offset += UInt64(part.length)
    }
    state.withLock { $0.chunkCount += UInt64(places.count) }
    let lost = try unproven(places)
    for (request, offset) in lost {
      try lose(offset..<(offset + UInt64(request.length)), of: disk, in: point, request.id, .chunk)
    }
    if lost.isEmpty { remember([key]) }
  }

  /// Those of an extent's chunks that can't be restored.
  private func unproven(
    _ places: [(request: ChunkReader.Request, offset: UInt64)]
  ) throws -> [(request: ChunkReader.Request, offset: UInt64)] {
    if isQuick {
      let known = try index.bestLocations(of: places.map(\.request.id))
      return zip(places, known).filter { $1 == nil }.map(\.0)
    }
    let open = places.filter { place in
      witnesses.map { !$0.contains(place.request.id, place.request.fingerprint) } ?? true
    }
    guard !open.isEmpty else { return [] }
    let buffer = buffers.take()
    let fetched = try reader.fetch(open.map(\.request), into: buffer)
    var scratch = [UInt8](repeating: 0, count: FormatLimit.maximumChunk)
    return try open.enumerated().filter { number, place in
      do {
        try scratch.withMutableRawSpan { bytes in
          try bytes.withBytes(0..<place.request.length) { target throws(any Error) in
            try reader.decode(place.request, fetched: fetched[number], in: buffer, to: &target)
          }
        }
        return false
      } catch let error as VaultError where error.code == .damaged {
        return true
      }
    }.map(\.element)
  }
}

/// Walks the spans of one disk's map, past what is known to be sound.
private struct SpanWalk {
  var map: DiskMapReader
  var disk: PointDisk
  var isSound: (UInt64) -> Bool
  var lose: (ChunkID, Range<UInt64>) throws -> Void
  var extent: (_ number: UInt64, _ node: ChunkID, _ dataByteCount: UInt64) throws -> Void

  /// Calls `extent` for each that has to be checked, and `lose` for what is below a node that can't
  /// be read. Returns the keys of the spans it went through.
  func run() throws -> [UInt64] {
    var visited: [UInt64] = []
    try walk(
      disk.root, level: DiskMap.rootLevel(ofDisk: disk.byteCount), number: 0, &visited)
    return visited
  }

  private func walk(
    _ reference: MapReference, level: Int, number: UInt64, _ visited: inout [UInt64]
  ) throws {
    guard case .node(let id, let dataByteCount) = reference else { return }
    if level == 0 {
      try extent(number, id, dataByteCount)
      return
    }
    let fanOut = UInt64(FormatLimit.mapFanOut)
    let below = DiskMap.nodeCount(ofDisk: disk.byteCount, level: level - 1)
    let children = Int(min(fanOut, below - number * fanOut))
    let key = Self.key(id, level: level, children: children, dataByteCount: dataByteCount)
    guard !isSound(key) else { return }
    let node: SpanNode
    do {
      node = try map.span(number, level: level, node: id, dataByteCount: dataByteCount)
    } catch let error as VaultError where error.code == .damaged {
      try lose(id, range(level: level, number: number))
      return
    }
    visited.append(key)
    for (child, reference) in node.children.enumerated() {
      try walk(
        reference, level: level - 1, number: number * fanOut + UInt64(child), &visited)
    }
  }

  private func range(level: Int, number: UInt64) -> Range<UInt64> {
    let (width, isHuge) = UInt64(FormatLimit.extent).multipliedReportingOverflow(
      by: UInt64(1) << UInt64(6 * level))
    guard !isHuge else { return 0..<disk.byteCount }
    let (start, isBeyond) = number.multipliedReportingOverflow(by: width)
    guard !isBeyond, start < disk.byteCount else { return disk.byteCount..<disk.byteCount }
    return start..<(disk.byteCount - start < width ? disk.byteCount : start + width)
  }

  /// A node at a kind of place: whether a node is right depends on how much it has to describe.
  /// IDs are hashes, so their first word is enough.
  static func key(
    _ id: ChunkID, level: Int, children: Int, dataByteCount: UInt64
  ) -> UInt64 {
    let place = UInt64(level) << 56 ^ UInt64(children) << 24 ^ dataByteCount
    return id.words.0 ^ (place &* 0x9E37_79B9_7F4A_7C15)
  }
}
