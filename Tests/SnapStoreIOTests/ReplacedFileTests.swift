import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite struct ReplacedFileTests {
  private let old = [UInt8](repeating: 1, count: 10_000)
  private let new = [UInt8](repeating: 2, count: 5_000)

  private func host(_ calls: any SystemCalls) -> HostSystem {
    HostSystem(
      calls: calls, clock: FixedClock(), randomness: SeededRandomness(seed: 1),
      description: "test")
  }

  @Test func theNewOneIsWholeAndMayBeRead() throws {
    let directory = try TemporaryDirectory()
    let host = host(LinuxSystemCalls())
    for bytes in [old, new, []] {
      try ReplacedFile.write(bytes, to: directory.path("file"), mode: 0o644, host: host)
      #expect(try directory.read("file") == bytes)
      #expect(try directory.mode("file") == 0o644)
      #expect(try directory.names() == ["file"], "nothing else stays")
    }
  }

  /// Each call refused in turn: the old one or the new one is there, and nothing else.
  @Test func whateverFailsTheOldOneOrTheNewOneIsThere() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("file")
    var number = 1
    while true {
      try ReplacedFile.write(old, to: path, mode: 0o644, host: host(LinuxSystemCalls()))
      let calls = FaultySystemCalls(faults: [.at(number, nil, .error(.ioError))])
      do {
        try ReplacedFile.write(new, to: path, mode: 0o644, host: host(calls))
        if try directory.read("file") == new, calls.calls.count < number { break }
      } catch let error as IOError {
        #expect(error.errno == .ioError)
      }
      let bytes = try directory.read("file")
      #expect(bytes == old || bytes == new, "call \(number)")
      #expect(try directory.names() == ["file"], "call \(number)")
      number += 1
      try #require(number < 50)
    }
    #expect(number > 8)
  }

  /// The power goes after each call, and what was not durable is lost, or kept in parts.
  @Test func aPowerCutLeavesTheOldOneOrTheNewOne() throws {
    let files = SimulatedFileSystem(umask: 0o077)
    try ReplacedFile.write(old, to: "/file", mode: 0o644, host: host(files))
    files.startRecording()
    try ReplacedFile.write(new, to: "/file", mode: 0o644, host: host(files))
    files.mark()
    let seeds = (0..<50 as Range<UInt64>).map { SimulatedFileSystem.Survival.some(seed: $0) }
    for moment in files.moments {
      for survival in [.nothing, .everything] + seeds {
        let left = moment.afterCut(survival)
        let bytes = left.contents("/file")
        #expect(bytes == new || moment.milestone == 0 && bytes == old, "\(moment), \(survival)")
        #expect(left.mode("/file") == 0o644, "\(moment), \(survival)")
      }
    }
  }
}
