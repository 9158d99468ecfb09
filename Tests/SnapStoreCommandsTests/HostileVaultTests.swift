import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("A vault that somebody prepared neither hangs a run, nor leads it out, nor fills memory")
struct HostileVaultTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }
  private let manager = FileManager.default

  init() throws {
    vault = try VaultRun(points: 1, byteCount: 50_000)
    try manager.createDirectory(
      atPath: snapstore.path("outside"), withIntermediateDirectories: false)
    try snapstore.write("outside/secret", [1, 2, 3])
  }

  /// What stands in an object's place.
  enum Impostor: String, CaseIterable, Sendable {
    case link, danglingLink, fifo, socket, directory, deviceLink, hugeSparseFile
  }

  private func put(_ impostor: Impostor, at path: String) throws {
    let bytes = try snapstore.read(path)
    try vault.remove(path)
    let full = snapstore.path(path)
    switch impostor {
    case .link:
      // Right content, so that only who refuses the link does not read it.
      try snapstore.write("outside/content", bytes)
      try manager.createSymbolicLink(
        atPath: full, withDestinationPath: snapstore.path("outside/content"))
    case .danglingLink: try manager.createSymbolicLink(atPath: full, withDestinationPath: "none")
    case .fifo: #expect(makeFIFO(full))
    case .socket: #expect(makeSocket(full))
    case .directory:
      try manager.createDirectory(atPath: full, withIntermediateDirectories: false)
    case .deviceLink:
      try manager.createSymbolicLink(atPath: full, withDestinationPath: "/dev/zero")
    case .hugeSparseFile:
      try snapstore.write(path, bytes)
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: full))
      try handle.truncate(atOffset: 1 << 40)
      try handle.close()
    }
  }

  /// Runs every command, none of which may hang or be killed, and checks that nothing outside of
  /// the vault came or went.
  private func runAll(_ comment: String, restores: Bool) throws {
    let outside = try snapstore.directory.names("outside")
    for command in [["points"], ["show", "latest"], ["vault", "info"], ["verify"]] {
      let result = try snapstore.run(command + ["--vault", "v"])
      #expect([0, 65].contains(result.status), "\(comment): \(result.errors)")
    }
    let isRight = try vault.expectRightOrClear(vault.points[0], vault: "v", [65], comment)
    #expect(isRight == restores, "\(comment)")
    let backup = try snapstore("backup", "--vault", "v", "disk.img")
    vault.expectClear(backup, [0, 65], "backup, \(comment)")
    #expect(try snapstore.directory.names("outside") == outside, "\(comment)")
    #expect(try snapstore.read("outside/secret") == [1, 2, 3])
    #expect(try !snapstore.directory.names().contains("none"))
  }

  @Test("in the place of any object", .timeLimit(.minutes(5)), arguments: Impostor.allCases)
  func objects(impostor: Impostor) throws {
    var paths = ["v/vault"]
    for folder in ["packs", "index", "points", "sessions", "outcomes"] {
      paths.append(try #require(try vault.objects(folder).first))
    }
    for path in paths {
      try vault.copyVault(to: "aside")
      try put(impostor, at: path)
      // One of two packs has the chunks, of which there is no other copy; a pack that has bytes
      // behind its end still gives its records.
      let isNeeded = path.hasPrefix("v/packs/") && impostor != .hugeSparseFile
      try runAll("\(impostor) at \(path)", restores: !isNeeded)
      try vault.remove("v")
      try manager.moveItem(atPath: snapstore.path("aside"), toPath: snapstore.path("v"))
    }
  }

  @Test("in the place of a folder", .timeLimit(.minutes(5)))
  func folders() throws {
    for folder in ["packs", "index", "points", "sessions", "outcomes", "unfinished"] {
      for isLink in [true, false] {
        try vault.copyVault(to: "aside")
        try vault.remove("v/\(folder)")
        if isLink {
          try manager.createSymbolicLink(
            atPath: snapstore.path("v/\(folder)"), withDestinationPath: snapstore.path("outside"))
        } else {
          #expect(makeFIFO(snapstore.path("v/\(folder)")))
        }
        try runAll(
          "\(isLink ? "link" : "FIFO") as \(folder)",
          // Without outcomes, points are there for who names them.
          restores: !["packs", "points"].contains(folder))
        try vault.remove("v")
        try manager.moveItem(atPath: snapstore.path("aside"), toPath: snapstore.path("v"))
      }
    }
  }

  @Test("names that are none are passed over, links and FIFOs among them")
  func strangeNames() throws {
    for folder in ["packs", "index", "points", "sessions", "outcomes", "unfinished"] {
      for name in [
        " ", ".hidden", "x", "x-00000001", "ä", "a\nb", String(repeating: "9", count: 200),
      ] {
        try snapstore.write("v/\(folder)/\(name)", [0])
      }
      #expect(makeFIFO(snapstore.path("v/\(folder)/fifo")))
      try manager.createSymbolicLink(
        atPath: snapstore.path("v/\(folder)/link"), withDestinationPath: "/dev/zero")
    }
    #expect(try vault.expectRightOrClear(vault.points[0], vault: "v", [], "strange names"))
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    #expect(try snapstore("vault", "info", "--vault", "v").status == 0)
  }
}
