import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("A restore makes new files and replaces nothing")
struct RestoreTargetTests {
  private let fixture: EngineFixture
  private let directory: String
  private let content = TestContent.mixed(300_000, seed: 8)

  init() throws {
    fixture = try EngineFixture()
    directory = fixture.directory.path
    try fixture.backup(
      try fixture.image("a", content), try fixture.image("b", TestContent.noise(10, seed: 1)))
  }

  /// Everything below the directory but the vault: paths, kinds, sizes, times.
  private func listing() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory)
      .filter { !$0.hasPrefix("vault") }.sorted()
      .map { path in
        let status = try LinuxSystemCalls().status(
          of: "\(directory)/\(path)", in: LinuxSystemCalls().workingDirectory)
        return "\(path) \(status.kind) \(status.byteCount) \(status.inode) \(status.modified)"
      }
  }

  private func expectRefusal(
    to name: String, _ code: DiskError.Code = .cannotCreate,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try listing()
    let error = #expect(throws: DiskError.self, sourceLocation: sourceLocation) {
      try fixture.restore(to: name)
    }
    #expect(error?.code == code, "\(error?.message ?? "")", sourceLocation: sourceLocation)
    #expect(try listing() == before, sourceLocation: sourceLocation)
  }

  @Test("to a directory that does not exist: it appears whole, of mode 0700 and files of 0600")
  func newDirectory() throws {
    _ = try fixture.restore(to: "new")
    #expect(try fixture.restored("a", in: "new") == content)
    let manager = FileManager.default
    #expect(
      try manager.contentsOfDirectory(atPath: "\(directory)/new").sorted() == ["a.img", "b.img"])
    let mode = { (path: String) in
      try manager.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
    }
    #expect(try mode("\(directory)/new") == 0o700)
    #expect(try mode("\(directory)/new/a.img") == 0o600)
    #expect(try listing().allSatisfy { !$0.contains("unfinished") })
  }

  @Test("to a directory that exists, beside what is there")
  func existingDirectory() throws {
    try FileManager.default.createDirectory(
      atPath: "\(directory)/there", withIntermediateDirectories: false)
    try Data([7]).write(to: URL(fileURLWithPath: "\(directory)/there/other.img"))
    _ = try fixture.restore(to: "there")
    #expect(try fixture.restored("a", in: "there") == content)
    #expect(try fixture.restored("other", in: "there") == [7])
    #expect(try listing().allSatisfy { !$0.contains("unfinished") })
  }

  @Test("a trailing slash means the same directory")
  func trailingSlash() throws {
    _ = try fixture.restore(to: "slash//")
    #expect(try fixture.restored("a", in: "slash") == content)
  }

  @Test("a file where the directory should be")
  func fileAsDirectory() throws {
    try Data([1]).write(to: URL(fileURLWithPath: "\(directory)/taken"))
    try expectRefusal(to: "taken")
  }

  @Test("a link to nothing where the directory should be")
  func danglingDirectory() throws {
    try FileManager.default.createSymbolicLink(
      atPath: "\(directory)/taken", withDestinationPath: "\(directory)/nowhere")
    try expectRefusal(to: "taken")
  }

  @Test("a directory inside of the vault", arguments: ["vault/out", "vault/packs"])
  func insideOfVault(path: String) throws {
    let before = try FileManager.default.subpathsOfDirectory(atPath: fixture.vaultPath)
    try expectRefusal(to: path)
    #expect(try FileManager.default.subpathsOfDirectory(atPath: fixture.vaultPath) == before)
  }

  @Test("a missing parent directory")
  func missingParent() throws {
    try expectRefusal(to: "no/such")
  }

  @Test(
    "a file, a directory, a FIFO, a link or a link to nothing under a disk's name",
    arguments: ["file", "directory", "fifo", "link", "dangling"])
  func takenName(kind: String) throws {
    let manager = FileManager.default
    try manager.createDirectory(atPath: "\(directory)/there", withIntermediateDirectories: false)
    let taken = "\(directory)/there/b.img"
    switch kind {
    case "file": try Data([1, 2]).write(to: URL(fileURLWithPath: taken))
    case "directory":
      try manager.createDirectory(atPath: taken, withIntermediateDirectories: false)
    case "fifo": #expect(makeFIFO(taken))
    case "link":
      try manager.createSymbolicLink(
        atPath: taken, withDestinationPath: "\(fixture.vaultPath)/vault")
    default:
      try manager.createSymbolicLink(atPath: taken, withDestinationPath: "/nonexistent/x")
    }
    try expectRefusal(to: "there")
  }

  @Test("a name that is taken while the restore runs takes back what had appeared")
  func takenMeanwhile() throws {
    let manager = FileManager.default
    try manager.createDirectory(atPath: "\(directory)/there", withIntermediateDirectories: false)
    let names = try ["a", "b"].map { try #require(Name($0)) }
    let target = try RestoreTarget("\(directory)/there", names: names, host: fixture.host)
    for name in names { _ = try target.makeDisk(name, byteCount: 10) }
    try Data([9]).write(to: URL(fileURLWithPath: "\(directory)/there/b.img"))
    #expect(throws: DiskError.self) { try target.publish() }
    try target.discard()
    #expect(try manager.contentsOfDirectory(atPath: "\(directory)/there") == ["b.img"])
    #expect(try fixture.restored("b", in: "there") == [9])
  }

  @Test(
    "what takes the new directory's name while the restore runs stays as it was",
    arguments: ["an empty directory", "a directory", "a file", "a link"])
  func directoryTakenMeanwhile(kind: String) throws {
    let manager = FileManager.default
    let path = "\(directory)/new"
    let names = try ["a", "b"].map { try #require(Name($0)) }
    let target = try RestoreTarget(path, names: names, host: fixture.host)
    for name in names { _ = try target.makeDisk(name, byteCount: 10) }
    switch kind {
    case "a file": try Data([9]).write(to: URL(fileURLWithPath: path))
    case "a link": try manager.createSymbolicLink(atPath: path, withDestinationPath: "nowhere")
    default: try manager.createDirectory(atPath: path, withIntermediateDirectories: false)
    }
    if kind == "a directory" { try Data([9]).write(to: URL(fileURLWithPath: "\(path)/mine")) }
    let before = try listing().filter { $0.hasPrefix("new") }
    let error = #expect(throws: DiskError.self) { try target.publish() }
    #expect(error?.code == .cannotCreate)
    try target.discard()
    #expect(try listing().filter { $0.hasPrefix("new") } == before)
    #expect(try listing().allSatisfy { !$0.contains("unfinished") })
  }

  @Test("not enough space is said before anything is written")
  func noSpace() throws {
    let vault = try fixture.vault()
    let point = try PointCatalog(vault).resolve("latest", machine: nil).point
    var huge = point
    huge.disks[0].root = .node(ChunkID(1, 2, 3, 4), dataByteCount: 1 << 60)
    let before = try listing()
    let error = #expect(throws: DiskError.self) {
      try Restore(huge, disks: [], to: "\(directory)/new").run(from: vault)
    }
    #expect(error?.code == .failed)
    #expect(error?.message.contains("not enough space") == true)
    #expect(try listing() == before)
  }

  @Test(
    "a vault that can't be written restores all the same, and says so",
    arguments: [Errno.noSpace, .readOnlyFileSystem, .permissionDenied, .diskQuotaExceeded])
  func vaultWithoutRoom(errno: Errno) throws {
    let fixture = try EngineFixture()
    let content = TestContent.mixed(100_000, seed: 3)
    try fixture.backup(try fixture.image("disk", content))
    fixture.wrap = { FailingStore($0, error: IOError("write", "vault", errno)) { _ in true } }
    let report = try fixture.restore()
    #expect(report.warnings.count == 1)
    #expect(try fixture.restored("disk") == content)
  }

  @Test(
    "to a file system that answers fsync as if the file were not open", arguments: [false, true])
  func badDescriptor(exists: Bool) throws {
    let target = "\(directory)/target"
    let before = try listing()
    let calls = FaultySystemCalls()
    fixture.host = .forTests(calls: calls, clock: SteppingClock())
    var failed: [String] = []
    for number in 1... {
      if exists {
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
      }
      calls.restart(faults: [.at(number, .synchronize, .error(.badFileDescriptor))])
      do {
        _ = try fixture.restore(to: "target")
        #expect(try fixture.restored("a", in: "target") == content)
        guard calls.count(of: .synchronize) >= number else { break }
      } catch let error as IOError {
        #expect(error.errno == .badFileDescriptor)
        failed.append(error.path)
        if !exists, error.path == directory {
          // Only the new directory's name could not be made durable: all in it is.
          #expect(try fixture.restored("a", in: "target") == content)
        } else {
          #expect(try listing().filter { !$0.hasPrefix("target ") } == before, "\(error)")
          if exists { #expect(try fixture.directory.names("target").isEmpty, "\(error)") }
        }
      }
      if FileManager.default.fileExists(atPath: target) {
        try FileManager.default.removeItem(atPath: target)
      }
    }
    #expect(failed.contains { $0.hasPrefix(directory) && !$0.hasPrefix(fixture.vaultPath) })
  }

  @Test(
    "to a file system that has no permissions of its own, such as vfat",
    arguments: [false, true])
  func withoutPermissions(exists: Bool) throws {
    let target = "\(directory)/stick"
    if exists {
      try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    }
    let calls = FaultySystemCalls(faults: [.every(.setMode, .error(.notPermitted))])
    fixture.host = .forTests(calls: calls, clock: SteppingClock())
    _ = try fixture.restore(to: "stick")
    #expect(try fixture.restored("a", in: "stick") == content)
    #expect(calls.count(of: .setMode) > 0)
  }
}
