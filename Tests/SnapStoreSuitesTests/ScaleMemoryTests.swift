import Foundation
import SnapStoreFormat
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
  private func expectBounded(
    _ program: String, _ arguments: [String], exitCode: Int = 0
  ) throws {
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
    #expect(figures["exit_code"] == exitCode, "\(work)")
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

  /// Sparse files that take a page each.
  @Test("index segments that say that they hold far more than they do")
  func hostileSegments() throws {
    let directory = try TemporaryDirectory()
    let vault = directory.path("vault")
    let words = [1024, 4096, 4, Self.memory, 0].map { "\($0)" }
    try expectBounded("SnapStoreScale", ["backup", vault] + words)
    func put(_ name: String, rows: Int = 0, pages: UInt64 = 0) throws {
      let url = URL(fileURLWithPath: "\(vault)/index/\(String(repeating: "0", count: 32))-\(name)")
      let segment = Self.sparseSegment(rows: rows, pages: pages)
      try Data(segment.head).write(to: url)
      let file = try FileHandle(forWritingTo: url)
      try file.seek(toOffset: segment.byteCount - UInt64(segment.filter.count))
      try file.write(contentsOf: Data(segment.filter))
      try file.close()
    }
    try put("00000001", pages: 1 << 26)  // 600 MiB of marks
    for number in 2...4 { try put("0000000\(number)", rows: 1 << 21) }
    let limits = ["--memory", "\(Self.memory)", "--vault", vault, "--json"]
    try expectBounded("snapstore", ["verify", "--quick"] + limits, exitCode: 65)
    try expectBounded("snapstore", ["collect", "--dry-run"] + limits)
    try expectBounded("snapstore", ["collect"] + limits)
    try expectBounded("snapstore", ["verify", "--quick"] + limits)
    try expectBounded(
      "snapstore", ["restore", "--point", "latest", "--to", directory.path("restored")] + limits)
  }

  /// A segment whose pages of entries, and rows of packs, are zeros; its filter says yes to all.
  private static func sparseSegment(
    rows: Int, pages: UInt64
  ) -> (head: [UInt8], filter: [UInt8], byteCount: UInt64) {
    var counts = ByteWriter()
    counts.append(pages * UInt64(IndexPage.entriesPerPage))
    counts.append(UInt64(1))
    let headLength = UInt64(ObjectHeader.byteCount + 4 * SectionEntry.byteCount)
    let packs = [UInt8](repeating: 0, count: rows * CoveredPack.byteCount)
    let page = UInt64(IndexPage.byteCount)
    let entries = (headLength + 16 + UInt64(packs.count) + page - 1) / page * page
    let filter = entries + pages * page
    func row(_ type: UInt32, _ offset: UInt64, _ length: UInt64, _ body: [UInt8]?) -> SectionEntry {
      SectionEntry(
        type: type, flags: body == nil ? 3 : 1, offset: offset, length: length,
        checksum: body.map { Checksum.of($0.rawSpan) } ?? 0)
    }
    let table = [
      row(1, headLength, 16, counts.bytes), row(2, headLength + 16, UInt64(packs.count), packs),
      row(3, entries, pages * page, nil), row(4, filter, page, nil),
    ]
    let header = ObjectHeader(kind: .indexSegment, objectLength: filter + page, table: table)
    var filterPage = ByteWriter()
    filterPage.append(bytes: [UInt8](repeating: 0xFF, count: 4032))
    filterPage.appendZeros(56)
    filterPage.append(Checksum.of(filterPage.bytes.rawSpan))
    return (
      header.encoded() + SectionEntry.encode(table) + counts.bytes, filterPage.bytes, filter + page
    )
  }
}
