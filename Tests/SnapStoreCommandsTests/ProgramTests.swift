import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("The program, as people use it")
struct ProgramTests {
  private let snapstore: ProgramRun
  private let content = SeededRandomness(seed: 6).bytes(700_001)

  init() throws {
    snapstore = try ProgramRun()
    try snapstore.write("disk.img", content)
  }

  @Test("alone it prints help and ends well")
  func alone() throws {
    let result = try snapstore()
    #expect(result.status == 0)
    #expect(result.output.contains("SUBCOMMANDS:"))
    #expect(result.errors.isEmpty)
  }

  @Test func version() throws {
    let result = try snapstore("--version")
    #expect(result.status == 0)
    #expect(result.output.hasPrefix("snapstore "))
  }

  @Test("backup and restore work with no set-up; the default vault is made, and said to be")
  func noSetUp() throws {
    let backup = try snapstore("backup", "disk.img")
    #expect(backup.status == 0, "\(backup.errors)")
    let vault = "\(snapstore.directory.path)/.local/share/snapstore/vault"
    #expect(backup.errors.contains("made a vault at \(vault)"))
    let again = try snapstore("backup", "disk.img")
    #expect(again.errors.isEmpty)
    let restore = try snapstore("restore", "--point", "latest", "--json")
    #expect(restore.status == 0, "\(restore.errors)")
    let summary = try restore.object()
    let point = try #require(summary["point"] as? String)
    #expect(try snapstore.read("disk-\(point)/disk.img") == content)
  }

  @Test("the default vault follows XDG_DATA_HOME, SNAPSTORE_VAULT and --vault, the last first")
  func vaultPlaces() throws {
    let xdg = ["XDG_DATA_HOME": "\(snapstore.directory.path)/xdg"]
    #expect(try snapstore("backup", "disk.img", environment: xdg).status == 0)
    #expect(try snapstore("vault", "info", "--vault", "xdg/snapstore/vault").status == 0)
    let named = ["SNAPSTORE_VAULT": "named"]
    let missing = try snapstore("backup", "disk.img", environment: named)
    #expect(missing.status == 66)
    #expect(missing.errors.contains("hint: make it with: snapstore vault create PATH"))
    #expect(try snapstore("vault", "create", "named").status == 0)
    #expect(try snapstore("backup", "disk.img", environment: named).status == 0)
    #expect(try snapstore("vault", "create", "other").status == 0)
    let points = try snapstore("points", "--vault", "other", "--json", environment: named)
    #expect(points.output == "[]\n")
  }

