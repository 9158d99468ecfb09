import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Without permission, on read-only media, and without space")
struct PermissionTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }

  init() throws {
    vault = try VaultRun(points: 2, byteCount: 100_000)
  }

  /// As a user who owns nothing here.
  private func asNobody(_ arguments: String...) throws -> ProgramRun.Result {
    try asNobody(arguments)
  }

  private func asNobody(_ arguments: [String]) throws -> ProgramRun.Result {
    try snapstore.start(
      arguments,
      through: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    ).wait()
  }

  private func makeDirectory(_ name: String, mode: Int = 0o755) throws -> String {
    let path = snapstore.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
  }

  /// Names and sizes of what counts in a vault. Records of sessions stay, and packs that were
  /// finished are used by the next backup.
  private func listing(_ vault: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: snapstore.path(vault)).sorted()
      .filter { name in
        !["sessions/", "packs/", "jobs/"].contains { name.hasPrefix($0) }
      }
      .map { name in
        let path = snapstore.path("\(vault)/\(name)")
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size]
        return name.contains("/") ? "\(name) \(size ?? 0)" : name
      }
  }

  @Test(
    "a vault that this user may not read, a disk, a target: exit code 77, and nothing is made",
    .enabled(if: Privileges.isRoot, Privileges.rootReason))
  func somebodyElse() throws {
    let open = try makeDirectory("open", mode: 0o777)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: snapstore.path("disk.img"))
    for arguments in [
      ["points"], ["vault", "info"], ["show", "latest"],
      ["restore", "--point", "latest", "--to", "\(open)/out"],
    ] {
      let result = try asNobody(arguments + ["--vault", "v"])
      vault.expectClear(result, [77], "\(arguments)")
      #expect(result.errors.contains("v"), "\(result.errors)")
    }
    let disk = try asNobody("backup", "--vault", "\(open)/vault", "disk.img")
    vault.expectClear(disk, [77], "backup")
    #expect(disk.errors.contains("disk.img"), "\(disk.errors)")
    let create = try asNobody("vault", "create", "mine")
    vault.expectClear(create, [77], "create")
    #expect(try snapstore.directory.names("open") == [])
    #expect(!FileManager.default.fileExists(atPath: snapstore.path("mine")))
  }

  @Test(
    "a vault that this user may only read restores, and takes no backup",
    .enabled(if: Privileges.isRoot, Privileges.rootReason))
  func onlyReading() throws {
    for path in try FileManager.default.subpathsOfDirectory(atPath: snapstore.path("v")) + [""] {
      let full = snapstore.path("v/\(path)")
      var isDirectory: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(atPath: full, isDirectory: &isDirectory)
      try FileManager.default.setAttributes(
        [.posixPermissions: isDirectory.boolValue ? 0o555 : 0o444], ofItemAtPath: full)
    }
    let open = try makeDirectory("open", mode: 0o777)
    let result = try asNobody(
      "restore", "--vault", "v", "--point", "latest", "--to", "\(open)/out")
    #expect(result.status == 0, "\(result.errors)")
    #expect(try snapstore.read("open/out/disk.img") == vault.points[1].content)
    let backup = try asNobody("backup", "--vault", "v", "disk.img")
    vault.expectClear(backup, [77], "backup")
  }

  @Test(
    "a vault on a read-only medium restores, and takes no backup",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func readOnlyMedium() throws {
    let before = try listing("v")
    let mount = try Mount.readOnly(snapstore.path("v"), at: try makeDirectory("medium"))
    defer { withExtendedLifetime(mount) {} }
    for point in vault.points {
      #expect(try vault.expectRightOrClear(point, vault: "medium", [], "read-only"))
    }
    for command in [["points"], ["show", "latest"], ["vault", "info"]] {
      vault.expectClear(try snapstore.run(command + ["--vault", "medium"]), [0], "\(command)")
    }
    let backup = try snapstore("backup", "--vault", "medium", "disk.img")
    vault.expectClear(backup, [77], "backup")
    #expect(backup.errors.contains("read-only"), "\(backup.errors)")
    #expect(try listing("v") == before)
  }

  @Test(
    "a disk that is full while backing up: the vault is as it was, and the next backup works",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func fullVault() throws {
    let mount = try Mount.small(try makeDirectory("small"), kibibytes: 4096)
    defer { withExtendedLifetime(mount) {} }
    try FileManager.default.copyItem(
      atPath: snapstore.path("v"), toPath: snapstore.path("small/v"))
    let content = SeededRandomness(seed: 8).bytes(9_000_000)
    try snapstore.write("large.img", content)
    let before = try listing("small/v")
    let packs = try vault.objects("packs", vault: "small/v")
    let backup = try snapstore("backup", "--vault", "small/v", "--vm", "large", "disk=large.img")
    vault.expectClear(backup, [74], "backup")
    #expect(backup.errors.contains("o space"), "\(backup.errors)")
    #expect(backup.errors.contains("hint: free some space"), "\(backup.errors)")
    #expect(try listing("small/v") == before)
    // A pack that was finished before the space ended stays: the next run uses what is in it.
    #expect(Set(try vault.objects("packs", vault: "small/v")).isSuperset(of: packs))
    for point in vault.points {
      #expect(try vault.expectRightOrClear(point, vault: "small/v", [], "beside the failed"))
    }
    try mount.resize(kibibytes: 40_000)
    let again = try snapstore(
      "backup", "--vault", "small/v", "--vm", "large", "disk=large.img", "--json")
    #expect(again.status == 0, "\(again.errors)")
    let point = try #require(try again.object()["point"] as? String)
    try vault.expectRightOrClear((point, content), vault: "small/v", [], "after space was freed")
  }

  @Test(
    "a vault on a disk without a byte left restores",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func noByteLeft() throws {
    let mount = try Mount.small(try makeDirectory("small"), kibibytes: 2048)
    defer { withExtendedLifetime(mount) {} }
    try FileManager.default.copyItem(
      atPath: snapstore.path("v"), toPath: snapstore.path("small/v"))
    let handle = try #require(
      FileManager.default.createFile(atPath: snapstore.path("small/rest"), contents: nil)
        ? FileHandle(forWritingAtPath: snapstore.path("small/rest")) : nil)
    var isFull = false
    while !isFull {
      do {
        try handle.write(contentsOf: Data(repeating: 1, count: 4096))
      } catch {
        isFull = true
      }
    }
    for point in vault.points {
      #expect(try vault.expectRightOrClear(point, vault: "small/v", [], "full"))
    }
    let backup = try snapstore("backup", "--vault", "small/v", "disk.img")
    vault.expectClear(backup, [74], "backup")
  }

  @Test(
    "a disk that is full while restoring: nothing is left there",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func fullTarget() throws {
    let mount = try Mount.small(try makeDirectory("small"), kibibytes: 80)
    defer { withExtendedLifetime(mount) {} }
    let restore = ["restore", "--vault", "v", "--point", "latest", "--to"]
    let result = try snapstore.run(restore + ["small/out"])
    vault.expectClear(result, [74], "restore")
    #expect(result.errors.contains("small/out has not enough space: "), "\(result.errors)")
    #expect(try snapstore.directory.names("small") == [])
    let existing = try snapstore.run(restore + ["small"])
    vault.expectClear(existing, [74], "restore to a directory that is there")
    #expect(try snapstore.directory.names("small") == [])
    // Disks of a few bytes take a page each, so that this is noticed by the third one's write.
    for name in ["a", "b", "c"] { try snapstore.write("\(name).img", [1, 2, 3]) }
    let three = ["backup", "--vault", "v", "--vm", "three", "a.img", "b.img", "c.img"]
    #expect(try snapstore.run(three).status == 0)
    try mount.resize(kibibytes: 8)
    let written = try snapstore.run(restore + ["small/out", "--vm", "three"])
    vault.expectClear(written, [74], "restore")
    #expect(written.errors.contains("hint: free some space"), "\(written.errors)")
    #expect(try snapstore.directory.names("small") == [])
    try mount.resize(kibibytes: 4096)
    #expect(try snapstore.run(restore + ["small/out", "--vm", "disk"]).status == 0)
    #expect(try snapstore.read("small/out/disk.img") == vault.points[1].content)
  }
}
