import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("Preflight finds each planted problem, and nothing where there is none")
struct PreflightTests {
  private let fixture: EngineFixture
  private let calls = FaultySystemCalls()

  init() throws {
    fixture = try EngineFixture(parameters: Self.parameters, calls: calls)
  }

  private static let parameters: Vault.Parameters = {
    var parameters = Vault.Parameters()
    parameters.region = "north"
    return parameters
  }()

  private func preflight(_ paths: [String]) throws -> Preflight {
    var preflight = Preflight(vaultPath: fixture.vaultPath)
    preflight.hostRegion = "north"
    preflight.openFileLimit = 1024
    preflight.disks = try paths.map { path in
      let base = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      return Backup.DiskRequest(name: try #require(Name(base)), role: .data, path: path)
    }
    return preflight
  }

  private func run(_ preflight: Preflight) -> [Preflight.Finding] {
    preflight.run(
      host: fixture.host, storage: HostStorage(calls: calls), log: EngineFixture.log)
  }

  /// What does not pass.
  private func problems(_ preflight: Preflight) -> [String] {
    run(preflight).filter { $0.status != .pass }.map { "\($0.status.rawValue) \($0.code.rawValue)" }
  }

  private func problems(_ paths: [String]) throws -> [String] { problems(try preflight(paths)) }

  @Test("nothing to mend: every check is made, and leaves the vault as it was")
  func clean() throws {
    let path = try fixture.image("disk", TestContent.noise(9000, seed: 1))
    let before = try FileManager.default.subpathsOfDirectory(atPath: fixture.vaultPath).sorted()
    let findings = run(try preflight([path]))
    #expect(findings.allSatisfy { $0.status == .pass && $0.hint == nil }, "\(findings)")
    #expect(findings.map(\.code).count == Preflight.Code.allCases.count)
    #expect(Set(findings.map(\.code)) == Set(Preflight.Code.allCases))
    let after = try FileManager.default.subpathsOfDirectory(atPath: fixture.vaultPath).sorted()
    #expect(before + ["unfinished"] == after || before == after)
    #expect(try problems([]) == [])
  }

  @Test(
    "a vault that is not there, is none, or is of a later version; the disks are judged as ever"
  )
  func vaults() throws {
    let path = try fixture.image("disk", [1])
    var preflight = try preflight([path, "\(fixture.directory.path)/missing"])
    preflight.vaultPath = "\(fixture.directory.path)/none/at/all"
    #expect(problems(preflight) == ["fail vault_opens", "fail disk_readable"])
    preflight.isDefaultVault = true
    #expect(problems(preflight) == ["fail disk_readable"])
    preflight.vaultPath = try fixture.image("other", [1])
    #expect(problems(preflight) == ["fail vault_opens", "fail disk_readable"])
    let noVault = try TemporaryDirectory()
    preflight.vaultPath = noVault.path
    #expect(problems(preflight) == ["fail vault_opens", "fail disk_readable"])
    #expect(try noVault.names() == [])
    try FileManager.default.createDirectory(
      atPath: "\(fixture.vaultPath)/features", withIntermediateDirectories: false)
    _ = try fixture.directory.write([], to: "vault/features/time-travel")
    preflight.vaultPath = fixture.vaultPath
    #expect(problems(preflight) == ["fail vault_opens", "fail disk_readable"])
  }

  @Test("a vault on a network, or on a file system that is not fit, or read-only")
  func vaultFit() throws {
    let preflight = try preflight([])
    calls.restart(faults: [.every(.setMode, .error(.readOnlyFileSystem))])
    #expect(problems(preflight) == ["fail vault_writable"])
    calls.restart(faults: [.every(.fileSystem, .fileSystemType(0x6969))])
    #expect(problems(preflight).first == "fail vault_opens")
    calls.restart(faults: [.every(.rename, .replaces)])
    #expect(problems(preflight) == ["fail vault_fit"])
    calls.restart(faults: [.every(.seek, .error(.invalidArgument))])
    #expect(problems(preflight) == ["warn vault_fit"])
  }

  @Test("regions: the same, another, one unknown, none")
  func regions() throws {
    var preflight = try preflight([])
    preflight.hostRegion = "south"
    #expect(problems(preflight) == ["fail vault_region"])
    preflight.allowsOtherRegion = true
    #expect(problems(preflight) == ["warn vault_region"])
    preflight.hostRegion = nil
    #expect(problems(preflight) == ["warn vault_region"])
    let other = try EngineFixture()
    preflight.vaultPath = other.vaultPath
    #expect(problems(preflight) == [])
    preflight.hostRegion = "south"
    #expect(problems(preflight) == ["warn vault_region"])
  }

  @Test("space: enough, perhaps enough, too little; a disk with a point needs none")
  func space() throws {
    let path = try fixture.image("disk", TestContent.noise(4 << 20, seed: 2))
    for (free, expected) in [
      (UInt64(5 << 20), [String]()), (2 << 20, ["warn vault_space"]), (99, ["fail vault_space"]),
    ] {
      calls.restart(faults: [.every(.fileSystem, .availableBytes(free))])
      #expect(try problems([path]) == expected)
    }
    calls.restart()
    try fixture.backup(path, machine: "disk")
    calls.restart(faults: [.every(.fileSystem, .availableBytes(99))])
    #expect(try problems([path]) == [])
  }

  @Test("as much space as a number can say, and disks that are longer together than that")
  func spaceBeyondCounting() throws {
    let paths = try (0..<3).map { try fixture.image("d\($0)", [UInt8($0)]) }
    let preflight = try preflight(paths)
    calls.restart()
    _ = run(preflight)
    let looks = calls.calls.filter { $0.call == .status }.map(\.path)
    let longest = try paths.map { path in
      let number = try #require(looks.firstIndex(of: path)) + 1
      return Fault.at(number, .status, .size(UInt64(Int64.max)))
    }
    for (free, status) in [(UInt64.max, Preflight.Status.pass), (99 << 30, .fail)] {
      calls.restart(faults: longest + [.every(.fileSystem, .availableBytes(free))])
      let space = try #require(run(preflight).first { $0.code == .vaultSpace })
      #expect(space.status == status)
      #expect(space.message.contains("backup reads 17179869184 GiB"), "\(space.message)")
    }
    calls.restart(faults: [.every(.fileSystem, .availableBytes(.max))])
    #expect(problems(preflight) == [])
  }

  @Test("a vault on one of the disks")
  func place() throws {
    let kernel = try MadeUpKernel()
    let path = try fixture.image("disk", [1])
    let device = DeviceNumber(try Directory(fixture.directory.path, calls: calls).status().device)
    try kernel.device(device.description, name: "loop0", backing: path)
    let findings = try preflight([path]).run(
      host: fixture.host, storage: kernel.storage, log: EngineFixture.log)
    #expect(findings.filter { $0.status == .fail }.map(\.code) == [.vaultPlace])
  }

  @Test("a clock behind the machine's points, behind another's, and far ahead")
  func clock() throws {
    let path = try fixture.image("disk", [1])
    let now = SteppingClock().now().seconds
    _ = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    fixture.host.clock = FixedClock(seconds: now - 3600)
    #expect(try problems([path]) == ["warn vault_clock"])
    fixture.host.clock = SteppingClock()
    try fixture.backup(path, machine: "disk")
    for (seconds, machine, expected) in [
      (now, "disk", [String]()), (now - 3600, "disk", ["fail vault_clock"]),
      (now - 3600, "other", ["warn vault_clock"]), (now + 30 * 86400, "disk", ["warn vault_clock"]),
    ] {
      fixture.host.clock = FixedClock(seconds: seconds)
      var preflight = try preflight([path])
      preflight.machine = Name(machine)
      #expect(problems(preflight) == expected)
    }
  }

  @Test("too many disks, one name or one disk twice, a bad name, no remembered disks")
  func diskSet() throws {
    let paths = try (0..<17).map { try fixture.image("d\($0)", [UInt8($0)]) }
    #expect(try problems(paths) == ["fail disk_set"])
    #expect(try problems([paths[0], paths[0]]) == ["fail disk_set", "fail disk_set"])
    #expect(try problems(["\(fixture.vaultPath)/vault"]) == ["fail disk_set"])
    var preflight = try preflight([paths[0]])
    preflight.misnamed = [("a b", "no name", nil)]
    #expect(problems(preflight) == ["fail disk_set"])
    preflight = try self.preflight([])
    preflight.machine = Name("nobody")
    #expect(problems(preflight) == ["fail disk_set"])
  }

  @Test("a disk that is not there, is a directory, or gives errors; the others are judged")
  func readable() throws {
    let good = try fixture.image("good", [1])
    let directory = fixture.directory.path
    #expect(
      try problems(["\(directory)/none", good, directory])
        == ["fail disk_readable", "fail disk_readable"])
    calls.restart()
    _ = try problems([])
    let reads = calls.count(of: .read)
    calls.restart(faults: [.at(reads + 1, .read, .error(.ioError))])
    #expect(try problems([good]) == ["fail disk_readable"])
  }

