import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Policies, machines, and backups without paths")
struct PolicyProgramTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
    for (number, name) in ["a", "b"].enumerated() {
      try snapstore.write("\(name).img", SeededRandomness(seed: UInt64(number)).bytes(70_000))
    }
  }

  private func run(_ arguments: String...) throws -> ProgramRun.Result {
    try snapstore.run(arguments + ["--vault", "v"])
  }

  /// What a run says that must succeed.
  @discardableResult
  private func object(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String: Any] {
    let result = try snapstore.run(arguments + ["--vault", "v", "--json"])
    #expect(result.status == 0, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
    return try result.object()
  }

  private func expect(
    _ status: Int32, _ text: String, _ arguments: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try snapstore.run(arguments + ["--vault", "v"])
    #expect(
      result.status == status, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.contains("error: "), sourceLocation: sourceLocation)
    #expect(
      result.errors.contains(text), "\(arguments): \(result.errors)",
      sourceLocation: sourceLocation)
    #expect(result.output.isEmpty, sourceLocation: sourceLocation)
  }

  @Test("set keeps what is not named, says what holds then, and all changes are told")
  func set() throws {
    let first = try object(
      "policy", "set", "gold", "--schedule", "daily 14:00,2:00", "--keep-last", "3",
      "--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "12", "--keep-yearly", "5")
    #expect(
      first.keys.sorted() == [
        "changed_at", "keep_daily", "keep_last", "keep_monthly", "keep_weekly", "keep_yearly",
        "machines", "policy", "schedule", "soft_delete_seconds", "state", "time_zone", "type",
      ])
    #expect(first["schedule"] as? String == "daily 02:00,14:00")
    #expect(first["time_zone"] as? String == "UTC")
    #expect(first["soft_delete_seconds"] as? Int == 14 * 86400)
    let rules = ["last", "daily", "weekly", "monthly", "yearly"].map { first["keep_\($0)"] as? Int }
    #expect(rules == [3, 7, 4, 12, 5])

    let second = try object(
      "policy", "set", "gold", "--time-zone", "Europe/Berlin", "--soft-delete", "36h",
      "--keep-yearly", "0", "--schedule", "none")
    #expect(second["schedule"] is NSNull && second["time_zone"] as? String == "Europe/Berlin")
    #expect(second["keep_daily"] as? Int == 7 && second["keep_yearly"] as? Int == 0)
    #expect(second["soft_delete_seconds"] as? Int == 129_600)
    // Nothing new is no change.
    try object("policy", "set", "gold", "--keep-daily", "7")

    let shown = try object("policy", "show", "gold")
    let changes = try #require(shown["changes"] as? [[String: Any]])
    #expect(changes.map { $0["number"] as? Int } == [1, 2])
    #expect(changes.map { $0["soft_delete_seconds"] as? Int } == [14 * 86400, 129_600])
    #expect(changes.allSatisfy { $0["state"] as? String == "set" && $0["changed_at"] is String })
    let text = try run("policy", "show", "gold").output
    #expect(text.contains("Keeps:        3 last, 7 daily, 4 weekly, 12 monthly\n"), "\(text)")
    let list = try #require(
      try run("policy", "list", "--json").json().first as? [[String: Any]])
    #expect(list.map { $0["policy"] as? String } == ["gold"])

    try object("policy", "remove", "gold")
    #expect(try run("policy", "list", "--json").output == "[]\n")
    let removed = try object("policy", "show", "gold")
    #expect(removed["state"] as? String == "removed")
    #expect((removed["changes"] as? [Any])?.count == 3)
    #expect(try run("policy", "list").output.hasPrefix("No policies in "))
    // Nothing of it is left in a new one.
    let again = try object("policy", "set", "gold", "--keep-last", "1")
    #expect(again["keep_daily"] as? Int == 0 && again["time_zone"] as? String == "UTC")
  }

  @Test("a machine remembers its disks: a backup and a restore without paths give the same bytes")
  func backup() throws {
    try object("policy", "set", "gold", "--keep-daily", "7")
    let assigned = try object(
      "policy", "assign", "gold", "--vm", "web", "--os-disk", "root=a.img", "--data-disk", "b.img")
    let disks = try #require(assigned["disks"] as? [[String: String]])
    let folder = try canonicalPath(snapstore.path("."), calls: LinuxSystemCalls())
    #expect(
      disks == [
        ["name": "root", "role": "os", "source": "\(folder)/a.img"],
        ["name": "b", "role": "data", "source": "\(folder)/b.img"],
      ])
    let first = try object("backup", "--vm", "web")
    #expect(first["vm"] as? String == "web")
    let roles = try #require(first["disks"] as? [[String: Any]]).map { $0["role"] as? String }
    #expect(roles == ["os", "data"])
    #expect(try run("restore", "--point", "latest", "--to", "out", "--quiet").status == 0)
    #expect(snapstore.areSame("out/root.img", "a.img") && snapstore.areSame("out/b.img", "b.img"))
    // Sources that are given win.
    let given = try object("backup", "--vm", "web", "b.img")
    #expect((given["disks"] as? [Any])?.count == 1 && given["sequence"] as? Int == 2)
    // Another policy, the same disks.
    try object("policy", "set", "silver", "--keep-last", "2")
    let kept = try object("policy", "assign", "silver", "--vm", "web")
    #expect(try #require(kept["disks"] as? [[String: String]]) == disks)
    let silver = try object("policy", "show", "silver")
    let machines = try #require(silver["machines"] as? [[String: Any]])
    #expect(machines.map { $0["vm"] as? String } == ["web"])
    #expect(machines[0]["disks"] as? [[String: String]] == disks)
    #expect((try object("policy", "show", "gold")["machines"] as? [Any])?.isEmpty == true)
    let listed = try run("policy", "show", "silver").output
    #expect(listed.contains("\nweb      root  os    \(folder)/a.img\n"), "\(listed)")
    // Disks that are named are all that it has then.
    try object("policy", "assign", "silver", "--vm", "web", "--data-disk", "b.img")
    #expect((try object("backup", "--vm", "web")["disks"] as? [Any])?.count == 1)
    try object("policy", "remove", "gold")
    #expect(try run("verify").status == 0)
    #expect(try run("collect").status == 0)
    try object("policy", "unassign", "--vm", "web")
    try expect(66, "machine web is not assigned", "backup", "--vm", "web")
  }

  @Test("disks of a machine that runs can be assigned, and not be backed up before it is shut down")
  func running() throws {
    try object("policy", "set", "gold", "--keep-daily", "7")
    var lock: RecordLock? = try RecordLock(snapstore.path("a.img"))
    try object("policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img")
    try expect(77, "hint: shut the virtual machine down first", "backup", "--vm", "web")
    lock = nil
    withExtendedLifetime(lock) {}
    try object("backup", "--vm", "web")
  }

  @Test("assign takes what backup takes for disks on a network")
  func network() throws {
    try object("policy", "set", "gold", "--keep-daily", "7")
    let assign = ["policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img", "--vault", "v"]
    #expect(try snapstore.run(assign + ["--allow-network-disk"]).status == 0)
  }

  @Test("wrong use is said in a sentence, and changes nothing")
  func wrongUse() throws {
    try expect(64, "would keep nothing", "policy", "set", "gold", "--schedule", "daily 02:00")
    try object("policy", "set", "gold", "--keep-daily", "7")
    let set = ["policy", "set", "gold"]
    let wrong: [([String], String)] = [
      (["--keep-daily", "0"], "would keep nothing"), (["--schedule", "always"], "hint: it is one"),
      (["--time-zone", "Mars/Olympus"], "knows no time zone"),
      (["--time-zone", "../../etc/passwd"], "is no time zone"),
      (["--soft-delete", "3w"], "14d, 36h or 0"), (["--soft-delete", "36501d"], "14d, 36h or 0"),
      (["--keep-last", "many"], "keep-last"), (["--keep-last", "4294967296"], "keep-last"),
    ]
    for (arguments, text) in wrong {
      let result = try snapstore.run(set + arguments + ["--vault", "v"])
      #expect(result.status == 64, "\(arguments): \(result.errors)")
      #expect(result.errors.contains(text), "\(arguments): \(result.errors)")
    }
    try expect(64, "can't be a name", "policy", "set", "../x", "--keep-last", "1")
    #expect((try object("policy", "show", "gold")["changes"] as? [Any])?.count == 1)
    try expect(66, "there is no policy none", "policy", "show", "none")
    try expect(66, "there is no policy none", "policy", "remove", "none")
    try expect(
      66, "there is no policy none", "policy", "assign", "none", "--vm", "web", "--os-disk",
      "a.img")
    let assign = ["policy", "assign", "gold", "--vm", "web"]
    for (more, status, text) in [
      ([], 64, "no disk of machine web is known"),
      (["--os-disk", "c.img"], 66, "nothing at c.img"),
      (["--os-disk", "."], 64, "can't be a disk's name"), (["--os-disk", "x=v"], 66, "disk x"),
      (["--os-disk", "a=a.img", "--data-disk", "a=b.img"], 64, "two disks are named a"),
      (["--os-disk", "v/vault"], 66, "inside of the vault"),
    ] as [([String], Int32, String)] {
      let result = try snapstore.run(assign + more + ["--vault", "v"])
      #expect(result.status == status, "\(more): \(result.errors)")
      #expect(result.errors.contains(text), "\(more): \(result.errors)")
    }
    try expect(66, "has no policy", "policy", "unassign", "--vm", "web")
    try expect(66, "machine web is not assigned", "backup", "--vm", "web")
    try expect(64, "no disk is named", "backup")
    try object("policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img")
    try expect(64, "is assigned to web", "policy", "remove", "gold")
    try snapstore.remove("a.img")
    try expect(66, "there is nothing at", "backup", "--vm", "web")
  }

  @Test("with no vault at all, a backup by a machine's name makes none")
  func noVault() throws {
    let result = try snapstore("backup", "--vm", "web")
    #expect(result.status == 66 && result.errors.contains("there is no vault"), "\(result.errors)")
    #expect(try snapstore("points").status == 66)
  }

  @Test("policies and machines that can't be read are said, and can be set anew")
  func damage() throws {
    try object("policy", "set", "gold", "--keep-daily", "7")
    try object("policy", "set", "other", "--keep-daily", "7")
    try object("policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img")
    for name in ["policies/gold-00000001", "machines/web-00000001"] {
      for copy in 1...2 { try snapstore.write("v/\(name).\(copy)", [1, 2, 3]) }
    }
    let list = try run("policy", "list", "--json")
    #expect(list.status == 65 && list.errors.contains("policy gold can't be read"))
    #expect((try list.json().first as? [Any])?.count == 1)
    try expect(65, "policy gold can't be read", "policy", "show", "gold")
    try expect(65, "machine web can't be read", "backup", "--vm", "web")
    #expect(try run("verify").status == 65)
    try expect(64, "would keep nothing", "policy", "set", "gold", "--soft-delete", "1d")
    #expect(try run("policy", "set", "gold", "--keep-last", "1").status == 0)
    try expect(64, "no disk of machine web", "policy", "assign", "gold", "--vm", "web")
    #expect(try run("policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img").status == 0)
    #expect(try run("backup", "--vm", "web").status == 0)
    #expect(try run("policy", "list").status == 0)
  }

  @Test("shells are offered names of policies and of machines that have no point yet")
  func completion() throws {
    try object("policy", "set", "gold", "--keep-daily", "7")
    try object("policy", "assign", "gold", "--vm", "web", "--os-disk", "a.img")
    for (command, key, offered) in [
      (["policy", "show"], "positional@0", "gold\n"), (["backup"], "--vm", "web\n"),
    ] {
      let result = try snapstore.run(
        ["---completion"] + command + ["--", key, "3", "0", "snapstore"] + command + ["--vm", ""],
        environment: ["SAP_SHELL": "bash", "SNAPSTORE_VAULT": "v"])
      #expect(result.output == offered, "\(result)")
    }
  }
}
