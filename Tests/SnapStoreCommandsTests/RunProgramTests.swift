import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// The built program under a clock of our own, as a timer starts it.
@Suite("Scheduled runs, and what is recorded of them")
struct RunProgramTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  private func run(_ arguments: String..., at time: String) throws -> ProgramRun.Result {
    let clock = try FakeClock.environment(at: time)
    return try snapstore.run(arguments + ["--vault", "v", "--json"], environment: clock)
  }

  private func protect(_ machine: String, schedule: String = "daily 02:00") throws {
    try snapstore.write("\(machine).img", SeededRandomness(seed: 3).bytes(20_000))
    let words = [
      ["policy", "set", "p-\(machine)", "--schedule", schedule, "--keep-last", "2"],
      ["policy", "assign", "p-\(machine)", "--vm", machine, "--data-disk", "\(machine).img"],
    ]
    for arguments in words {
      let result = try snapstore.run(arguments + ["--vault", "v"])
      #expect(result.status == 0, "\(result.errors)")
    }
  }

  private func machines(_ result: ProgramRun.Result) throws -> [String: [String: Any]] {
    let all = try #require(try result.object()["machines"] as? [[String: Any]])
    return Dictionary(uniqueKeysWithValues: all.map { (($0["vm"] as? String) ?? "", $0) })
  }

  private func jobs(_ more: String..., at time: String) throws -> [[String: Any]] {
    let clock = try FakeClock.environment(at: time)
    let result = try snapstore.run(
      ["jobs", "--vault", "v", "--json"] + more, environment: clock)
    #expect(result.status == 0, "\(result.errors)")
    return try #require(try result.json().first as? [[String: Any]])
  }

  private func kinds(_ jobs: [[String: Any]]) -> [String] {
    jobs.map { "\($0["kind"] ?? "") \($0["vm"] as? String ?? "-") \($0["state"] ?? "")" }
  }

  @Test("a run makes what is due, once, and nothing that is not")
  func due() throws {
    try protect("a")
    try protect("b", schedule: "weekly sun 03:00")
    // A Monday: both are new.
    let first = try run("run", at: "2026-03-02 01:00")
    #expect(first.status == 0, "\(first.errors)")
    #expect(try machines(first).values.allSatisfy { $0["point"] is String })
    #expect(try first.object()["collected"] as? Bool == true)
    for (time, expected) in [
      ("2026-03-02 01:59", []), ("2026-03-02 02:00", ["a"]), ("2026-03-02 02:15", []),
      ("2026-03-03 01:59", []), ("2026-03-05 12:00", ["a"]), ("2026-03-08 04:00", ["a", "b"]),
    ] {
      let result = try run("run", at: time)
      #expect(result.status == 0, "\(result.errors)")
      let made = try machines(result).filter { $0.value["point"] is String }.keys.sorted()
      #expect(made == expected, "\(time)")
      let due = try machines(result).filter { $0.value["due"] as? Bool == true }.keys.sorted()
      #expect(due == expected, "\(time)")
    }
    // Two of a's four are deleted by its policy, and what found nothing to do left no record; one
    // only collected.
    let listed = try snapstore("points", "--vm", "a", "--json", "--vault", "v").json().first
    #expect((listed as? [Any])?.count == 2)
    let all = kinds(try jobs(at: "2026-03-08 05:00"))
    #expect(all.count { $0 == "run - done" } == 5)
    #expect(all.count { $0 == "backup a done" } == 4 && all.count { $0 == "backup b done" } == 2)
    #expect(all.count { $0 == "prune a done" } == 2 && all.count { $0 == "collect - done" } == 4)
  }

  @Test("a backup by hand counts where it has all disks of the machine")
  func byHand() throws {
    try protect("a")
    try snapstore.write("b.img", [1, 2, 3])
    let assigned = try snapstore.run([
      "policy", "assign", "p-a", "--vm", "a", "--data-disk", "a.img", "--data-disk", "b.img",
      "--vault", "v",
    ])
    #expect(assigned.status == 0, "\(assigned.errors)")
    #expect(try run("backup", "--vm", "a", "a.img", at: "2026-03-02 02:10").status == 0)
    #expect(try machines(try run("run", at: "2026-03-02 02:20"))["a"]?["point"] is String)
    #expect(try run("backup", "--vm", "a", "a.img", "b.img", at: "2026-03-03 02:10").status == 0)
    #expect(try machines(try run("run", at: "2026-03-03 02:20"))["a"]?["due"] as? Bool == false)
  }

  @Test("what fails stops nothing else, is recorded, and its code is the run's")
  func failure() throws {
    for machine in ["a", "b", "c"] { try protect(machine) }
    try snapstore.remove("b.img")
    let result = try run("run", at: "2026-03-02 03:00")
    #expect(result.status == 66)
    #expect(result.errors.contains("backup of b failed: "), "\(result.errors)")
    let machines = try machines(result)
    #expect(machines["a"]?["point"] is String && machines["c"]?["point"] is String)
    let failures = try #require(try result.object()["failures"] as? [[String: Any]])
    #expect(failures.map { $0["code"] as? Int } == [66])
    let failed = try jobs("--failed", at: "2026-03-02 04:00")
    #expect(kinds(failed).sorted() == ["backup b failed", "run - failed"])
    #expect(failed.allSatisfy { $0["code"] as? Int == 66 && $0["message"] is String })
    #expect(kinds(try jobs("--vm", "b", at: "2026-03-02 04:00")) == ["backup b failed"])
    // It is there again. What failed just now is not tried at once, but by name; and later.
    try snapstore.write("b.img", [1, 2, 3])
    let soon = try run("run", at: "2026-03-02 03:15")
    #expect(soon.status == 66 && soon.errors.contains("tried again"), "\(soon.errors)")
    #expect(kinds(try jobs("--vm", "b", at: "2026-03-02 04:00")) == ["backup b failed"])
    let named = try run("run", "--vm", "b", at: "2026-03-02 03:16")
    #expect(named.status == 0, "\(named.errors)")
    try snapstore.remove("b.img")
    #expect(try run("run", at: "2026-03-03 03:00").status == 66)
    try snapstore.write("b.img", [1, 2, 3])
    let later = try run("run", at: "2026-03-03 04:00")
    #expect(later.status == 0, "\(later.errors)")
  }

  @Test("a machine whose record can't be read has failed, and the others are backed up")
  func unreadableMachine() throws {
    for machine in ["a", "b"] { try protect(machine) }
    for copy in 1...2 { try snapstore.write("v/machines/b-00000001.\(copy)", [1, 2, 3]) }
    let result = try run("run", at: "2026-03-02 03:00")
    #expect(result.status == 65, "\(result.errors)")
    let machines = try machines(result)
    #expect(machines["a"]?["point"] is String)
    let failures = try #require(machines["b"]?["failures"] as? [[String: Any]])
    #expect(failures.map { $0["code"] as? Int } == [65])
  }

  @Test("hooks hear of each job, and of a vault that is not there")
  func hooks() throws {
    for machine in ["a", "b"] { try protect(machine) }
    try snapstore.remove("b.img")
    let script = "#!/bin/sh\necho $1 $SNAPSTORE_KIND $SNAPSTORE_VM $SNAPSTORE_VAULT >> \"$2\"\n"
    try snapstore.write("hook", Array(script.utf8))
    let events = ["success", "warning", "failure"].map { event in
      "\(event) = [\"\(snapstore.path("hook"))\", \"\(event)\", \"\(snapstore.path("log"))\"]"
    }
    try snapstore.write("c.toml", Array((["[hooks]"] + events).joined(separator: "\n").utf8))
    for (file, mode) in [("hook", 0o755), ("c.toml", 0o644)] {
      try FileManager.default.setAttributes(
        [.posixPermissions: mode], ofItemAtPath: snapstore.path(file))
    }
    for vault in ["v", "none"] {
      let result = try snapstore.run(
        ["run", "--vault", vault], environment: ["SNAPSTORE_CONFIG": snapstore.path("c.toml")])
      #expect(result.status == 66)
      #expect(!result.errors.contains("hook"), "\(result.errors)")
    }
    let log = String(decoding: try snapstore.read("log"), as: UTF8.self)
    #expect(
      log.split(separator: "\n") == [
        "success backup a v", "failure backup b v", "success collect v", "failure run none",
      ])
  }

  @Test("a policy that would delete most points deletes none, and says so")
  func drastic() throws {
    try protect("a")
    for day in 1...7 {
      let result = try run("backup", "--vm", "a", at: "2026-03-0\(day) 03:00")
      #expect(result.status == 0, "\(result.errors)")
    }
    let result = try run("run", at: "2026-03-07 03:10")
    #expect(result.status == 77)
    #expect(result.errors.contains("5 of the 7 points of a would go"), "\(result.errors)")
    #expect(kinds(try jobs("--failed", at: "2026-03-07 03:11")).contains("prune a failed"))
    let listed = try snapstore("points", "--json", "--vault", "v").json().first
    #expect((listed as? [Any])?.count == 7)
  }

  @Test("points of a clock that ran ahead don't keep a machine from its backups")
  func wrongClock() throws {
    try protect("a")
    for time in ["2026-03-02 03:00", "2027-08-01 03:00", "2026-03-03 03:00"] {
      let result = try run("run", at: time)
      #expect(result.status == 0, "\(result.errors)")
      #expect(try machines(result)["a"]?["point"] is String, "\(time)")
    }
  }

  @Test("a clock that was ahead for a while makes one backup more, and not one a run")
  func clockSetBack() throws {
    try protect("a")
    for (time, isDue) in [
      ("2026-03-03 12:00", true), ("2026-03-02 03:00", true), ("2026-03-02 03:15", false),
      ("2026-03-02 23:00", false), ("2026-03-03 02:00", true), ("2026-03-03 02:15", false),
      ("2026-03-04 01:00", false), ("2026-03-04 02:00", true),
    ] {
      let result = try run("run", at: time)
      #expect(result.status == 0, "\(result.errors)")
      #expect(try machines(result)["a"]?["point"] is String == isDue, "\(time)")
    }
  }

  @Test("a restore of the latest point tells of those that it could not read")
  func unreadablePoints() throws {
    try snapstore.write("d.img", SeededRandomness(seed: 4).bytes(20_000))
    let ids = try ["2026-03-02 12:00", "2026-03-02 11:00"].map { time in
      try #require(try run("backup", "d.img", at: time).object()["point"] as? String)
    }
    for copy in 1...2 { try snapstore.write("v/points/\(ids[1]).\(copy)", [1, 2, 3]) }
    let result = try run("restore", "--point", "latest", "--to", "r", at: "2026-03-02 13:00")
    #expect(result.status == 0 && result.errors.contains(ids[1]), "\(result.errors)")
    #expect(try result.object()["point"] as? String == ids[0])
  }

  @Test("machines by name; names without a policy are refused")
  func named() throws {
    for machine in ["a", "b"] { try protect(machine) }
    let result = try run("run", "--vm", "b", at: "2026-03-02 03:00")
    #expect(result.status == 0, "\(result.errors)")
    #expect(try machines(result).keys.sorted() == ["b"])
    #expect(try result.object()["collected"] as? Bool == false)
    let wrong = try run("run", "--vm", "x", at: "2026-03-02 03:00")
    #expect(wrong.status == 66 && wrong.errors.contains("machine x"), "\(wrong.errors)")
    #expect(kinds(try jobs("--failed", at: "2026-03-02 04:00")) == ["run - failed"])
  }

  @Test("no two runs at once")
  func busy() throws {
    try protect("a")
    // A disk that is slow to read: each extent takes its time.
    let disk = snapstore.path("a.img")
    try snapstore.write("a.img", SeededRandomness(seed: 1).bytes(20 << 20))
    let strace = [
      "/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-P", disk, "-e",
      "inject=pread64,preadv,preadv2:delay_enter=1000000",
    ]
    let slow = try snapstore.start(["run", "--vault", "v"], through: strace)
    while slow.isRunning, try !kinds(jobs(at: "2026-03-02 04:00")).contains("run - running") {}
    let busy = try snapstore("run", "--vault", "v")
    #expect(busy.status == 75)
    #expect(try slow.wait().status == 0)
    #expect(busy.errors.contains("another run is under way"))
    #expect(busy.errors.contains("hint: "))
    #expect(kinds(try jobs(at: "2026-03-02 04:00")).count { $0.hasPrefix("run ") } == 1)
  }
}