  @Test("a disk on a network mount: refused by backup too, unless it is allowed")
  func network() throws {
    let path = try fixture.image("disk", [1])
    var preflight = try preflight([path])
    calls.restart()
    _ = run(preflight)
    // The disk's own is asked for before that of the vault's space and place.
    let number = calls.calls.filter { $0.call == .fileSystem }.firstIndex { $0.path == path }
    let fault = Fault.at(try #require(number) + 1, .fileSystem, .fileSystemType(0x6969))
    calls.restart(faults: [fault])
    #expect(problems(preflight) == ["fail disk_network"])
    calls.restart(faults: [fault])
    preflight.allowsNetworkDisks = true
    #expect(problems(preflight) == ["warn disk_network"])

    var backup = Backup(machine: try #require(Name("vm")), disks: preflight.disks)
    let every = Fault.every(.fileSystem, .fileSystemType(0x6969))
    calls.restart(faults: [.every(.fileSystem, .error(.noFunction))])
    #expect(try backup.openSources(vaultPath: nil, host: fixture.host).count == 1)
    calls.restart(faults: [every])
    let error = #expect(throws: DiskError.self) {
      try backup.openSources(vaultPath: nil, host: fixture.host)
    }
    #expect(error?.code == .notAllowed)
    backup.allowsNetworkDisks = true
    calls.restart(faults: [every])
    #expect(try backup.openSources(vaultPath: nil, host: fixture.host).count == 1)
  }

  @Test("a disk that a virtual machine has open is refused; one that is only open is told of")
  func inUse() throws {
    let path = try fixture.image("disk", TestContent.noise(9000, seed: 3))
    var lock: RecordLock? = try RecordLock(path)
    #expect(try problems([path]) == ["fail disk_in_use"])
    let error = #expect(throws: DiskError.self) { _ = try fixture.backup(path) }
    #expect(error?.code == .notAllowed)
    #expect(error?.message.contains("QEMU") == true)
    lock = nil
    withExtendedLifetime(lock) {}
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    let found = try problems([path])
    let warnings = try fixture.backup(path).warnings
    try handle.close()
    #expect(found == ["fail disk_in_use"])
    #expect(warnings.count == 1)
    #expect(warnings.first?.contains("is open for writing in another program") == true)
    #expect(try fixture.backup(path).warnings == [])
  }

  @Test("a file system that does not tell of holes")
  func holes() throws {
    let path = try fixture.image("disk", [1])
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.truncate(atOffset: 8 << 20)
    try handle.close()
    #expect(try problems([path]) == [])
    let found = try #require(run(try preflight([path])).first { $0.code == .diskHoles })
    #expect(found.status == .pass)
    calls.restart(faults: [.every(.seek, .error(.invalidArgument))])
    #expect(try problems([path]) == ["warn vault_fit", "warn disk_holes"])
  }

  @Test("few open files")
  func openFiles() throws {
    var preflight = try preflight([])
    preflight.openFileLimit = 64
    #expect(problems(preflight) == ["warn open_files"])
    preflight.openFileLimit = 20
    #expect(problems(preflight) == ["fail open_files"])
  }

  @Test("whichever system call fails, every other check is made, and nothing is left")
  func faults() throws {
    let path = try fixture.image("disk", [1])
    let preflight = try preflight([path])
    calls.restart()
    _ = run(preflight)
    for number in 1...calls.totalCount {
      calls.restart(faults: [.at(number, nil, .error(.ioError))])
      let findings = run(preflight)
      #expect(findings.contains { $0.code == .openFiles })
      #expect(findings.contains { $0.code == .diskSet || $0.code == .diskReadable })
      let failed = calls.calls[min(number, calls.totalCount) - 1]
      let left = try fixture.directory.names("vault/unfinished")
      #expect(left.isEmpty || failed.call == .removeFile, "\(failed)")
      for name in left {
        try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/unfinished/\(name)")
      }
    }
  }
}
