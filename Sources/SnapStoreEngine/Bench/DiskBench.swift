internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO

/// Measures a file system, around the page cache where it can, and reading of disks.
///
/// What is written lies in files that have lost their names before the first byte: the kernel frees
/// them when the process ends, however it ends.
struct DiskBench: Sendable {
  var directory: String
  var seconds: Double
  var maximumByteCount: UInt64
  var host: HostSystem
  var interruption: Interruption

  struct Result {
    var writing: Bench.Rate
    var reading: Bench.Rate
    var syncsPerSecond: Double
  }

  /// An unnamed file: one descriptor to write it, one to read it.
  private struct File: Sendable {
    var writing: OpenFile
    var reading: OpenFile
  }

  private static let pieceByteCount = 1 << 20

  func measure(writers: Int, readers: Int) throws -> Result {
    let home = try Directory(directory, followLinks: true, calls: host.calls)
    // An eighth of what is free, so that nobody beside it runs out of space.
    let limit = min(maximumByteCount, try home.fileSystem().availableByteCount / 8)
    let files = try (0..<writers).map { _ in try unnamedFile(in: home) }
    let (writing, written) = try write(files, limit: limit / UInt64(writers))
    let reading = try readBack(files, written, lanes: readers)
    return Result(
      writing: writing, reading: reading, syncsPerSecond: try synchronize(files[0].writing))
  }

  private func unnamedFile(in home: Directory) throws -> File {
    let name = ".snapstore-bench-\(String(host.randomness.next(), radix: 16))"
    let writing = try OpenFile(
      name, in: home, .create, aroundCache: true, calls: host.calls)
    let reading: OpenFile
    do {
      reading = try OpenFile(
        name, in: home, .read(followLinks: false), aroundCache: true, calls: host.calls)
    } catch let failure {
      try home.removeFile(name)
      throw failure
    }
    try home.removeFile(name)
    return File(writing: writing, reading: reading)
  }

  /// Appends to each file in a lane of its own until the time is over or the limit is reached, and
  /// makes all durable. Returns the bytes of each too.
  private func write(
    _ files: [File], limit: UInt64
  ) throws -> (rate: Bench.Rate, byteCounts: [UInt64]) {
    let pool = BufferPool(capacity: files.count, bufferByteCount: Self.pieceByteCount)
    let counts = Lock([UInt64](repeating: 0, count: files.count))
    let start = host.clock.monotonicSeconds()
    try lanes(files.count) { lane in
      let buffer = pool.take()
      var content = SyntheticContent(seed: UInt64(lane))
      buffer.withMutableBytes { content.fill(&$0) }
      var end: UInt64 = 0
      repeat {
        try interruption.check()
        try files[lane].writing.write(buffer.bytes, at: end)
        let next = end + UInt64(Self.pieceByteCount)
        try files[lane].writing.startWriteback(end..<next)
        end = next
      } while host.clock.monotonicSeconds() - start < seconds
        && end + UInt64(Self.pieceByteCount) <= limit
      try files[lane].writing.synchronize()
      counts.withLock { $0[lane] = end }
    }
    let byteCounts = counts.withLock { $0 }
    let rate = rate(
      "write and synchronize", files.count, byteCounts.reduce(0, +), since: start)
    return (rate, byteCounts)
  }

  private func readBack(
    _ files: [File], _ byteCounts: [UInt64], lanes count: Int
  ) throws -> Bench.Rate {
    let pieces = Lock(
      files.indices.flatMap { file in
        stride(from: 0, to: byteCounts[file], by: Self.pieceByteCount).map { (file, $0) }
      }[...])
    let pool = BufferPool(capacity: count, bufferByteCount: Self.pieceByteCount)
    let done = Lock<UInt64>(0)
    let start = host.clock.monotonicSeconds()
    try lanes(count) { _ in
      let buffer = pool.take()
      while let (file, offset) = pieces.withLock({ $0.popFirst() }) {
        try interruption.check()
        let read = try buffer.withMutableBytes { bytes throws(IOError) in
          try files[file].reading.read(into: &bytes, at: offset)
        }
        done.withLock { $0 += UInt64(read) }
        if host.clock.monotonicSeconds() - start >= seconds { return }
      }
    }
    return rate("read back", count, done.withLock { $0 }, since: start)
  }

  /// Reads extents of the disks as a backup does; nil where there is nothing but holes.
  func read(_ sources: [SourceDisk], lanes count: Int) throws -> Bench.Rate? {
    let schedule = Lock(ExtentSchedule(sources))
    let pool = BufferPool(capacity: count, bufferByteCount: FormatLimit.extent)
    let done = Lock<UInt64>(0)
    let start = host.clock.monotonicSeconds()
    try lanes(count) { _ in
      let buffer = pool.take()
      while let item = try schedule.withLock({ try $0.next() }) {
        try interruption.check()
        for data in item.plan.data {
          try buffer.withMutableBytes { bytes throws(any Error) in
            try bytes.withBytes(0..<data.count) { part throws(any Error) in
              try sources[item.disk].read(data, into: &part)
            }
          }
          done.withLock { $0 += UInt64(data.count) }
        }
        if host.clock.monotonicSeconds() - start >= seconds { return }
      }
    }
    let byteCount = done.withLock { $0 }
    return byteCount == 0 ? nil : rate("read the disks", count, byteCount, since: start)
  }

  /// How often a second 4 KiB can be made durable, one after the other.
  private func synchronize(_ file: OpenFile) throws -> Double {
    let block = [UInt8](repeating: 1, count: FormatLimit.block)
    let start = host.clock.monotonicSeconds()
    var count = 0
    var passed = 0.0
    repeat {
      try interruption.check()
      try file.write(block.rawSpan, at: UInt64(count % 256 * FormatLimit.block))
      try file.synchronize()
      count += 1
      passed = host.clock.monotonicSeconds() - start
    } while passed < seconds / 4
    return Double(count) / passed
  }

  private func lanes(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let work = ParallelWork(interruption: interruption)
    work.run("bench", lanes: count, body)
    try work.wait()
  }

  private func rate(
    _ name: String, _ threads: Int, _ byteCount: UInt64, since start: Double
  ) -> Bench.Rate {
    let passed = max(host.clock.monotonicSeconds() - start, 1e-6)
    return Bench.Rate(name: name, threads: threads, bytesPerSecond: Double(byteCount) / passed)
  }
}
