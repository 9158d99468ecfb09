import Foundation
import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite("Wrong input is said in a sentence")
struct BadInputTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }
  private static let readers: [[String]] = [
    ["points"], ["show", "latest"], ["vault", "info"], ["restore", "--point", "latest"],
    ["backup", "disk.img"],
  ]

  init() throws {
    vault = try VaultRun(points: 1, byteCount: 50_000)
  }

  private func expect(
    _ arguments: [String], _ code: Int32, _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try snapstore.run(arguments)
    vault.expectClear(result, [code], "\(arguments)", sourceLocation: sourceLocation)
    #expect(result.errors.contains(text), "\(result.errors)", sourceLocation: sourceLocation)
    #expect(!result.errors.contains("\u{1B}"), sourceLocation: sourceLocation)
    #expect(result.output.isEmpty, sourceLocation: sourceLocation)
  }

  @Test("a vault that is not there, is a file, is something else, or is empty", arguments: readers)
  func noVault(command: [String]) throws {
    try expect(command + ["--vault", "none"], 66, "there is nothing at")
    try snapstore.write("file", [1])
    try expect(command + ["--vault", "file"], 66, "is not a directory")
    try FileManager.default.createDirectory(
      atPath: snapstore.path("other/packs"), withIntermediateDirectories: true)
    try snapstore.write("other/notes.txt", [1])
    try expect(command + ["--vault", "other"], 66, "is not a snapstore vault")
    #expect(try snapstore.directory.names("other") == ["notes.txt", "packs"], "nothing was made")
  }

  @Test("a vault of a later version, or with a feature that this program lacks", arguments: readers)
  func newerVault(command: [String]) throws {
    // Without points, which have a copy of the descriptor.
    for (offset, text) in [(12, "format version"), (16, "features")] {
      let name = "newer\(offset)"
      #expect(try snapstore("vault", "create", name).status == 0)
      let bytes = try snapstore.read("\(name)/vault")
      try snapstore.write("\(name)/vault", asNewer(bytes, at: offset))
      try expect(command + ["--vault", name], 66, text)
      try expect(command + ["--vault", name], 66, "hint: use a newer snapstore")
    }
    try FileManager.default.createDirectory(
      atPath: snapstore.path("v/features"), withIntermediateDirectories: false)
    try snapstore.write("v/features/parity", [1])
    try expect(command + ["--vault", "v"], 66, "a feature that this program does not know: parity")
  }

  @Test("a point of which nothing begins so, or two do")
  func points() throws {
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    for command in [["show"], ["restore", "--point"]] {
      try expect(command + ["1999", "--vault", "v"], 66, "there is no recovery point 1999")
      try expect(command + ["2", "--vault", "v"], 64, "is the beginning of 2 recovery points")
      try expect(command + ["../v", "--vault", "v"], 66, "there is no recovery point")
      try expect(command + ["latest", "--vault", "v", "--vm", "who"], 66, "a machine named who")
      let beginning = String(vault.points[0].id.dropLast(1))
      #expect(try snapstore.run(["show", beginning, "--vault", "v"]).status == 0)
    }
    #expect(try snapstore("backup", "--vault", "v", "--vm", "b", "disk.img").status == 0)
    try expect(
      ["restore", "--point", "latest", "--vault", "v"], 64, "the vault has points of 2 machines")
    try expect(
      ["restore", "--vault", "v", "--point", "latest", "--vm", "b", "--disk", "none"], 66, "none")
  }

  @Test("17 data disks, a name twice, a disk twice, names that are none")
  func disks() throws {
    let names = (1...17).map { "d\($0)=d\($0).img" }
    for number in 1...17 { try snapstore.write("d\(number).img", [UInt8(number)]) }
    try expect(["backup", "--vault", "v"] + names, 64, "17 data")
    #expect(try snapstore.run(["backup", "--vault", "v"] + names.dropLast()).status == 0)
    try expect(["backup", "--vault", "v", "a=d1.img", "a=d2.img"], 64, "two disks are named a")
    try expect(["backup", "--vault", "v", "a=d1.img", "b=d1.img"], 64, "are the same")
    for name in ["..", "-", "a b", "a/b", "ä", String(repeating: "x", count: 65), "a\u{1b}[0m"] {
      try expect(["backup", "--vault", "v", "--vm", name, "d1.img"], 64, "can't be a name")
    }
    try snapstore.write(".img", [1])
    try expect(["backup", "--vault", "v", ".img"], 64, "can't be a disk's name")
    try expect(["backup", "--vault", "v", "x=none.img"], 66, "there is nothing at none.img")
    try expect(["backup", "--vault", "v", "v/vault"], 66, "inside of the vault")
  }

  @Test("what a path or a vault says does not move a terminal's cursor")
  func controlCharacters() throws {
    let text = "a\u{1B}[2J"
    try snapstore.write(text, [1])
    let backup = ["backup", "--vault", "v", "--vm", "m", "x=\(text)"]
    #expect(try snapstore.run(backup).status == 0)
    try snapstore.remove(text)
    try expect(backup, 66, #"there is nothing at a\u{1B}[2J"#)
    let vaultBytes = try snapstore.read("v/vault")
    var descriptor = try VaultDescriptor(decoding: vaultBytes.rawSpan)
    descriptor.region = text
    try snapstore.write("v/vault", descriptor.encoded())
    let path = "v/points/\(vault.points[0].id)"
    let pointBytes = try snapstore.read("\(path).1")
    var point = try RecoveryPoint(decoding: pointBytes.rawSpan)
    point.evidence = text
    for copy in 1...2 { try snapstore.write("\(path).\(copy)", point.encoded()) }
    for command in [
      ["show", "latest", "--vm", "m"], ["show", vault.points[0].id], ["jobs"], ["vault", "info"],
    ] {
      let result = try snapstore.run(command + ["--vault", "v"])
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.output.contains(#"a\u{1B}[2J"#), "\(result.output)")
      #expect(!result.output.contains("\u{1B}"), "\(command)")
    }
  }

  @Test("a restore to what exists: a file, a directory with the file, a link to nothing")
  func targets() throws {
    let restore = ["restore", "--vault", "v", "--point", "latest", "--to"]
    try snapstore.write("file", [7])
    try expect(restore + ["file"], 73, "file")
    #expect(try snapstore.read("file") == [7])
    try FileManager.default.createDirectory(
      atPath: snapstore.path("full"), withIntermediateDirectories: false)
    try snapstore.write("full/disk.img", [8])
    try expect(restore + ["full"], 73, "full/disk.img")
    #expect(try snapstore.read("full/disk.img") == [8])
    #expect(try snapstore.directory.names("full") == ["disk.img"])
    try FileManager.default.createSymbolicLink(
      atPath: snapstore.path("dangling"), withDestinationPath: "nowhere")
    try expect(restore + ["dangling"], 73, "dangling")
    #expect(!FileManager.default.fileExists(atPath: snapstore.path("nowhere")))
    try FileManager.default.removeItem(atPath: snapstore.path("full/disk.img"))
    try FileManager.default.createSymbolicLink(
      atPath: snapstore.path("full/disk.img"), withDestinationPath: "../nowhere")
    try expect(restore + ["full"], 73, "full/disk.img")
    #expect(!FileManager.default.fileExists(atPath: snapstore.path("nowhere")))
  }

  @Test("a name that no file can have, a link to nothing or in a circle, and the root as a file")
  func impossibleTargets() throws {
    let long = String(repeating: "x", count: 256)
    try expect(["points", "--vault", long], 66, "File name too long")
    try expect(["vault", "create", long], 73, "File name too long")
    try expect(
      ["restore", "--vault", "v", "--point", "latest", "--to", long], 73, "File name too long")
    for (link, target) in [("dangling", "nowhere"), ("circle", "circle")] {
      try FileManager.default.createSymbolicLink(
        atPath: snapstore.path(link), withDestinationPath: target)
      try expect(["vault", "create", link], 73, link)
    }
    let metrics = ["metrics", "--vault", "v", "--output"]
    try expect(metrics + [long], 73, "longer than 255 bytes")
    try expect(metrics + ["/"], 73, "/ is a directory")
    let longest = String(long.dropLast())
    #expect(try snapstore.run(metrics + [longest]).status == 0)
    #expect(try !snapstore.read(longest).isEmpty)
  }

  /// A list says by its exit code what becomes of the rest: 65 only where something is damaged.
  @Test("what a newer program wrote is not damaged", arguments: ["points", "outcomes", "jobs"])
  func newerObjects(folder: String) throws {
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let objects = try vault.objects(folder)
    for object in objects { try snapstore.write(object, asNewer(try snapstore.read(object))) }
    let list = [folder == "jobs" ? "jobs" : "points", "--vault", "v"]
    let newer = try snapstore.run(list)
    #expect(newer.status == 66, "\(newer.errors)")
    if folder != "jobs" {
      let restore = ["restore", "--vault", "v", "--point", vault.points[0].id]
      try expect(restore, 66, "was made by a newer program: \(folder)/")
    }
    let first = objects.filter { $0.hasPrefix(objects[0].prefix { $0 != "." }) }
    // Of outcomes all: which one comes first is chance, and what another point follows is there.
    for object in folder == "outcomes" ? objects : first {
      var bytes = try snapstore.read(object)
      bytes[12] ^= 0x40
      try snapstore.write(object, bytes)
    }
    let damaged = try snapstore.run(list)
    #expect(damaged.status == 65, "\(damaged.errors)")
  }
}
