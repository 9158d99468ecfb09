import Foundation
import SnapStoreTestSupport
import Testing

@Suite("bench, as people and scripts use it")
struct BenchProgramTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  private static let rateFields: Set = ["name", "threads", "bytes_per_second"]

  @Test("the fields of its JSON, in the time it promises; the vault stays as it was")
  func json() throws {
    let before = try snapstore.directory.names("v")
    let result = try snapstore("bench", "--vault", "v", "--json", "--jobs", "2")
    #expect(result.status == 0, "\(result.errors)")
    let report = try result.object()
    #expect(
      Set(report.keys) == [
        "directory", "jobs", "parts", "new_data", "stored_share", "unchanged_data", "write",
        "read_back", "syncs_per_second", "read", "first_backup", "unchanged", "seconds",
      ])
    #expect(report["directory"] as? String == "v")
    #expect(report["jobs"] as? Int == 2)
    let seconds = try #require(report["seconds"] as? Double)
    #expect(seconds < 30, "on a machine that is not very busy")
    let rates = [report["new_data"], report["unchanged_data"], report["write"]]
    let parts = try #require(report["parts"] as? [[String: Any]])
    #expect(parts.count > 5)
    for rate in parts + rates.compactMap({ $0 as? [String: Any] }) {
      #expect(Set(rate.keys) == Self.rateFields)
    }
    for work in ["first_backup", "unchanged"] {
      let estimate = try #require(report[work] as? [String: Any])
      #expect(Set(estimate.keys) == ["bytes_per_second", "bound"])
    }
    #expect(try snapstore.directory.names("v") == before)
  }

  @Test("people get a table and what bounds a backup; no vault is made")
  func text() throws {
    try snapstore.writeLong("disk.img", mebibytes: 9)
    let result = try snapstore("bench", "disk.img")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("MEASURED"))
    #expect(result.output.contains("read the disks"))
    #expect(result.output.contains("\nA first backup is bound by "))
    #expect(result.output.contains("\nUnchanged data is bound by "))
    let names = try snapstore.directory.names()
    #expect(Set(names) == ["disk.img", "v"], "nothing was made in the home directory")
  }

  @Test("a disk that is nothing but holes bounds nothing")
  func holes() throws {
    try snapstore.write("disk.img", [])
    let handle = try #require(FileHandle(forUpdatingAtPath: snapstore.path("disk.img")))
    try handle.truncate(atOffset: 1 << 30)
    try handle.close()
    let result = try snapstore("bench", "disk.img")
    #expect(result.status == 0, "\(result.errors)")
    #expect(!result.output.contains("read the disks"), "\(result.output)")
    #expect(!result.output.contains(" 0 B"), "\(result.output)")
    #expect(
      result.output.hasSuffix("\nThe disks have nothing but holes: there was nothing to read.\n"))
  }

  @Test("what can't be measured is said")
  func misuse() throws {
    #expect(try snapstore("bench", "nothing.img").status == 66)
    #expect(try snapstore("bench", "--vault", "").status == 64)
  }
}
