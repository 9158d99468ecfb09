import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite("What can't be a disk is refused before anything is read")
struct SourceTests {
  private let fixture: EngineFixture
  private let directory: String

  init() throws {
    fixture = try EngineFixture()
    directory = fixture.directory.path
  }

  private func open(_ paths: [String], role: DiskRole = .data) throws -> [SourceDisk] {
    let disks = try paths.enumerated().map {
      Backup.DiskRequest(name: try #require(Name("d\($0)")), role: role, path: $1)
    }
    return try Backup(machine: try #require(Name("vm")), disks: disks)
      .openSources(vaultPath: fixture.vaultPath, host: fixture.host)
  }

  private func expectRefusal(
    _ paths: [String], _ code: DiskError.Code, _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: DiskError.self, sourceLocation: sourceLocation) {
      try open(paths)
    }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    #expect(
      error?.message.contains(text) == true, "\(error?.message ?? "")",
      sourceLocation: sourceLocation)
  }

  @Test func missing() {
    expectRefusal(["\(directory)/none"], .unsuitable, "there is nothing at")
  }

  @Test func directoryAsDisk() {
    expectRefusal([directory], .unsuitable, "is a directory")
  }

  @Test("a FIFO does not hang", .timeLimit(.minutes(1)))
  func fifo() {
    #expect(makeFIFO("\(directory)/fifo"))
    expectRefusal(["\(directory)/fifo"], .unsuitable, "is a FIFO")
  }

  @Test func characterDevice() {
    expectRefusal(["/dev/null"], .unsuitable, "is a character device")
  }

  @Test func linkLoop() throws {
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: "\(directory)/one", withDestinationPath: "\(directory)/two")
    try manager.createSymbolicLink(
      atPath: "\(directory)/two", withDestinationPath: "\(directory)/one")
    expectRefusal(["\(directory)/one"], .unsuitable, "lead in a circle")
  }

  @Test("a link to a disk is the disk")
  func link() throws {
    let path = try fixture.image("real", [1, 2, 3])
    try FileManager.default.createSymbolicLink(
      atPath: "\(directory)/link", withDestinationPath: path)
    #expect(try open(["\(directory)/link"]).map(\.byteCount) == [3])
  }

  @Test("one disk under two names: the same path, a hard link, a symbolic link")
  func sameDisk() throws {
    let path = try fixture.image("real", [1, 2, 3])
    try FileManager.default.linkItem(atPath: path, toPath: "\(directory)/hard")
    try FileManager.default.createSymbolicLink(
      atPath: "\(directory)/soft", withDestinationPath: path)
    expectRefusal([path, path], .misuse, "are the same")
    expectRefusal([path, "\(directory)/hard"], .misuse, "are the same")
    expectRefusal(["\(directory)/soft", path], .misuse, "are the same")
  }

  @Test("a file of the vault itself, also through a link")
  func insideVault() throws {
    expectRefusal(["\(fixture.vaultPath)/vault"], .unsuitable, "inside of the vault")
    try FileManager.default.createSymbolicLink(
      atPath: "\(directory)/door", withDestinationPath: fixture.vaultPath)
    expectRefusal(["\(directory)/door/vault"], .unsuitable, "inside of the vault")
  }

  @Test("a folder whose name begins like the vault's is not inside of it")
  func besideVault() throws {
    let path = try fixture.image("vaultier", [1])
    #expect(try open([path]).count == 1)
  }

  @Test("seventeen data disks, or two OS disks")
  func tooMany() throws {
    let paths = try (0..<17).map { try fixture.image("d\($0)", [UInt8($0)]) }
    expectRefusal(paths, .misuse, "17 data")
    #expect(try open(Array(paths.prefix(16))).count == 16)
    #expect(throws: DiskError.self) { try open(Array(paths.prefix(2)), role: .os) }
  }

  @Test("two disks of one name")
  func sameName() throws {
    let name = try #require(Name("disk"))
    let disks = [
      Backup.DiskRequest(name: name, role: .data, path: try fixture.image("a", [1])),
      Backup.DiskRequest(name: name, role: .data, path: try fixture.image("b", [2])),
    ]
    let error = #expect(throws: DiskError.self) {
      try Backup(machine: name, disks: disks).openSources(vaultPath: nil, host: fixture.host)
    }
    #expect(error?.code == .misuse)
  }

  @Test("one time of a file that changes is enough to know that it was not left alone")
  func stable() throws {
    let calls = FaultySystemCalls()
    let fixture = try EngineFixture(calls: calls)
    let name = try #require(Name("disk"))
    let disk = Backup.DiskRequest(
      name: name, role: .data, path: try fixture.image("disk", [1, 2, 3]))
    let sources = try Backup(machine: name, disks: [disk])
      .openSources(vaultPath: fixture.vaultPath, host: fixture.host)
    #expect(try sources[0].wasStable())
    for effect in [Fault.Effect.modified(FileTime(seconds: 5)), .changed(FileTime(seconds: 5))] {
      calls.restart(faults: [.every(.status, effect)])
      #expect(try !sources[0].wasStable(), "\(effect)")
    }
  }

  /// As a file system of a user's own may answer.
  @Test("what lseek says of bytes before, or of no bytes, costs only time")
  func lyingHoles() throws {
    let content = SeededRandomness(seed: 5).bytes(9 << 20)
    let path = try fixture.image("disk", content)
    for (number, position) in [
      (2, 0), (3, 0), (3, 4096), (4, 0), (4, 1 << 20), (4, .max),
    ] as [(Int, UInt64)] {
      // The first data ends after a mebibyte, else there would be no third answer.
      let calls = FaultySystemCalls(faults: [
        .at(number, .seek, .position(position)), .at(2, .seek, .position(1 << 20)),
      ])
      let disk = try SourceDisk(name: try #require(Name("disk")), path: path, calls: calls)
      var extents = DiskExtents(disk)
      var end: UInt64 = 0
      while let plan = try extents.next() {
        for data in plan.data {
          #expect(data.lowerBound >= end && !data.isEmpty, "\(number) \(position)")
          end = data.upperBound
        }
      }
      #expect(end == 9 << 20, "\(number) \(position)")
    }
  }

  @Test(
    "an image that is not raw is backed up as it is, with a warning",
    arguments: [
      ("qcow2", [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 3]), ("VMDK", Array("KDMV\u{1}".utf8)),
      ("VHDX", Array("vhdxfile".utf8)), ("VHD", Array("conectix".utf8)),
    ] as [(String, [UInt8])])
  func container(format: String, head: [UInt8]) throws {
    let report = try fixture.backup(try fixture.image("disk", head))
    #expect(report.warnings.count == 1)
    #expect(report.warnings[0].contains("like a \(format) image"))
  }

  @Test(
    "on a file system that knows no holes, all is data",
    arguments: [Errno.invalidArgument, .notSupported])
  func noHoles(errno: Errno) throws {
    let fixture = try EngineFixture(
      calls: FaultySystemCalls(faults: [.every(.seek, .error(errno))]))
    let content = TestContent.mixed(5_000_000, seed: 6)
    try fixture.backup(try fixture.image("disk", content))
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }
}
