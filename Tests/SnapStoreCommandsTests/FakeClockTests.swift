import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// Another clock for the built program (libfaketime).
enum FakeClock {
  private static let library: String? = {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
    return folders.map { "\($0)/faketime/libfaketime.so.1" }.first {
      FileManager.default.fileExists(atPath: $0)
    }
  }()

  /// What a run needs to take a time, as `2026-11-23 02:00` in UTC, for now.
  static func environment(at time: String) throws -> [String: String] {
    // Preloaded by hand, it is busy before Swift looks for the command line.
    [
      "LD_PRELOAD": try #require(library, "the package faketime is not installed"),
      "FAKETIME": "\(time):00", "TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    ]
  }
}

@Suite("Days pass, and clocks go wrong")
struct FakeClockTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  private func run(_ arguments: String..., at time: String) throws -> ProgramRun.Result {
    let environment = try FakeClock.environment(at: time)
    return try snapstore.run(arguments + ["--vault", "v", "--json"], environment: environment)
  }

  private func backup(at time: String) throws -> [String: Any] {
    try snapstore.write("disk.img", SeededRandomness(seed: UInt64(time.utf8.count)).bytes(20_000))
    let result = try run("backup", "disk.img", at: time)
    #expect(result.status == 0, "\(result.errors)")
    return try result.object()
  }

  private func listed(at time: String, _ more: String...) throws -> [String] {
    let result = try snapstore.run(["points", "--vault", "v", "--json"] + more).json().first
    return try #require(result as? [[String: Any]]).compactMap { $0["point"] as? String }
      .map { String($0.prefix(8)) }
  }

  @Test("daily points, a clock far ahead, and the days that are kept")
  func days() throws {
    for day in 10...19 { _ = try backup(at: "2026-03-\(day) 02:00") }
    for day in 1...9 {
      let wrong = try backup(at: "2027-08-0\(day) 02:00")
      #expect((wrong["warnings"] as? [String])?.first?.contains("far ahead") == true)
    }
    let good = (13...19).map { "202603\($0)" }
    // Whoever prunes by the wrong clock, or by the right one.
    for now in ["2027-08-09 03:00", "2026-03-19 03:00"] {
      let pruned = try run("prune", "--keep-daily", "7", at: now)
      #expect(pruned.status == 0, "\(pruned.errors)")
      #expect(try listed(at: now).filter { $0 < "2027" } == good)
      #expect(try run("collect", at: now).status == 0)
    }
    #expect(try listed(at: "", "--deleted") == ["20260310", "20260311", "20260312"])
    let next = try backup(at: "2026-03-20 02:00")
    #expect((next["warnings"] as? [String])?.isEmpty == true)
  }

  @Test("what was pruned is gone for ever after as long as was said", arguments: [false, true])
  func softDelete(byPolicy: Bool) throws {
    for day in 10...12 { _ = try backup(at: "2026-03-\(day) 02:00") }
    let keep = ["--keep-last", "2", "--soft-delete", "1h"]
    if byPolicy { try snapstore.assignGold(keep, to: "disk", ["--data-disk", "disk.img"]) }
    let pruned = try snapstore.run(
      ["prune", "--vault", "v"] + (byPolicy ? [] : keep),
      environment: try FakeClock.environment(at: "2026-03-12 03:00"))
    #expect(pruned.status == 0 && pruned.output.contains("Deleted 1 point"), "\(pruned.errors)")
    for (time, count) in [("03:30", 0), ("05:00", 1)] {
      let collected = try run("collect", at: "2026-03-12 \(time)").object()
      #expect(collected["deleted_points"] as? Int == count, "\(time)")
    }
  }
}