  @Test("backup's JSON has the fields that scripts rely on")
  func backupFields() throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    let result = try snapstore(
      "backup", "--vault", "v", "--vm", "web", "--os-disk", "root=disk.img", "--json")
    let summary = try result.object()
    #expect(
      Set(summary.keys) == [
        "type", "point", "vm", "vault", "parent", "sequence", "consistency", "disks", "size_bytes",
        "read_bytes", "hole_bytes", "new_bytes", "stored_bytes", "reused_bytes", "warnings",
        "seconds", "signals", "changes",
      ])
    #expect(summary["type"] as? String == "summary")
    #expect(summary["vm"] as? String == "web")
    #expect(summary["parent"] is NSNull)
    #expect(summary["sequence"] as? Int == 1)
    #expect(summary["consistency"] as? String == "crash")
    #expect(summary["size_bytes"] as? Int == content.count)
    let disk = try #require((summary["disks"] as? [[String: Any]])?.first)
    #expect(
      Set(disk.keys).isSuperset(of: [
        "name", "role", "size_bytes", "read_bytes", "hole_bytes", "new_bytes", "stored_bytes",
      ]))
    #expect(disk["name"] as? String == "root")
    #expect(disk["role"] as? String == "os")
    #expect(disk["new_bytes"] as? Int == content.count)
  }

  @Test("restore's, points', show's and info's JSON have the fields that scripts rely on")
  func otherFields() throws {
    #expect(try snapstore("vault", "create", "v", "--region", "north").status == 0)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let restore = try snapstore(
      "restore", "--vault", "v", "--point", "latest", "--to", "out", "--json"
    ).object()
    #expect(
      Set(restore.keys).isSuperset(of: ["type", "point", "files", "written_bytes", "seconds"]))
    let file = try #require((restore["files"] as? [[String: Any]])?.first)
    #expect(Set(file.keys) == ["disk", "path", "size_bytes"])
    #expect(try snapstore.read("out/disk.img") == content)

    let points = try snapstore("points", "--vault", "v", "--json").json()
    let point = try #require((points.first as? [[String: Any]])?.first)
    #expect(points.count == 1)
    #expect(
      Set(point.keys) == [
        "point", "vm", "sequence", "parent", "time", "consistency", "disks", "size_bytes",
        "new_bytes", "pinned", "deleted", "verified_at", "lossy",
        "clock_suspect", "suspect",
      ])
    #expect(point["disks"] as? Int == 1)

    let show = try snapstore("show", "--vault", "v", "latest", "--json").object()
    #expect((show["hash"] as? String)?.count == 64)
    let info = try snapstore("vault", "info", "--vault", "v", "--json").object()
    #expect(
      Set(info.keys).isSuperset(of: [
        "vault", "format", "region", "chunk_hash", "compression", "chunking", "parity", "machines",
        "points", "chunks", "unique_bytes", "stored_bytes", "packs", "index_segments",
      ]))
    #expect(info["region"] as? String == "north")
    #expect(info["chunk_hash"] as? String == "sha256-tree16k")
  }

  @Test("a vault is made as the options say")
  func vaultOptions() throws {
    let options = [
      "--chunk-hash", "xxh3-128", "--compression", "zstd:7", "--chunking", "fixed:64K",
    ]
    #expect(try snapstore.run(["vault", "create", "v"] + options).status == 0)
    let info = try snapstore("vault", "info", "--vault", "v", "--json").object()
    #expect(info["chunk_hash"] as? String == "xxh3-128")
    #expect(info["compression"] as? String == "zstd:7")
    #expect(info["chunking"] as? String == "fixed:65536")
  }

  @Test("a backup may have a compression of its own; the vault then says that it has that codec")
  func ownCompression() throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    let backup = ["backup", "--vault", "v", "disk.img"]
    #expect(try snapstore.run(backup).status == 0)
    let feature = snapstore.path("v/features/zstd")
    #expect(!FileManager.default.fileExists(atPath: feature))
    #expect(try snapstore.run(backup + ["--compression", "zstd"]).status == 0)
    #expect(FileManager.default.fileExists(atPath: feature))
  }

  /// The linker tells of each function of a library when it is called for the first time.
  @Test("what was compressed is decoded and compared, unless --no-verify-writes is given")
  func writesAreVerified() throws {
    try snapstore.write("text.img", (0..<200_000).map { UInt8($0 % 7) })
    for (more, isVerified) in [([], true), (["--no-verify-writes"], false)] {
      #expect(try snapstore("vault", "create", "v").status == 0)
      let backup = try snapstore.run(
        ["backup", "--vault", "v", "text.img"] + more, environment: ["LD_DEBUG": "bindings"])
      #expect(backup.status == 0)
      #expect(backup.errors.contains("`LZ4_compress_default'"), "\(backup.errors)")
      #expect(backup.errors.contains("`LZ4_decompress_safe'") == isVerified)
      try snapstore.remove("v")
    }
  }

  @Test("for people: aligned tables and a summary")
  func tables() throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    let none = try snapstore("points", "--vault", "v")
    #expect(none.output == "No recovery points in v\n")
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let lines = try snapstore("points", "--vault", "v").output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.hasPrefix("POINT ") == true)
    let show = try snapstore("show", "--vault", "v", "latest").output
    #expect(show.contains("Hash:") && show.contains("/disk.img"))
    #expect(try snapstore("vault", "info", "--vault", "v").output.contains("Points:       1"))
  }

  @Test(
    "wrong usage is said in a sentence, with exit code 64",
    arguments: [
      ["backup"], ["backup", "--unknown"], ["frobnicate"], ["restore"],
      ["backup", "disk.img", "--memory", "1M"], ["backup", "disk.img", "--memory", "much"],
      ["backup", "disk.img", "--jobs", "0"], ["backup", "bad name=x/.img"], ["backup", "x="],
      ["backup", "--vm", "bad/name", "disk.img"], ["backup", "disk.img", "disk.img"],
      ["backup", "--os-disk", "a=disk.img", "--os-disk", "b=disk.img"],
      ["vault", "create", "v", "--parity", "10"],
      ["vault", "create", "v", "--chunking", "fixed:7"],
      ["points", "--pinned"],
    ])
  func wrongUsage(arguments: [String]) throws {
    let process = try snapstore.run(arguments)
    #expect(process.status == 64, "\(process.errors)")
    #expect(process.errors.hasPrefix("snapstore: error: "), "\(process.errors)")
    let json = try snapstore.run(arguments + ["--json"])
    let error = try json.object()
    #expect(Set(error.keys) == ["type", "code", "message", "hint"])
    #expect(error["type"] as? String == "error")
    #expect(error["code"] as? Int == 64)
  }

  @Test("what is missing has exit code 66, what exists 73")
  func missingAndExisting() throws {
    #expect(try snapstore("points").status == 66)
    #expect(try snapstore("points", "--vault", "disk.img").status == 66)
    #expect(try snapstore("backup", "none.img").status == 66)
    #expect(!FileManager.default.fileExists(atPath: "\(snapstore.directory.path)/.local"))
    #expect(try snapstore("vault", "create", "v").status == 0)
    let again = try snapstore("vault", "create", "v")
    #expect(again.status == 73)
    #expect(try snapstore("vault", "create", "disk.img").status == 73)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    #expect(try snapstore("restore", "--vault", "v", "--point", "1999").status == 66)
    let restore = ["restore", "--vault", "v", "--point", "latest", "--to", "out"]
    #expect(try snapstore.run(restore).status == 0)
    let second = try snapstore.run(restore)
    #expect(second.status == 73)
    #expect(second.errors.contains("a restore never replaces anything"))
  }

  @Test("damage has exit code 65 and names disk and range")
  func damage() throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let packs = try FileManager.default.contentsOfDirectory(
      atPath: "\(snapstore.directory.path)/v/packs")
    for pack in packs {
      var bytes = try snapstore.read("v/packs/\(pack)")
      for offset in stride(from: 300, to: bytes.count, by: 500) { bytes[offset] ^= 0x55 }
      try snapstore.write("v/packs/\(pack)", bytes)
    }
    let result = try snapstore("restore", "--vault", "v", "--point", "latest", "--to", "out")
    #expect(result.status == 65)
    #expect(result.errors.contains("disk disk, bytes 0 to 700001"))
    #expect(!FileManager.default.fileExists(atPath: "\(snapstore.directory.path)/out"))
  }

  @Test("a path with = in it, and a name before the first one")
  func equals() throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    try snapstore.write("a=b.img", [1, 2, 3])
    let plain = try snapstore("backup", "--vault", "v", "./a=b.img", "--json")
    #expect(plain.status == 64, "a=b is no name: \(plain.errors)")
    let named = try snapstore("backup", "--vault", "v", "x=a=b.img", "--json")
    #expect(named.status == 0, "\(named.errors)")
  }
}
