internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The stages of a restore:
///
///     walk the maps ─▶ fetch runs from packs ─▶ decode, check, write
///
/// Extents are written in any order; each is checked as a whole before a byte of it is written.
final class RestorePipeline: Sendable {
  private struct Job: Sendable {
    var disk: Int
    var number: UInt64
    var node: ChunkID
    var dataByteCount: UInt64
  }

  private struct FetchedExtent: Sendable {
    var disk: Int
    var range: Range<UInt64>
    var node: ExtentNode
    var requests: [ChunkReader.Request]
    var records: ChunkReader.Fetched
    var buffer: Buffer
  }

  private let disks: [(source: PointDisk, target: NewDisk)]
  private let reader: ChunkReader
  private let maps: [DiskMapReader]
  private let resources: Resources
  private let progress: Progress
  private let work: ParallelWork
  private let jobs: Channel<Job>
  private let fetched: Channel<FetchedExtent>
  private let buffers: BufferPool
  private let extents: BufferPool

  init(
    disks: [(PointDisk, NewDisk)], reader: ChunkReader, resources: Resources, progress: Progress,
    interruption: Interruption
  ) {
    work = ParallelWork(interruption: interruption)
    self.disks = disks
    self.reader = reader
    self.resources = resources
    self.progress = progress
    maps = disks.map { DiskMapReader(reader: reader, disk: $0.0) }
    jobs = work.channel(capacity: 64)
    fetched = work.channel(capacity: resources.buffersPerStage)
    buffers = BufferPool(
      capacity: resources.buffersPerStage, bufferByteCount: Resources.bufferByteCount)
    extents = BufferPool(
      capacity: resources.buffersPerStage, bufferByteCount: FormatLimit.extent)
  }

  /// Returns when everything is written, and nothing is durable yet.
  func run() throws {
    work.run("walk", lanes: 1) { [self] _ in
      for disk in disks.indices { try walk(disk) }
    } then: { [self] in
      jobs.finish()
    }
    work.run("fetch", lanes: resources.readLanes) { [self] _ in
      while let job = try jobs.receive() { try fetched.send(try fetch(job)) }
    } then: { [self] in
      fetched.finish()
    }
    work.run("write", lanes: resources.jobs + 1) { [self] _ in
      let buffer = extents.take()
      while let extent = try fetched.receive() { try write(extent, through: buffer) }
    }
    try work.wait()
  }

  private func walk(_ disk: Int) throws {
    try naming(disk, range: 0..<disks[disk].source.byteCount) {
      try maps[disk].forEachExtent { number, node, dataByteCount in
        try jobs.send(
          Job(disk: disk, number: number, node: node, dataByteCount: dataByteCount))
      }
    }
  }

  private func fetch(_ job: Job) throws -> FetchedExtent {
    let range = DiskMap.range(ofExtent: job.number, disk: disks[job.disk].source.byteCount)
    return try naming(job.disk, range: range) {
      let node = try maps[job.disk].extent(
        job.number, node: job.node, dataByteCount: job.dataByteCount)
      let requests = node.ranges.compactMap { range -> ChunkReader.Request? in
        guard case .chunk(let length, let id, let fingerprint) = range else { return nil }
        return ChunkReader.Request(id: id, length: length, fingerprint: fingerprint)
      }
      let buffer = buffers.take()
      return FetchedExtent(
        disk: job.disk, range: range, node: node, requests: requests,
        records: try reader.fetch(requests, into: buffer), buffer: buffer)
    }
  }

  /// Decodes the chunks to their places in the extent, then writes each stretch between zeros.
  private func write(_ extent: FetchedExtent, through buffer: Buffer) throws {
    var stretches: [Range<Int>] = []
    try naming(extent.disk, range: extent.range) {
      try buffer.withMutableBytes { bytes throws(any Error) in
        var position = 0
        var request = 0
        for range in extent.node.ranges {
          defer { position += range.length }
          guard case .chunk = range else { continue }
          let place = position..<(position + range.length)
          try bytes.withBytes(place) { target throws(any Error) in
            try reader.decode(
              extent.requests[request], fetched: extent.records[request], in: extent.buffer,
              to: &target)
          }
          request += 1
          if let last = stretches.last, last.upperBound == place.lowerBound {
            stretches[stretches.count - 1] = last.lowerBound..<place.upperBound
          } else {
            stretches.append(place)
          }
        }
      }
    }
    let target = disks[extent.disk].target
    for stretch in stretches {
      try target.write(
        buffer.bytes.extracting(stretch),
        at: extent.range.lowerBound + UInt64(stretch.lowerBound))
    }
    try target.startWriteback(extent.range)
    progress.add(extent.node.dataByteCount)
  }

  /// Adds the disk and the range to an error that says that content is damaged.
  private func naming<Result>(
    _ disk: Int, range: Range<UInt64>, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try body()
    } catch let error as VaultError where error.code == .damaged {
      throw VaultError(
        .damaged,
        "disk \(disks[disk].source.name), bytes \(range.lowerBound) to \(range.upperBound): "
          + error.message,
        hint: error.hint)
    }
  }
}
