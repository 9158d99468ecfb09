internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Measures the computing stage of a backup, on synthetic content and with a vault in memory.
struct ComputingBench: Sendable {
  var seconds: Double
  var clock: any Clock
  var interruption: Interruption

  private static let chunkByteCount = 64 * 1024
  /// As a vault's, and the same each time.
  private static let secrets = VaultSecrets(
    seed: [UInt8](repeating: 7, count: VaultSecrets.seedByteCount))

  private static func extent(seed: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: FormatLimit.extent)
    var content = SyntheticContent(seed: seed)
    bytes.withMutableRawSpan { content.fill(&$0) }
    return bytes
  }

  // MARK: One thread, one part at a time

  /// Each part of the work on one extent, by chunks of 64 KiB where it works on chunks.
  func parts() throws -> [Bench.Rate] {
    let extent = Self.extent(seed: 1)
    let ranges = stride(from: 0, to: extent.count, by: Self.chunkByteCount).map {
      $0..<($0 + Self.chunkByteCount)
    }
    let chunks = ranges.map { Array(extent[$0]) }
    let cutter = ChunkCutter(.aligned, secrets: Self.secrets)
    var pieces: [ExtentPiece] = []
    var rates = [
      try rate("cut into chunks") { cutter.cut(extent.rawSpan, into: &pieces) },
      try rate("fingerprint") {
        for chunk in chunks { _ = Fingerprint(of: chunk.rawSpan, secrets: Self.secrets) }
      },
    ]
    for algorithm in ChunkHash.allCases {
      let namer = ChunkNamer(ChunkHasher(algorithm, secrets: Self.secrets))
      var ids: [ChunkID] = []
      rates.append(
        try rate("name by \(algorithm.optionName)") {
          namer.name(ranges, of: extent.rawSpan, into: &ids)
        })
    }
    for compression in Compression.examples { rates += try coding(chunks, compression) }
    return rates
  }

  private func coding(_ chunks: [[UInt8]], _ compression: Compression) throws -> [Bench.Rate] {
    var target = [UInt8](repeating: 0, count: Self.chunkByteCount)
    var stored: [(codec: Codec, bytes: [UInt8])] = []
    for chunk in chunks {
      let result = target.withMutableRawSpan { compression.compress(chunk.rawSpan, into: &$0) }
      stored.append(result.map { ($0.0, Array(target[..<$0.1])) } ?? (.raw, chunk))
    }
    return [
      try rate("compress by \(compression.optionName)") {
        for chunk in chunks {
          _ = target.withMutableRawSpan { compression.compress(chunk.rawSpan, into: &$0) }
        }
      },
      try rate("decompress by \(compression.optionName)") {
        for (codec, bytes) in stored {
          try target.withMutableRawSpan { try codec.decode(bytes.rawSpan, into: &$0) }
        }
      },
    ]
  }

  /// Repeats work on an extent; the first time, which fills the caches, does not count.
  private func rate(_ name: String, _ work: () throws -> Void) throws -> Bench.Rate {
    try work()
    var count = 0
    let start = clock.monotonicSeconds()
    var passed = 0.0
    repeat {
      try interruption.check()
      try work()
      count += 1
      passed = clock.monotonicSeconds() - start
    } while passed < seconds
    return Bench.Rate(
      name: name, threads: 1, bytesPerSecond: Double(count * FormatLimit.extent) / passed)
  }

  // MARK: The whole stage on all jobs

  /// Extents whose every chunk is new, through the code that a backup has; and which share of their
  /// bytes is stored.
  func newData(jobs: Int, host: HostSystem) throws -> (rate: Bench.Rate, storedShare: Double) {
    let stored = Lock<UInt64>(0)
    let rate = try stage("new data", jobs: jobs, host: host) { processor, lane, turn in
      // Other content each time: what is known would not be compressed.
      let extent = Self.extent(seed: UInt64(lane) << 32 | UInt64(turn))
      let start = clock.monotonicSeconds()
      let result = try processor.process(extent.rawSpan, parent: nil)
      let passed = clock.monotonicSeconds() - start
      stored.withLock { $0 += UInt64(result.newChunks?.byteCount ?? 0) }
      return passed
    }
    let share = Double(stored.withLock { $0 }) / Double(rate.extentCount * FormatLimit.extent)
    return (rate.rate, share)
  }

  /// An extent of each lane again and again, all as in the parent point.
  func unchangedData(jobs: Int, host: HostSystem) throws -> Bench.Rate {
    let known = Lock<[Int: (extent: [UInt8], parent: ParentMap.Extent)]>([:])
    return try stage("unchanged data", jobs: jobs, host: host) { processor, lane, turn in
      let (extent, parent) = try known.withLock { known in
        if let found = known[lane] { return found }
        let extent = Self.extent(seed: UInt64(lane))
        let result = try processor.process(extent.rawSpan, parent: nil)
        guard case .node(let node) = result.content else { preconditionFailure("all zeros") }
        let reference = MapReference.node(
          ChunkID(1, 2, 3, 4), dataByteCount: node.dataByteCount)
        known[lane] = (extent, ParentMap.Extent(node: node, reference: reference))
        return (extent, ParentMap.Extent(node: node, reference: reference))
      }
      let start = clock.monotonicSeconds()
      let result = try processor.process(extent.rawSpan, parent: parent)
      let passed = clock.monotonicSeconds() - start
      guard case .unchanged = result.content else { preconditionFailure("an extent changed") }
      return passed
    }.rate
  }

  /// Runs `work` on so many lanes until the time is over; it returns the seconds that count. What
  /// lanes reach side by side is the sum of what each reached.
  private func stage(
    _ name: String, jobs: Int, host: HostSystem,
    _ work: @escaping @Sendable (ExtentProcessor, Int, Int) throws -> Double
  ) throws -> (rate: Bench.Rate, extentCount: Int) {
    let vault = try Vault.create(
      in: MemoryObjectStore(), host: host,
      log: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }))
    let session = try Session.beginWriting(vault, leaningOn: [])
    let index = try ChunkIndex(session: session, memory: 1 << 20)
    let outputs = BufferPool(capacity: jobs, bufferByteCount: Resources.bufferByteCount)
    let results = Lock((bytesPerSecond: 0.0, extentCount: 0))
    let lanes = ParallelWork(interruption: interruption)
    lanes.run("bench", lanes: jobs) { lane in
      let processor = ExtentProcessor(
        vault: vault, index: index, lost: [],
        encoder: RecordEncoder(vault: vault, verifiesWrites: true), outputs: outputs)
      var passed = 0.0
      var count = 0
      while passed < seconds {
        if lanes.isCancelled { throw Cancelled() }
        passed += try work(processor, lane, count)
        count += 1
      }
      results.withLock { results in
        results.bytesPerSecond += Double(count * FormatLimit.extent) / passed
        results.extentCount += count
      }
    }
    try lanes.wait()
    let (bytesPerSecond, extentCount) = results.withLock { $0 }
    let rate = Bench.Rate(name: name, threads: jobs, bytesPerSecond: bytesPerSecond)
    return (rate, extentCount)
  }
}
