import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite struct OpenFileTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  func file(_ calls: any SystemCalls = LinuxSystemCalls(), holding bytes: [UInt8]) throws
    -> OpenFile
  {
    let path = try directory.write(bytes, to: "file-\(UUID().uuidString)")
    return try OpenFile(path, .read(followLinks: false), calls: calls)
  }

  func read(_ file: OpenFile, _ count: Int, at offset: UInt64) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    let read = try bytes.withMutableRawSpan { try file.read(into: &$0, at: offset) }
    #expect(bytes.dropFirst(read).allSatisfy { $0 == 0xEE })
    return Array(bytes.prefix(read))
  }

  static let bytes = DiskImage(seed: 1, [.noise(10_000)]).bytes

  @Test func readsUntilFullOrTheEnd() throws {
    let file = try file(holding: Self.bytes)
    #expect(try read(file, 10_000, at: 0) == Self.bytes)
    #expect(try read(file, 5, at: 17) == Array(Self.bytes[17..<22]))
    #expect(try read(file, 100, at: 9990) == Array(Self.bytes[9990...]))
    #expect(try read(file, 10, at: 10_000) == [])
    #expect(try read(file, 0, at: 5) == [])
  }

  @Test(arguments: [1, 7, 4096]) func continuesShortReads(_ count: Int) throws {
    let calls = FaultySystemCalls(faults: [.every(.read, .shortRead(count))])
    let file = try file(calls, holding: Self.bytes)
    #expect(try read(file, 3000, at: 100) == Array(Self.bytes[100..<3100]))
    #expect(calls.count(of: .read) == (3000 + count - 1) / count)
  }

  @Test(arguments: [1, 7, 4096]) func continuesShortWrites(_ count: Int) throws {
    let calls = FaultySystemCalls(faults: [.every(.write, .shortWrite(count))])
    let file = try OpenFile(directory.path("new"), .create, calls: calls)
    try file.write(Self.bytes[..<3000].asArray.rawBytes, at: 11)
    #expect(calls.count(of: .write) == (3000 + count - 1) / count)
    #expect(
      try directory.read("new") == [UInt8](repeating: 0, count: 11) + Self.bytes[..<3000])
  }

  @Test func interruptedCallsAreMadeAgain() throws {
    let kinds: [SystemCall] = [.open, .read, .write, .setMode, .setSize, .status, .seek, .tryLock]
    let calls = FaultySystemCalls(
      faults: kinds.flatMap { kind in
        (1...3).map { Fault.at($0, kind, .error(.interrupted)) }
      })
    let file = try OpenFile(directory.path("new"), .create, calls: calls)
    try file.write(Self.bytes.rawBytes, at: 0)
    try file.setSize(9000)
    #expect(try read(file, 10_000, at: 0) == Array(Self.bytes.prefix(9000)))
    #expect(try file.status().byteCount == 9000)
    #expect(try file.end() == 9000)
    #expect(try file.tryLock())
    for kind in kinds { #expect(calls.count(of: kind) > 3, "\(kind)") }
  }

  /// After a failure the kernel may have dropped the pages: to ask again would lie.
  @Test func fsyncIsNeverRepeated() throws {
    for error in [Errno.interrupted, .ioError, .noSpace] {
      let calls = FaultySystemCalls(faults: [.at(1, .synchronize, .error(error))])
      let file = try OpenFile(directory.path("new\(error.rawValue)"), .create, calls: calls)
      let thrown = #expect(throws: IOError.self) { try file.synchronize() }
      #expect(thrown == IOError("synchronize", file.path, error))
      #expect(calls.count(of: .synchronize) == 1)
      let inner = try Directory(directory.path, calls: calls)
      calls.restart(faults: [.at(1, .synchronize, .error(error))])
      #expect(throws: IOError.self) { try inner.synchronize() }
      #expect(calls.count(of: .synchronize) == 1)
    }
  }

  @Test func errorsSayWhatWhereAndWhy() throws {
    let calls = FaultySystemCalls(faults: [
      .at(2, .read, .error(.ioError)), .at(1, .write, .error(.noSpace)),
    ])
    let file = try file(calls, holding: Self.bytes)
    _ = try read(file, 10, at: 0)
    let failedRead = #expect(throws: IOError.self) { try read(file, 10, at: 77) }
    #expect(failedRead == IOError("read", file.path, .ioError, offset: 77))
    #expect(
      failedRead?.description
        == "cannot read \(file.path) at byte 77: \(Errno.ioError.description)")
    let failedWrite = #expect(throws: IOError.self) { try file.write([1].rawBytes, at: 5) }
    #expect(failedWrite == IOError("write", file.path, .noSpace, offset: 5))
    let missing = directory.path("missing")
    let failedOpen = #expect(throws: IOError.self) {
      try OpenFile(missing, .read(followLinks: false), calls: LinuxSystemCalls())
    }
    #expect(failedOpen == IOError("open", missing, .noSuchFileOrDirectory))
  }

  /// They need not be mistakes of ours: a file system of a user's own answers what it likes.
  @Test(arguments: [Errno.badFileDescriptor, .badAddress])
  func errorsThatSoundLikeMistakesOfOursAreErrors(_ errno: Errno) throws {
    let kinds: [SystemCall] = [.read, .seek, .status, .synchronize, .close]
    let calls = FaultySystemCalls(
      faults: kinds.map { .every($0, .error(errno)) } + [.every(.cachedByteCount, .cachedBytes(0))])
    do {
      let path = try directory.write(DiskImage(seed: 2, [.noise(1 << 20)]).bytes, to: "file")
      let file = try OpenFile(path, .read(followLinks: false), aroundCache: true, calls: calls)
      #expect(throws: IOError("read", path, errno, offset: 7)) { try read(file, 10, at: 7) }
      #expect(throws: IOError("seek in", path, errno)) { try file.end() }
      #expect(throws: IOError("seek in", path, errno)) { try file.nextData(from: 0) }
      #expect(throws: IOError("look at", path, errno)) { try file.status() }
      #expect(throws: IOError("synchronize", path, errno)) { try file.synchronize() }
      let folder = try Directory(directory.path, calls: calls)
      #expect(throws: IOError("synchronize directory", folder.path, errno)) {
        try folder.synchronize()
      }
      // With a second descriptor, around the cache.
      let pool = BufferPool(capacity: 1, bufferByteCount: 1 << 20)
      #expect(throws: IOError("read", path, errno, offset: 0)) {
        try pool.take().withMutableBytes { try file.read(into: &$0, at: 0) }
      }
    }
    // Whatever close answers, the descriptor is gone, and nobody can do anything about it.
    #expect(calls.count(of: .openDirect) == 1)
    #expect(calls.count(of: .close) == 3)
  }

  @Test func anErrorInTheMiddleNamesTheRest() throws {
    let calls = FaultySystemCalls(faults: [
      .at(1, .write, .shortWrite(100)), .at(2, .write, .error(.noSpace)),
    ])
    let file = try OpenFile(directory.path("new"), .create, calls: calls)
    let error = #expect(throws: IOError.self) { try file.write(Self.bytes.rawBytes, at: 50) }
    #expect(error?.offset == 150)
  }

  @Test func aWriteOfNothingIsAnErrorAndNoLoop() throws {
    let calls = FaultySystemCalls(faults: [.every(.write, .shortWrite(0))])
    let file = try OpenFile(directory.path("new"), .create, calls: calls)
    let error = #expect(throws: IOError.self) { try file.write([1].rawBytes, at: 0) }
    #expect(error?.errno == .ioError)
    let nothing: [UInt8] = []
    try file.write(nothing.rawBytes, at: 0)
  }

  @Test func aNewFileMustBeNew() throws {
    _ = try directory.write([1], to: "old")
    let error = #expect(throws: IOError.self) {
      try OpenFile(directory.path("old"), .create, calls: LinuxSystemCalls())
    }
    #expect(error?.reason == .exists)
    #expect(try directory.read("old") == [1])
  }

  @Test(arguments: [0o400, 0o666, 0o777] as [UInt32])
  func aNewFileHasMode0600WhateverTheUmask(_ mode: UInt32) throws {
    let calls = FaultySystemCalls(faults: [.every(.open, .createdMode(mode))])
    _ = try OpenFile(directory.path("new"), .create, calls: calls)
    #expect(try directory.mode("new") == 0o600)
  }

  @Test func writebackIsOnlyAHint() throws {
    let file = try OpenFile(directory.path("a"), .create, calls: LinuxSystemCalls())
    try file.write(Self.bytes.rawBytes, at: 0)
    try file.startWriteback(0..<10_000)
    let harmless: [Errno] = [.invalidArgument, .noFunction, .notSupported, .illegalSeek]
    for error in harmless + [.interrupted] {
      let calls = FaultySystemCalls(faults: [.every(.startWriteback, .error(error))])
      try self.file(calls, holding: [1]).startWriteback(0..<1)
    }
    for error in [Errno.ioError, .noSpace] {
      let calls = FaultySystemCalls(faults: [.every(.startWriteback, .error(error))])
      let file = try self.file(calls, holding: [1])
      #expect(throws: IOError.self) { try file.startWriteback(0..<1) }
    }
  }

  @Test func oneOpenFileAtATimeHasTheLock() throws {
    let path = try directory.write([1], to: "a")
    let calls = LinuxSystemCalls()
    var first: OpenFile? = try OpenFile(path, .read(followLinks: false), calls: calls)
    let second = try OpenFile(path, .read(followLinks: false), calls: calls)
    #expect(try first?.tryLock() == true)
    #expect(try !second.tryLock())
    #expect(try first?.tryLock() == true, "it has it still")
    #expect(try second.isLocked())
    first = nil
    var third: OpenFile? = try OpenFile(path, .read(followLinks: false), calls: calls)
    #expect(try third?.isLocked() == false)
    #expect(try !second.isLocked(), "who asks is not taken for the holder")
    third = nil
    #expect(try second.tryLock())
  }

  @Test func everyDescriptorIsClosedOnce() throws {
    let calls = FaultySystemCalls()
    do {
      let folder = try Directory(directory.path, calls: calls)
      let inner = try folder.makeDirectory("inner")
      _ = try OpenFile("file", in: inner, .create, calls: calls)
      withExtendedLifetime((folder, inner)) {}
    }
    #expect(calls.count(of: .open) == 3)
    #expect(calls.count(of: .close) == 3)
  }

  @Test func theReasonsThatPeopleActOn() {
    let reasons: [(Errno, IOError.Reason)] = [
      (.permissionDenied, .notAllowed), (.notPermitted, .notAllowed),
      (.readOnlyFileSystem, .readOnly), (.fileExists, .exists),
      (.noSuchFileOrDirectory, .notThere), (.notDirectory, .notThere),
      (.tooManySymbolicLinkLevels, .notThere), (.noSpace, .noSpace),
      (.diskQuotaExceeded, .noSpace), (.ioError, .other), (.interrupted, .other),
    ]
    for (errno, reason) in reasons { #expect(IOError("x", "y", errno).reason == reason) }
  }

  @Test func whatIsToleratedIsAnAnswer() throws {
    let answer: Int? = try tolerating(.fileExists) { () throws(IOError) in 5 }
    #expect(answer == 5)
    let refused: Int? = try tolerating(.fileExists, .noSpace) { () throws(IOError) in
      throw IOError("x", "y", .noSpace)
    }
    #expect(refused == nil)
    #expect(throws: IOError.self) {
      _ = try tolerating(.fileExists) { () throws(IOError) in throw IOError("x", "y", .noSpace) }
    }
  }
}

extension ArraySlice<UInt8> {
  var asArray: [UInt8] { Array(self) }
}

extension TemporaryDirectory {
  /// The permission bits of what is below the directory.
  func mode(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return try #require(attributes[.posixPermissions] as? Int)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path(name), withDestinationPath: target)
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: false)
  }
}
