import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Deleting points and freeing space")
struct CollectProgramTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }

  init() throws {
    vault = try VaultRun(points: 3)
  }

  private func run(_ arguments: String...) throws -> ProgramRun.Result {
    try snapstore.run(arguments + ["--vault", "v"])
  }

  private func listed(_ more: String...) throws -> [String] {
    let list = try snapstore.run(["points", "--vault", "v", "--json"] + more).json().first
    return try #require(list as? [[String: Any]]).compactMap { $0["point"] as? String }
  }

  @Test("a deleted point is hidden, says how it comes back, and comes back")
  func deleteAndUndelete() throws {
    let ids = vault.points.map(\.id)
    let last = ids[2]
    let deleted = try run("point", "delete", last, "--json")
    #expect(deleted.status == 0, "\(deleted.errors)")
    let fields = try deleted.object()
    #expect(fields["final"] as? Bool == false && fields["undelete_until"] is String)
    #expect(try listed() == Array(ids.prefix(2)))
    #expect(try listed("--deleted") == [last])
    for command in [["show", last], ["restore", "--point", last, "--to", "out"]] {
      let result = try snapstore.run(command + ["--vault", "v"])
      vault.expectClear(result, [66], "\(command)")
      #expect(result.errors.contains("is deleted"), "\(result.errors)")
      #expect(result.errors.contains("snapstore point undelete \(last)"), "\(result.errors)")
    }
    // The latest is the one before, and a backup leans on that.
    #expect(try run("show", "latest", "--json").object()["point"] as? String == ids[1])
    let next = try snapstore("backup", "--vault", "v", "disk.img", "--json").object()
    #expect(next["parent"] as? String == ids[1] && next["sequence"] as? Int == 4)
    #expect(try run("point", "undelete", last).status == 0)
    #expect(try listed("--deleted") == [])
    try vault.expectRightOrClear(vault.points[2], vault: "v", [], "undeleted")
    #expect(try run("verify").status == 0)
  }

  @Test("--now --yes deletes for ever, and collect frees the space")
  func deleteForEver() throws {
    let ids = vault.points.map(\.id)
    #expect(try run("point", "delete", ids[0], "--now", "--yes").status == 0)
    vault.expectClear(try run("point", "undelete", ids[0]), [66], "undelete")
    let dry = try run("collect", "--dry-run", "--json").object()
    #expect(try #require(dry["freed_bytes"] as? Int) > 100_000)
    #expect(dry["dry_run"] as? Bool == true)
    let before = try vault.objects("packs")
    let done = try run("collect", "--max-dead", "0", "--json").object()
    let names = [
      "copied_bytes", "dead_bytes", "deleted_packs", "deleted_points", "dry_run", "freed_bytes",
      "live_bytes", "seconds", "type", "waiting_bytes", "waiting_for", "warnings",
    ]
    #expect(done.keys.sorted() == names)
    #expect(done["deleted_points"] as? Int == 1 && done["dead_bytes"] as? Int == 0)
    #expect(try #require(done["freed_bytes"] as? Int) > 100_000)
    #expect(try vault.objects("packs") != before)
    for point in vault.points.dropFirst() {
      try vault.expectRightOrClear(point, vault: "v", [], "after collect")
    }
    #expect(try run("verify").status == 0)
    let text = try run("collect")
    #expect(text.status == 0 && text.output.contains("\n0 packs deleted, 0 B"), "\(text.output)")
  }

  @Test("what is of no use may stay where --max-dead allows it")
  func maximumDead() throws {
    #expect(try run("point", "delete", vault.points[0].id, "--now", "--yes").status == 0)
    let tolerant = try run("collect", "--max-dead", "50", "--json").object()
    #expect(tolerant["copied_bytes"] as? Int == 0)
    #expect(try #require(tolerant["dead_bytes"] as? Int) > 100_000)
    let strict = try run("collect", "--max-dead", "0", "--json").object()
    #expect(try #require(strict["copied_bytes"] as? Int) > 0)
    #expect(strict["dead_bytes"] as? Int == 0)
  }

  @Test("wrong use is said in a sentence")
  func wrongUse() throws {
    let id = vault.points[0].id
    let cases: [([String], Int32)] = [
      (["point", "delete", "latest"], 64), (["point", "delete", id, "--now"], 64),
      (["point", "delete", id, "--yes"], 64), (["point", "delete", "3026"], 66),
      (["point", "undelete", id], 66), (["collect", "--max-dead", "101"], 64),
      (["collect", "--max-dead", "-1"], 64),
    ]
    for (arguments, status) in cases {
      let result = try snapstore.run(arguments + ["--vault", "v"])
      vault.expectClear(result, [status], "\(arguments)")
    }
    vault.expectClear(try run("point", "delete", String(id.prefix(4))), [64], "ambiguous")
    #expect(try listed().count == 3)
  }

  @Test(
    "a vault on a disk without an inode left can be emptied, and works again",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func noInodes() throws {
    try FileManager.default.createDirectory(
      atPath: snapstore.path("few"), withIntermediateDirectories: false)
    let mount = try Mount.small(snapstore.path("few"), kibibytes: 64 << 10, inodes: 90)
    defer { withExtendedLifetime(mount) {} }
    #expect(try snapstore("vault", "create", "few/v").status == 0)
    var points: [String] = []
    for number in 0... {
      try snapstore.write("a.img", SeededRandomness(seed: UInt64(number)).bytes(8192))
      let backup = try snapstore("backup", "--vault", "few/v", "a.img", "--json")
      guard backup.status == 0 else {
        vault.expectClear(backup, [74], "no inode left")
        break
      }
      points.append(try #require(try backup.object()["point"] as? String))
    }
    for point in points.prefix(2) {
      let delete = try snapstore("point", "delete", "--vault", "few/v", point, "--now", "--yes")
      #expect(delete.status == 0, "\(delete.errors)")
    }
    let collect = try snapstore("collect", "--vault", "few/v")
    #expect(collect.status == 0, "\(collect.errors)")
    #expect(try snapstore("backup", "--vault", "few/v", "a.img").status == 0)
    #expect(try snapstore("verify", "--vault", "few/v").status == 0)
  }

  @Test(
    "a vault on a disk without a byte left can be emptied, and works again",
    .enabled(if: Privileges.canMount, Privileges.mountReason))
  func fullDisk() throws {
    try FileManager.default.createDirectory(
      atPath: snapstore.path("small"), withIntermediateDirectories: false)
    let mount = try Mount.small(snapstore.path("small"), kibibytes: 24 << 10)
    defer { withExtendedLifetime(mount) {} }
    #expect(try snapstore("vault", "create", "small/v").status == 0)
    #expect(FileManager.default.fileExists(atPath: snapstore.path("small/v/reserve")))
    var points: [String] = []
    for name in ["a", "b"] {
      try snapstore.write(
        "\(name).img", SeededRandomness(seed: UInt64(name.utf8.first ?? 0)).bytes(6_000_000))
      let backup = try snapstore("backup", "--vault", "small/v", "\(name).img", "--json").object()
      points.append(try #require(backup["point"] as? String))
    }
    try fill("small/rest")
    try snapstore.write("c.img", SeededRandomness(seed: 3).bytes(5_000_000))
    vault.expectClear(
      try snapstore("backup", "--vault", "small/v", "c.img"), [74], "backup on a full disk")
    let delete = try snapstore(
      "point", "delete", "--vault", "small/v", points[0], "--now", "--yes")
    #expect(delete.status == 0, "\(delete.errors)")
    try fill("small/rest")
    let collect = try snapstore("collect", "--vault", "small/v", "--json")
    #expect(collect.status == 0, "\(collect.errors)")
    #expect(FileManager.default.fileExists(atPath: snapstore.path("small/v/reserve")))
    try snapstore.remove("small/v/reserve")
    let backup = try snapstore("backup", "--vault", "small/v", "c.img")
    #expect(backup.status == 0, "\(backup.errors)")
    #expect(try snapstore("verify", "--vault", "small/v").status == 0)
    let restore = try snapstore(
      "restore", "--vault", "small/v", "--point", points[1], "--to", "out", "--quiet")
    #expect(restore.status == 0 && snapstore.areSame("out/b.img", "b.img"))
  }

  /// Takes all room that is left.
  private func fill(_ name: String) throws {
    let path = snapstore.path(name)
    if !FileManager.default.fileExists(atPath: path) {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
    }
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    do {
      while true { try handle.write(contentsOf: Data(repeating: 1, count: 4096)) }
    } catch {
      // It is full.
    }
    try handle.close()
  }
}
