import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite("Measuring the machine")
struct BenchTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func bench() -> Bench {
    var bench = Bench(directory: directory.path)
    bench.resources = Resources(jobs: 2)
    bench.secondsPerPart = 0.001
    bench.maximumWrittenByteCount = 4 << 20
    return bench
  }

  @Test("everything gets a rate, and the directory stays as it was")
  func rates() throws {
    _ = try directory.write([1, 2, 3], to: "other")
    let disk = try directory.write(SeededRandomness(seed: 3).bytes(900_001), to: "disk.img")
    let calls = LinuxSystemCalls()
    var bench = bench()
    bench.sources = [try SourceDisk(name: try #require(Name("disk")), path: disk, calls: calls)]
    let report = try bench.run(host: HostSystem.current())
    #expect(report.parts.count == 2 + ChunkHash.allCases.count + 2 * Compression.examples.count)
    let rates = [report.newData, report.unchangedData, report.writing, report.readingBack]
    for rate in report.parts + rates + [try #require(report.reading)] {
      #expect(rate.bytesPerSecond > 0, "\(rate.name)")
    }
    #expect(report.syncsPerSecond > 0)
    #expect((0.2...0.7).contains(report.storedShare), "\(report.storedShare)")
    #expect(try directory.names() == ["disk.img", "other"])
  }

  @Test("of disks that are nothing but holes no reading rate is told")
  func holes() throws {
    let calls = LinuxSystemCalls()
    let path = directory.path("disk.img")
    try OpenFile(path, .create, calls: calls).setSize(256 << 20)
    var bench = bench()
    bench.sources = [try SourceDisk(name: try #require(Name("disk")), path: path, calls: calls)]
    let report = try bench.run(host: HostSystem.current())
    #expect(report.reading == nil)
    #expect(report.unchanged.bytesPerSecond > 0)
  }

  /// Raises an interruption when it is looked at for the n-th time.
  private final class RaisingClock: Clock {
    private let interruption: Interruption
    private let left: Lock<Int>

    init(_ interruption: Interruption, after count: Int) {
      self.interruption = interruption
      left = Lock(count)
    }

    func now() -> (seconds: Int64, nanoseconds: UInt32) { SystemClock().now() }

    func monotonicSeconds() -> Double {
      let isNow = left.withLock { left in
        left -= 1
        return left == 0
      }
      if isNow { interruption.raise() }
      return SystemClock().monotonicSeconds()
    }
  }

  @Test("one that is interrupted ends, and leaves nothing", arguments: [1, 4, 12, 20, 24, 28, 30])
  func interruption(_ moment: Int) throws {
    let bench = bench()
    var host = HostSystem.current()
    host.clock = RaisingClock(bench.interruption, after: moment)
    #expect(throws: Interrupted.self) { try bench.run(host: host) }
    #expect(try directory.names() == [])
  }

  @Test("one that fails leaves nothing", arguments: [SystemCall.write, .synchronize])
  func failure(_ call: SystemCall) throws {
    let calls = FaultySystemCalls(faults: [.every(call, .error(.noSpace))])
    #expect(throws: IOError.self) {
      try bench().run(
        host: HostSystem(
          calls: calls, clock: SystemClock(), randomness: SystemRandomness(), description: "test"))
    }
    #expect(try directory.names() == [])
  }

  private func report(computing: Double, writing: Double, reading: Double?) -> BenchReport {
    func rate(_ value: Double) -> Bench.Rate {
      Bench.Rate(name: "", threads: 1, bytesPerSecond: value)
    }
    return BenchReport(
      jobs: 1, parts: [], newData: rate(computing), storedShare: 0.5,
      unchangedData: rate(10 * computing), writing: rate(writing), readingBack: rate(1),
      syncsPerSecond: 1, reading: reading.map(rate), seconds: 1)
  }

  @Test("the slowest stage bounds; a stored byte stands for more than one that was read")
  func bounds() {
    let computing = report(computing: 100, writing: 60, reading: nil)
    #expect(computing.firstBackup == .init(bytesPerSecond: 100, bound: .computing))
    let writing = report(computing: 100, writing: 40, reading: 200)
    #expect(writing.firstBackup == .init(bytesPerSecond: 80, bound: .writing))
    #expect(writing.unchanged == .init(bytesPerSecond: 200, bound: .reading))
    let reading = report(computing: 100, writing: 40, reading: 30)
    #expect(reading.firstBackup == .init(bytesPerSecond: 30, bound: .reading))
  }
}
