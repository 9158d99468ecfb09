import Foundation
import SnapStoreTestSupport
import Testing

/// The promise of a bounded memory, kept with the least that can be given and with chunks so many
/// that tables, filters and maps would not fit by far.
@Suite("Memory is bounded, however many chunks", .serialized)
struct ScaleMemoryTests {
  /// Code that is not optimized takes ten times as long.
  #if DEBUG
    private static let chunkCount = 64 << 10
  #else
    private static let chunkCount = 512 << 10
  #endif
  private static let memory = 64 << 20
  private static let limit = memory + (32 << 20)

  /// Runs a program beside the test bundle to its end.
  private func expectBounded(_ program: String, _ arguments: [String]) throws {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      .deletingLastPathComponent()
    let process = Process()
    process.executableURL = folder.appendingPathComponent("SnapStoreScale")
    process.arguments = ["measure", folder.appendingPathComponent(program).path] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let line = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let figures = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Int])
    let peak = try #require(figures["peak_bytes"])
    let work = "\(program) \(arguments[0])"
    #expect(figures["exit_code"] == 0, "\(work)")
    #expect(peak > 8 << 20, "\(work)")
    #expect(peak <= Self.limit, "\(work): \(peak >> 20) MiB")
  }

  @Test("backups, verify --quick, a collection's marks, a restore")
  func bounded() throws {
    let directory = try TemporaryDirectory()
    let vault = directory.path("vault")
    for day in 0...1 {
      let words = [Self.chunkCount, 4096, 4, Self.memory, day].map { "\($0)" }
      try expectBounded("SnapStoreScale", ["backup", vault] + words)
    }
    let works = [
      ["verify", "--quick"], ["collect", "--dry-run"],
      ["restore", "--point", "latest", "--disk", "disk-0", "--to", directory.path("restored")],
    ]
    for work in works {
      let limits = ["--memory", "\(Self.memory)", "--vault", vault, "--json"]
      try expectBounded("snapstore", work + limits)
    }
  }
}
