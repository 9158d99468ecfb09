import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite("Whether a file system is fit for a vault")
struct FileSystemTrialTests {
  private let directory: TemporaryDirectory
  private let calls = FaultySystemCalls()

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func trial(_ faults: Fault...) throws -> FileSystemTrial {
    calls.restart(faults: faults)
    let opened = try Directory(directory.path, calls: calls)
    return try FileSystemTrial(in: opened, randomness: SeededRandomness(seed: 1))
  }

  @Test("a good one has no problems, and nothing is left there")
  func good() throws {
    let trial = try trial()
    #expect(trial.problems == [])
    #expect(trial.tellsHoles)
    #expect(try directory.names() == [])
  }

  @Test("without such a rename, links will do; without both, nothing does")
  func links() throws {
    let none = Fault.every(.rename, .error(.invalidArgument))
    #expect(try trial(none).problems == [])
    let problems = try trial(none, .every(.link, .error(.notPermitted))).problems
    #expect(problems.count == 1)
    #expect(problems.first?.contains("neither rename nor link") == true)
    #expect(try directory.names() == [])
  }

  @Test("each promise that is broken is found")
  func broken() throws {
    #expect(try trial(.every(.rename, .replaces)).problems.first?.contains("replaces it") == true)
    #expect(try trial(.every(.tryLock, .grants)).problems.first?.contains("same lock") == true)
    let failed = try trial(.at(2, .synchronize, .error(.ioError))).problems
    #expect(failed.first?.contains("durable") == true)
    #expect(try !trial(.every(.seek, .error(.invalidArgument))).tellsHoles)
    #expect(try directory.names() == [])
  }

  @Test("whatever call fails, nothing is left, as far as it can be removed")
  func leftovers() throws {
    _ = try trial()
    for number in 2...calls.totalCount {
      do {
        _ = try trial(.at(number, nil, .error(.ioError)))
      } catch {
        #expect(error is IOError)
      }
      let failed = calls.calls[number - 1].call
      if failed == .removeFile {
        for name in try directory.names() { try removeFile(name) }
      }
      #expect(try directory.names() == [], "call \(number), \(failed)")
    }
  }

  private func removeFile(_ name: String) throws {
    try Directory(directory.path, calls: LinuxSystemCalls()).removeFile(name)
  }

  @Test("where no file can be made, that is the error")
  func notWritable() throws {
    let error = #expect(throws: IOError.self) {
      try trial(.at(2, .open, .error(.readOnlyFileSystem)))
    }
    #expect(error?.reason == .readOnly)
  }

  @Test("a place without a store is tried in a hidden directory that is gone afterwards")
  func noStore() throws {
    let host = HostSystem.forTests(calls: calls)
    calls.restart()
    #expect(try LocalObjectStore.tryFileSystem(at: directory.path, host: host).problems == [])
    #expect(try directory.names() == [])
    calls.restart(faults: [.every(.fileSystem, .fileSystemType(0x6969))])
    #expect(throws: StoreError.self) {
      try LocalObjectStore.tryFileSystem(at: directory.path, host: host)
    }
    #expect(try directory.names() == [])
  }

  @Test("in a store, unfinished files of others stay")
  func store() throws {
    let store = try LocalObjectStore.create(
      directory.path("store"), host: .forTests(calls: calls))
    let writer = try store.create(ObjectName(folder: "a", key: "b"))
    #expect(try store.tryFileSystem().problems == [])
    #expect(try directory.names("store/unfinished").count == 1)
    #expect(try writer.finish())
  }
}

@Suite("Who else uses a file")
struct OtherUserTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func open(_ path: String) throws -> OpenFile {
    try OpenFile(path, .read(followLinks: true), calls: LinuxSystemCalls())
  }

  @Test("a record lock on a byte is seen, and that on another byte is not")
  func recordLock() throws {
    let path = try directory.write([1, 2, 3], to: "disk.img")
    let file = try open(path)
    #expect(try !file.isLocked(byte: 101))
    let lock = try RecordLock(path)
    defer { withExtendedLifetime(lock) {} }
    #expect(try file.isLocked(byte: 101))
    #expect(try !file.isLocked(byte: 100))
  }

  @Test("a file that is open for writing is told from one that is read; asking changes nothing")
  func openForWriting() throws {
    let path = try directory.write([1, 2, 3], to: "disk.img")
    let file = try open(path)
    for _ in 0..<3 { #expect(try !file.isOpenForWriting()) }
    let lock = try RecordLock(path, byte: 0)  // opens it for writing
    defer { withExtendedLifetime(lock) {} }
    #expect(try file.isOpenForWriting())
  }

  @Test("of a directory it can't be asked")
  func directoryLease() throws {
    #expect(throws: IOError.self) { try open(directory.path).isOpenForWriting() }
  }
}
