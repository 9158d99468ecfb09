import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

/// What is asked of the local kind beyond the contract: its files, their modes, what it does with
/// what does not belong to it.
@Suite(.timeLimit(.minutes(1))) struct LocalObjectStoreTests {
  let directory: TemporaryDirectory
  let name = ObjectName(folder: "things", key: "a")

  init() throws {
    directory = try TemporaryDirectory()
  }

  func open(_ calls: any SystemCalls = LinuxSystemCalls(), seed: UInt64 = 1) throws
    -> LocalObjectStore
  {
    try LocalObjectStore.open(directory.path, host: .forTests(calls: calls, seed: seed))
  }

  func expect(_ code: StoreError.Code, _ call: () throws -> Void) {
    let error = #expect(throws: StoreError.self) { try call() }
    #expect(error?.code == code, "\(error?.message ?? "")")
  }

  // MARK: Layout and modes

  @Test func objectsAreFilesUnderTheirNames() throws {
    let store = try open()
    #expect(try store.put(name, [1, 2]))
    #expect(try store.put(ObjectName(folder: "", key: "top"), [3]))
    #expect(try directory.names() == ["things", "top", "unfinished"])
    #expect(try directory.read("things/a") == [1, 2])
    #expect(try directory.read("top") == [3])
    #expect(try directory.names("unfinished").isEmpty)
    #expect(store.location == directory.path)
  }

  @Test(arguments: [0o500, 0o777] as [UInt32])
  func modesDoNotDependOnTheUmask(_ mode: UInt32) throws {
    let calls = FaultySystemCalls(faults: [
      .every(.open, .createdMode(mode)), .every(.makeDirectory, .createdMode(mode)),
    ])
    let store = try LocalObjectStore.create(
      directory.path("x/y/store"), host: .forTests(calls: calls))
    let writer = try store.create(name)
    try writer.append([1].rawBytes)
    let unfinished = try directory.names("x/y/store/unfinished")
    #expect(unfinished.count == 1)
    #expect(try directory.mode("x/y/store/unfinished/\(unfinished[0])") == 0o600)
    #expect(try writer.finish())
    #expect(try store.putHeld(ObjectName(folder: "", key: "held"), [1]) != nil)
    for folder in ["x", "x/y", "x/y/store", "x/y/store/things", "x/y/store/unfinished"] {
      #expect(try directory.mode(folder) == 0o700, "\(folder)")
    }
    for file in ["things/a", "held"] {
      #expect(try directory.mode("x/y/store/\(file)") == 0o600, "\(file)")
    }
  }

  @Test func abandonedFilesGoAtOnce() throws {
    let store = try open()
    var writer: (any ObjectWriter)? = try store.create(name)
    #expect(try directory.names("unfinished").count == 1)
    writer = nil
    #expect(writer == nil)
    #expect(try directory.names("unfinished").isEmpty)
  }

  /// Somebody may clean up between the creation of a file and its lock.
  @Test func cleaningBesideAWriterTakesNothingFromIt() throws {
    for seed in 0..<200 as Range<UInt64> {
      let system = SimulatedFileSystem()
      system.setDirectory("/store")
      let turns = Turns(seed: seed, processes: 2)
      let work = ParallelWork()
      work.run("process", lanes: 2) { number in
        defer { turns.end(number) }
        let store = try LocalObjectStore.open(
          "/store",
          host: .forTests(
            calls: system.asProcess(number, of: turns), seed: seed * 2 + UInt64(number)))
        for key in ["a", "b", "c", "d"] {
          if number == 0 {
            #expect(try store.put(ObjectName(folder: "things", key: key), [1]))
          } else {
            _ = try store.removeAbandoned()
          }
        }
      }
      try work.wait()
      #expect(system.names("/store/things") == ["a", "b", "c", "d"], "seed \(seed)")
    }
  }

  // MARK: Opening and creating

  @Test func aStoreMustBeADirectory() throws {
    _ = try directory.write([1], to: "file")
    try directory.link("dangling", to: "nowhere")
    for missing in ["missing", "missing/below", "file", "file/below", "dangling"] {
      expect(.notThere) {
        _ = try LocalObjectStore.open(directory.path(missing), host: .forTests())
      }
    }
    try directory.makeFolder("real")
    try directory.link("link", to: "real")
    let store = try LocalObjectStore.open(directory.path("link"), host: .forTests())
    #expect(try store.put(name, [1]), "the path that a person names may be a link")
    #expect(try directory.read("real/things/a") == [1])
  }

  @Test func createMakesWhatIsMissing() throws {
    for path in ["new", "a/b/c", "slashes///x//"] {
      let store = try LocalObjectStore.create(directory.path(path), host: .forTests())
      #expect(try store.put(name, [1]))
      #expect(try directory.read("\(path)/things/a") == [1])
    }
    try directory.makeFolder("empty")
    _ = try LocalObjectStore.create(directory.path("empty"), host: .forTests())
  }

  @Test(arguments: ["store", "./a/store", "/a/store"])
  func aWorkingDirectoryThatIsGoneIsAnError(_ path: String) {
    let calls = FaultySystemCalls(faults: [.every(.open, .error(.noSuchFileOrDirectory))])
    let error = #expect(throws: IOError.self) {
      _ = try LocalObjectStore.create(path, host: .forTests(calls: calls))
    }
    #expect(error?.errno == .noSuchFileOrDirectory)
  }

  @Test func createTakesNothingThatIsTaken() throws {
    _ = try directory.write([1], to: "file")
    try directory.makeFolder("full")
    _ = try directory.write([1], to: "full/x")
    try directory.makeFolder("odd")
    _ = try directory.write([1], to: "odd/unfinished")
    try directory.link("dangling", to: "nowhere")
    for taken in ["file", "file/below", "full", "odd", "dangling"] {
      expect(.taken) {
        _ = try LocalObjectStore.create(directory.path(taken), host: .forTests())
      }
    }
    #expect(try directory.read("full/x") == [1])
    #expect(try !directory.names().contains("nowhere"))
  }

  @Test func aCreationThatWasInterruptedGoesOn() throws {
    try directory.makeFolder("unfinished")
    _ = try directory.write([1], to: "unfinished/left")
    let store = try LocalObjectStore.create(directory.path, host: .forTests())
    #expect(try store.removeAbandoned() == 1)
  }

  static let networks: [UInt64] = [
    0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x00C3_6400, 0x0BD0_0BD0,
    0x5346_414F, 0x6B41_4653, 0x7375_7245, 0x0102_1997, 0x0116_1970, 0x7461_636F,
    0x564C, 0x4750_4653, 0x1983_0326, 0xAAD7_AAEA, 0xBEEF_DEAD, 0x0131_11A8, 0x2003_0528,
    0xBACB_ACBC, 0x7C7C_6673, 0x786F_4256,
  ]
  /// ext4, XFS, Btrfs, tmpfs, ZFS, overlayfs, F2FS, bcachefs.
  static let locals: [UInt64] = [
    0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x2FC1_2FC1, 0x794C_7630, 0xF2F5_2010,
    0xCA45_1A4E,
  ]

  @Test func networkFileSystemsAreRefused() throws {
    for type in Self.networks + Self.locals {
      let calls = FaultySystemCalls(faults: [.every(.fileSystem, .fileSystemType(type))])
      let host = HostSystem.forTests(calls: calls)
      if Self.locals.contains(type) {
        _ = try LocalObjectStore.open(directory.path, host: host)
        _ = try LocalObjectStore.create(directory.path, host: host)
      } else {
        expect(.networkFileSystem) { _ = try LocalObjectStore.open(directory.path, host: host) }
        expect(.networkFileSystem) {
          _ = try LocalObjectStore.create(directory.path, host: host)
        }
      }
    }
  }

  // MARK: What does not belong there

  @Test func whatIsNoFileIsNoObject() throws {
    try directory.makeFolder("things")
    _ = try directory.write([1, 2, 3], to: "secret")
    try directory.link("things/link", to: "../secret")
    try directory.link("things/dangling", to: "nowhere")
    try directory.makeFolder("things/folder")
    #expect(makeFIFO(directory.path("things/fifo")))
    #expect(makeSocket(directory.path("things/socket")))
    _ = try directory.write([1], to: "things/.hidden")
    _ = try directory.write([1], to: "things/with space")
    let store = try open()
    #expect(try store.put(name, [7]))
    #expect(try store.list("things").map(\.name) == [name])
    for key in ["link", "dangling", "folder", "fifo", "socket"] {
      let odd = ObjectName(folder: "things", key: key)
      expect(.notAnObject) { _ = try store.open(odd) }
      #expect(try !store.put(odd, [9]), "the name is taken: \(key)")
    }
    #expect(try directory.read("secret") == [1, 2, 3])
    for key in ["folder", "fifo"] {
      #expect(try !store.isHeld(ObjectName(folder: "things", key: key)))
    }
  }

  @Test func noFolderLeadsOutOfTheStore() throws {
    let outside = try TemporaryDirectory()
    _ = try outside.write([1], to: "a")
    try directory.link("things", to: outside.path)
    _ = try directory.write([1], to: "file")
    let store = try open()
    for folder in ["things", "file"] {
      let name = ObjectName(folder: folder, key: "a")
      expect(.notAnObject) { _ = try store.open(name) }
      expect(.notAnObject) { _ = try store.list(folder) }
      expect(.notAnObject) { _ = try store.delete(name) }
      expect(.notAnObject) { _ = try store.put(name, [9]) }
      expect(.notAnObject) { _ = try store.put(ObjectName(folder: folder, key: "b"), [9]) }
    }
    #expect(try outside.names() == ["a"])
    #expect(try outside.read("a") == [1])
    #expect(try directory.names("unfinished").isEmpty)
  }

  @Test func unfinishedMayNotBeALink() throws {
    let outside = try TemporaryDirectory()
    _ = try outside.write([1], to: "mine")
    try directory.link("unfinished", to: outside.path)
    let store = try open()
    expect(.notAnObject) { _ = try store.create(name) }
    expect(.notAnObject) { _ = try store.removeAbandoned() }
    #expect(try outside.names() == ["mine"])
  }

  // MARK: Names that are taken meanwhile

  @Test(arguments: ["file", "folder", "dangling link", "FIFO"])
  func whoTookTheNameKeepsIt(_ kind: String) throws {
    let store = try open()
    let writer = try store.create(name)
    try writer.append([1, 2, 3].rawBytes)
    try directory.makeFolder("things")
    switch kind {
    case "file": _ = try directory.write([9], to: "things/a")
    case "folder": try directory.makeFolder("things/a")
    case "FIFO": #expect(makeFIFO(directory.path("things/a")))
    default: try directory.link("things/a", to: "nowhere")
    }
    let before = try Directory(directory.path("things"), calls: LinuxSystemCalls())
      .status(of: "a")
    #expect(try !writer.finish())
    let after = try Directory(directory.path("things"), calls: LinuxSystemCalls())
      .status(of: "a")
    #expect(before == after)
    if kind == "file" { #expect(try directory.read("things/a") == [9]) }
    #expect(try directory.names("things") == ["a"])
  }

  // MARK: Cleaning

  @Test func onlyUnlockedFilesAreRemoved() throws {
    let store = try open()
    let writer = try store.create(name)
    try writer.append([1].rawBytes)
    for key in ["left", "also left", ".hidden"] {
      _ = try directory.write([1], to: "unfinished/\(key)")
    }
    let lockedPath = try directory.write([1], to: "unfinished/locked")
    let locked = try OpenFile(
      lockedPath, .read(followLinks: false), calls: LinuxSystemCalls())
    #expect(try locked.tryLock())
    #expect(try open(seed: 2).removeAbandoned() == 3)
    #expect(try directory.names("unfinished").count == 2)
    #expect(try directory.names("unfinished").contains("locked"))
    #expect(try writer.finish())
    #expect(try store.removeAbandoned() == 0)
  }

  /// What is no file in `unfinished` was not made by a writer: it stays, and stops nobody.
  @Test func cleaningPassesOverWhatIsNoFile() throws {
    let outside = try directory.write([1], to: "outside")
    try directory.makeFolder("unfinished")
    try directory.link("unfinished/link", to: outside)
    try directory.link("unfinished/dangling", to: "nowhere")
    try directory.makeFolder("unfinished/folder")
    #expect(makeFIFO(directory.path("unfinished/fifo")))
    _ = try directory.write([1], to: "unfinished/left")
    let store = try open()
    #expect(try store.removeAbandoned() == 1)
    #expect(try directory.names("unfinished") == ["dangling", "fifo", "folder", "link"])
    #expect(try directory.read("outside") == [1])
  }

  @Test func aFileThatGoesAwayMeanwhileIsNoError() throws {
    try directory.makeFolder("unfinished")
    _ = try directory.write([1], to: "unfinished/left")
    for call in [SystemCall.open, .status, .removeFile] {
      let calls = FaultySystemCalls()
      let store = try open(calls)
      _ = try store.removeAbandonedDryRun(calls, fault: call)
    }
    #expect(try open().removeAbandoned() == 1)
  }
}

extension LocalObjectStore {
  /// Cleans while every file is gone by the time of `call`.
  fileprivate func removeAbandonedDryRun(
    _ calls: FaultySystemCalls, fault call: SystemCall
  ) throws {
    _ = try list("unfinished")  // opens the folder, so that only the file's own calls are left
    calls.restart(faults: [.every(call, .error(.noSuchFileOrDirectory))])
    #expect(try removeAbandoned() == 0)
  }
}
