import Foundation
import SnapStoreTestSupport
import Testing

/// The program writes its JSON by itself; here another reads it.
@Suite("JSON that any reader takes")
struct JSONTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
  }

  @Test("whatever characters a path has, a reader gets them back")
  func anyCharacter() throws {
    let controls = String(String.UnicodeScalarView((1...31).compactMap { Unicode.Scalar($0) }))
    let names = ["a\"b\\c'", "\(controls)\u{7F}\u{80}", "ä€😀\u{2028}\u{2029}\u{FEFF}", "e\u{301}"]
    for name in names {
      try snapstore.write(name, [1, 2, 3])
      let backup = try snapstore("backup", "--vm", "m", "disk=\(name)", "--json")
      #expect(backup.status == 0, "\(backup.errors)")
      let shown = try snapstore("show", try #require(try backup.reportedPoint()), "--json")
      #expect(shown.output.utf8.dropLast().allSatisfy { $0 >= 32 }, "one line")
      let disks = try #require(try shown.object()["disks"] as? [[String: Any]])
      let source = try #require(disks[0]["source"] as? String)
      #expect(source.utf8.elementsEqual(snapstore.path(name).utf8), "\(source)")
    }
  }

  @Test("keys are in order, numbers are numbers, what is absent is null")
  func values() throws {
    try snapstore.write("disk.img", [1, 2, 3])
    let backup = try snapstore("backup", "disk.img", "--json")
    let summary = try backup.object()
    #expect(summary["seconds"] is Double)
    let line = try #require(try snapstore("points", "--json").output.split(separator: "\n").first)
    let keys = line.matches(of: /"(\w+)":/).map { String($0.1) }
    #expect(keys.count > 10 && keys == keys.sorted(), "\(keys)")
    #expect(line.contains("\"parent\":null") && line.contains("\"size_bytes\":3,"), "\(line)")
    #expect(!line.contains(" "), "\(line)")
  }
}
