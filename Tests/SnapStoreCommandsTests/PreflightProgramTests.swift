import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("snapstore preflight, and what backup and restore refuse by themselves")
struct PreflightProgramTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v", "--region", "north").status == 0)
    try snapstore.write("disk.img", SeededRandomness(seed: 5).bytes(100_000))
  }

  private func makeDirectory(_ name: String) throws -> String {
    let path = snapstore.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
  }

  private func configure(_ text: String) throws {
    try snapstore.write("c.toml", Array(text.utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: snapstore.path("c.toml"))
  }

  private func findings(_ result: ProgramRun.Result) throws -> [[String: Any]] {
    #expect(result.errors == "")
    return try #require(try result.json().first as? [[String: Any]])
  }

  /// `code status` of what does not pass, and the exit code.
  private func problems(
    _ arguments: [String], environment: [String: String] = ["SNAPSTORE_REGION": "north"],
    through command: [String] = []
  ) throws -> (found: [String], status: Int32) {
    let result = try snapstore.start(
      ["preflight", "--json"] + arguments, environment: environment, through: command
    ).wait()
    let found = try findings(result).compactMap { finding -> String? in
      let (code, status) = (finding["code"] as? String, finding["status"] as? String)
      return status == "pass" ? nil : "\(code ?? "?") \(status ?? "?")"
    }
    return (found, result.status)
  }

  @Test("JSON: one array; every finding has its fields, and those that pass have no hint")
  func fields() throws {
    let result = try snapstore(
      "preflight", "--vault", "v", "--region", "north", "disk.img", "--json")
    #expect(result.status == 0)
    let findings = try findings(result)
    #expect(
      findings.compactMap { $0["code"] as? String } == [
        "vault_opens", "vault_writable", "vault_fit", "vault_region", "vault_space", "vault_place",
        "vault_clock", "disk_set", "disk_readable", "disk_network", "disk_in_use", "disk_holes",
        "open_files",
      ])
    for finding in findings {
      #expect(Set(finding.keys) == ["code", "status", "subject", "message", "hint"])
      #expect(finding["status"] as? String == "pass")
      #expect(finding["hint"] is NSNull)
    }
  }

  @Test("text: a line a check, hints below, and a line at the end; quiet leaves what does not pass")
  func text() throws {
    let result = try snapstore("preflight", "--vault", "v", "disk.img", "none.img")
    #expect(result.status == 77)
    #expect(result.output.contains("\npass  disk disk: disk.img can be read"))
    #expect(result.output.contains("\nfail  disk none: there is nothing at none.img\n"))
    #expect(result.output.contains("\nwarn  vault v: is of region north"))
    #expect(result.output.contains("\n      hint: say it with --region"))
    #expect(result.output.hasSuffix("\n1 of 14 checks failed; 1 warning.\n"), "\(result.output)")
    let quiet = try snapstore("preflight", "--vault", "v", "disk.img", "none.img", "--quiet")
    #expect(quiet.output == "")
    #expect(quiet.errors.contains("fail  disk none") && !quiet.errors.contains("pass"))
    let calm = try snapstore(
      "preflight", "--vault", "v", "--region", "north", "disk.img", "--quiet")
    #expect(calm.status == 0 && calm.output == "" && calm.errors == "")
  }

  @Test("bad options are wrong usage; bad sources are findings")
  func usage() throws {
    #expect(try snapstore("preflight", "--vault", "v", "--region", "a b").status == 64)
    #expect(try snapstore("preflight", "--vault", "v", "--nonsense").status == 64)
    let wrong = try snapstore("preflight", environment: ["SNAPSTORE_REGION": "a b"])
    #expect(wrong.status == 64 && wrong.errors.contains("SNAPSTORE_REGION"))
    let (found, status) = try problems(["--vault", "v", "a b.img", "disk.img"])
    #expect(found == ["disk_set fail"] && status == 77)
  }

  @Test("a vault of another region takes no backup and gives no restore, unless it is allowed")
  func region() throws {
    let here = ["SNAPSTORE_REGION": "north"]
    let there = ["SNAPSTORE_REGION": "south"]
    let backup = ["backup", "--vault", "v", "disk.img"]
    let restore = ["restore", "--vault", "v", "--point", "latest", "--to"]
    #expect(try snapstore.run(backup, environment: here).status == 0)
    #expect(try snapstore.run(backup).status == 0)
    for arguments in [backup, restore + ["out"]] {
      let result = try snapstore.run(arguments, environment: there)
      #expect(result.status == 77)
      #expect(result.errors.contains("is of region north, and this host of south"))
      #expect(result.errors.contains("--allow-cross-region"))
      #expect(try snapstore.run(arguments + ["--region", "south"], environment: here).status == 77)
    }
    #expect(!FileManager.default.fileExists(atPath: snapstore.path("out")))
    for arguments in [backup, restore + ["out"]] {
      let allowed = arguments + ["--allow-cross-region"]
      #expect(try snapstore.run(allowed, environment: there).status == 0)
    }
    #expect(try problems(["--vault", "v"], environment: there) == (["vault_region fail"], 77))
    #expect(
      try problems(["--vault", "v", "--allow-cross-region"], environment: there)
        == (["vault_region warn"], 0))
    try configure("region = 'south'\n")
    #expect(try snapstore.run(backup, environment: ["SNAPSTORE_CONFIG": "c.toml"]).status == 77)
  }

  @Test("a run makes no backup in a vault of another region, unless it is allowed")
  func regionOfRun() throws {
    try snapstore.assignGold(
      ["--schedule", "daily 02:00", "--keep-last", "2"], to: "web", ["--os-disk", "disk.img"])
    for (more, status, pointCount) in [([], 77, 0), (["--allow-cross-region"], 0, 1)]
      as [([String], Int32, Int)]
    {
      let result = try snapstore.run(
        ["run", "--vault", "v"] + more, environment: ["SNAPSTORE_REGION": "south"])
      #expect(result.status == status, "\(result.errors)")
      let points = try snapstore("points", "--vault", "v", "--json").json().first as? [Any]
      #expect(points?.count == pointCount)
    }
  }

  @Test("a mistake in the configuration keeps nobody from a restore, but from a backup")
  func mistakenConfiguration() throws {
    let backup = ["backup", "--vault", "v", "disk.img"]
    #expect(
      try snapstore.run(backup, environment: ["SNAPSTORE_REGION": "north"]).status == 0)
    try configure("reggion = 'north'\n")
    let environment = ["SNAPSTORE_CONFIG": "c.toml"]
    let refused = try snapstore.run(backup, environment: environment)
    #expect(refused.status == 64)
    #expect(refused.errors.contains("'reggion' is unknown here"), "\(refused.errors)")
    let restore = try snapstore.run(
      ["restore", "--vault", "v", "--point", "latest", "--to", "out"], environment: environment)
    #expect(restore.status == 0, "\(restore.errors)")
    #expect(
      restore.errors.contains("warning: the region of this host is not known: c.toml, line 1: "),
      "\(restore.errors)")
    #expect(snapstore.areSame("out/disk.img", "disk.img"))
    // What is said on the command line is no mistake.
    let other = try snapstore.run(
      ["restore", "--vault", "v", "--point", "latest", "--to", "other", "--region", "south"],
      environment: environment)
    #expect(other.status == 77, "\(other.errors)")
  }

  @Test("the default vault: preflight makes nothing")
  func defaultVault() throws {
    let before = try snapstore.directory.names()
    let result = try snapstore("preflight", "disk.img", "--json")
    #expect(result.status == 0)
    #expect(try findings(result).allSatisfy { $0["status"] as? String == "pass" })
    #expect(try snapstore.directory.names() == before)
  }

  @Test("a machine's remembered disks")
  func remembered() throws {
    try snapstore.assignGold(["--keep-daily", "7"], to: "web", ["--os-disk", "disk.img"])
    let all = try snapstore(
      "preflight", "--vault", "v", "--vm", "web", "--region", "north", "--json")
    #expect(all.status == 0)
    let subjects = try findings(all).compactMap { $0["subject"] as? String }
    #expect(subjects.contains("disk disk"))
    try snapstore.remove("disk.img")
    #expect(try problems(["--vault", "v", "--vm", "web"]) == (["disk_readable fail"], 77))
  }

  @Test("few open files: a limit below what a backup needs is found")
  func openFiles() throws {
    let limited = try problems(
      ["--vault", "v", "disk.img"], through: ["/usr/bin/prlimit", "--nofile=20:20"])
    #expect(limited == (["open_files fail"], 77))
  }

  @Test("a disk that QEMU has open for writing is refused, also by backup")
  func qemu() throws {
    let lock = try RecordLock(snapstore.path("disk.img"))
    defer { withExtendedLifetime(lock) {} }
    #expect(try problems(["--vault", "v", "disk.img"]) == (["disk_in_use fail"], 77))
    let backup = try snapstore("backup", "--vault", "v", "disk.img")
    #expect(backup.status == 77)
    #expect(backup.errors.contains("hint: shut the virtual machine down first"))
    #expect(try snapstore("points", "--vault", "v", "--json").json().first as? [String] == [])
  }

  @Test(
    "a mounted disk, its loop device, and a vault on it, through an overlay too",
    .enabled(if: Privileges.canMountImages, Privileges.imageReason))
  func mounted() throws {
    try snapstore.writeLong("big.img", mebibytes: 24)
    let target = try makeDirectory("m")
    var mount: Mount? = try Mount.image(snapstore.path("big.img"), at: target)
    #expect(try snapstore("vault", "create", "m/v").status == 0)
    let here = ["--vault", "m/v", "big.img"]
    #expect(
      try problems(here) == (["vault_region warn", "vault_place fail", "disk_in_use fail"], 77))
    let table = String(
      decoding: try Data(contentsOf: URL(fileURLWithPath: "/proc/self/mountinfo")), as: UTF8.self)
    let line = try #require(table.split(separator: "\n").first { $0.contains(" \(target) ") })
    let device = String(try #require(line.split(separator: " ").first { $0.hasPrefix("/dev/") }))
    let (found, _) = try problems(["--vault", "m/v", "loop=\(device)"])
    #expect(found.contains("vault_place fail") && found.contains("disk_in_use fail"))
    for name in ["m/upper", "m/work", "over"] { _ = try makeDirectory(name) }
    var overlay: Mount? = try Mount.overlay(
      target, upper: "\(target)/upper", work: "\(target)/work", at: snapstore.path("over"))
    withExtendedLifetime(overlay) {}
    #expect(try problems(["--vault", "over/v", "big.img"]).found.contains("vault_place fail"))
    // A backup goes on, and says so.
    let backup = try snapstore("backup", "--vault", "v", "big.img")
    #expect(backup.status == 0 && backup.errors.contains("is mounted read-write"))
    overlay = nil
    mount = nil
    withExtendedLifetime((mount, overlay)) {}
    #expect(try problems(["--vault", "v", "big.img"]) == ([], 0))
  }

  @Test(
    "a vault on a read-only medium, and one without space",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func places() throws {
    let medium = try Mount.readOnly(snapstore.path("v"), at: try makeDirectory("medium"))
    #expect(try problems(["--vault", "medium", "disk.img"]) == (["vault_writable fail"], 77))
    withExtendedLifetime(medium) {}
    let small = try Mount.small(try makeDirectory("small"), kibibytes: 12_288)
    defer { withExtendedLifetime(small) {} }
    try FileManager.default.copyItem(
      atPath: snapstore.path("v"), toPath: snapstore.path("small/v"))
    try snapstore.writeLong("large.img", mebibytes: 20)
    #expect(try problems(["--vault", "small/v", "large.img"]) == (["vault_space warn"], 0))
    try snapstore.writeLong("large.img", mebibytes: 60)
    #expect(try problems(["--vault", "small/v", "large.img"]) == (["vault_space fail"], 77))
  }

  @Test(
    "as somebody who may neither write the vault nor read the disk",
    .enabled(if: Privileges.isRoot, Privileges.rootReason))
  func nobody() throws {
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: snapstore.path("disk.img"))
    let (found, status) = try problems(
      ["--vault", "v", "disk.img"],
      through: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
    #expect(found.contains("vault_opens fail") && found.contains("disk_readable fail"))
    #expect(status == 77)
  }
}
