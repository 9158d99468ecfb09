import Glibc
import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(1))) struct LinuxSystemCallsTests {
  let directory: TemporaryDirectory
  let calls = LinuxSystemCalls()

  init() throws {
    directory = try TemporaryDirectory()
  }

  /// Holes are found where they are; file systems may call more of a file data, not less.
  @Test func dataAndHolesOfASparseFile() throws {
    let mebibyte: UInt64 = 1 << 20
    let file = try OpenFile(directory.path("sparse"), .create, calls: calls)
    let block = [UInt8](repeating: 1, count: 4096)
    try file.write(block.rawBytes, at: 2 * mebibyte)
    try file.write(block.rawBytes, at: 5 * mebibyte)
    try file.setSize(8 * mebibyte)
    try file.synchronize()
    let firstData = try #require(try file.nextData(from: 0))
    #expect(firstData <= 2 * mebibyte && firstData > mebibyte)
    let hole = try file.nextHole(from: 2 * mebibyte)
    #expect(hole >= 2 * mebibyte + 4096 && hole < 4 * mebibyte)
    let secondData = try #require(try file.nextData(from: hole))
    #expect(secondData <= 5 * mebibyte && secondData > 4 * mebibyte)
    let lastHole = try file.nextHole(from: 5 * mebibyte)
    #expect(try file.nextData(from: lastHole) == nil, "ENXIO is an answer")
    #expect(try file.nextHole(from: 0) == 0)
    #expect(try file.end() == 8 * mebibyte)
    let status = try file.status()
    #expect(status.byteCount == 8 * mebibyte)
    #expect(status.allocatedByteCount < mebibyte)
  }

  @Test func aFileThatIsAllHole() throws {
    let file = try OpenFile(directory.path("hole"), .create, calls: calls)
    #expect(try file.nextData(from: 0) == nil)
    #expect(try file.end() == 0)
    try file.setSize(1 << 20)
    #expect(try file.nextData(from: 0) == nil)
    #expect(try file.nextHole(from: 0) == 0)
  }

  @Test func aFIFODoesNotHang() throws {
    #expect(makeFIFO(directory.path("fifo")))
    let fifo = try OpenFile(
      directory.path("fifo"), .read(followLinks: false), calls: calls)
    #expect(try fifo.status().kind == .fifo)
  }

  /// Samba and NFS servers have leases on files. Whoever opens such a file waits until the holder,
  /// whom the kernel asks, gives it back: at once, if it may not wait, it is refused.
  @Test(arguments: ["leased", "link"]) func aLeaseIsWaitedFor(_ name: String) throws {
    let (setSignal, setLease, getLease): (Int32, Int32, Int32) = (10, 1024, 1025)
    let path = try directory.write([7], to: "leased")
    try directory.link("link", to: "leased")
    let holder = unsafe open(path, O_RDWR | O_CLOEXEC)
    try #require(holder >= 0)
    defer { close(holder) }
    // The holder is asked by a signal; this one is ignored, and the usual one ends the process.
    #expect(fcntl(holder, setSignal, SIGURG) == 0)
    // Where the file system knows no leases, there is nothing to see.
    guard fcntl(holder, setLease, F_WRLCK) == 0 else { return }
    let work = ParallelWork()
    work.run("holder", lanes: 1) { _ in
      while fcntl(holder, getLease) == F_WRLCK { sched_yield() }
      _ = fcntl(holder, setLease, F_UNLCK)
    }
    let file = try OpenFile(directory.path(name), .read(followLinks: true), calls: calls)
    try work.wait()
    #expect(try file.status().byteCount == 1)
  }

  /// A second descriptor of the open file stands for a child process that is just being started.
  @Test func aLockGoesWithItsFileThoughAChildHasItStill() throws {
    let path = try directory.write([1], to: "locked")
    let access = FileAccess.read(followLinks: false)
    let file = try calls.open(path, in: calls.workingDirectory, access)
    #expect(try calls.tryLock(file, isShared: false))
    let childs = dup(file)
    defer { close(childs) }
    let other = try OpenFile(path, access, calls: calls)
    #expect(try !other.tryLock())
    try calls.close(file)
    #expect(try other.tryLock())
  }

  /// What was just written is in the cache, and holes are not; by either way to ask.
  @Test(arguments: [true, false]) func whatTheCacheHas(_ hasCacheStatistics: Bool) throws {
    let calls = LinuxSystemCalls(hasCacheStatistics: hasCacheStatistics)
    let noise = DiskImage(seed: 1, [.noise(5 << 20)]).bytes
    let path = try directory.write(noise, to: "file")
    let root = calls.workingDirectory
    let descriptor = try calls.open(path, in: root, .read(followLinks: false))
    defer { close(descriptor) }
    for range in [0..<(5 << 20), 4096..<8192, (1 << 20)..<(5 << 20)] as [Range<UInt64>] {
      #expect(try calls.cachedByteCount(descriptor, range) == range.count)
    }
    let sparse = try calls.open(directory.path("sparse"), in: root, .create)
    defer { close(sparse) }
    try calls.setSize(sparse, 1 << 40)
    #expect(try calls.cachedByteCount(sparse, (1 << 30)..<(1 << 31)) == 0)
  }

  @Test func canonicalPaths() throws {
    try directory.makeFolder("a")
    try directory.link("b", to: "a")
    let canonical = try calls.canonicalPath(directory.path("b/../b/."))
    #expect(canonical == directory.path("a"))
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try calls.canonicalPath(directory.path("missing"))
    }
  }

  /// A repaired path would be another one.
  @Test func aCanonicalPathIsUTF8() throws {
    let name: [CChar] = directory.path("a").utf8CString.dropLast() + [-1, 0]
    #expect(unsafe mkdir(name, 0o700) == 0)
    defer { unsafe rmdir(name) }
    #expect(unsafe symlink(name, directory.path("link")) == 0)
    #expect(throws: Errno.illegalByteSequence) {
      try calls.canonicalPath(directory.path("link"))
    }
  }

  /// The hole behind the last byte that a file can have begins where its page ends, at 2^63.
  @Test func holesBehindTheLastByteOfAll() throws {
    let path = "/dev/shm/\(splitPath(directory.path).name)"
    let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(file >= 0)
    defer { close(file) }
    unsafe unlink(path)
    let last = Int64.max - 1
    try #require(unsafe pwrite(file, [1], 1, off_t(last)) == 1)
    #expect(try calls.seek(file, .hole(from: UInt64(last))) >= UInt64(Int64.max))
    #expect(try calls.seek(file, .end) == UInt64(Int64.max))
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try calls.seek(file, .data(from: UInt64(Int64.max)))
    }
  }

  @Test func renameAndLinkReplaceNothing() throws {
    let folder = try calls.open(
      directory.path, in: calls.workingDirectory, .directory(followLinks: false))
    _ = try directory.write([1], to: "a")
    _ = try directory.write([2], to: "b")
    #expect(throws: Errno.fileExists) {
      try calls.renameWithoutReplacing("a", in: folder, to: "b", in: folder)
    }
    #expect(throws: Errno.fileExists) { try calls.link("a", in: folder, to: "b", in: folder) }
    #expect(try directory.read("b") == [2])
    try calls.link("a", in: folder, to: "c", in: folder)
    #expect(try calls.status(of: "a", in: folder).linkCount == 2)
    try calls.removeFile("a", in: folder)
    #expect(try directory.read("c") == [1])
    #expect(throws: Errno.noSuchFileOrDirectory) { try calls.removeFile("a", in: folder) }
    try calls.close(folder)
  }

  @Test func identitiesOfFiles() throws {
    let folder = try Directory(directory.path, calls: calls)
    _ = try directory.write([1], to: "a")
    _ = try directory.write([1], to: "b")
    let (first, second) = (try folder.status(of: "a"), try folder.status(of: "b"))
    #expect(first?.device == second?.device)
    #expect(first?.inode != second?.inode)
    #expect(first == (try folder.status(of: "a")))
  }

  @Test func theClockAndRandomnessOfTheHost() {
    let clock = SystemClock()
    let (first, start) = (clock.now(), clock.monotonicSeconds())
    #expect(first.seconds > 1_600_000_000)
    #expect(first.nanoseconds < 1_000_000_000)
    #expect(clock.monotonicSeconds() >= start)
    #expect(SystemRandomness().next() != SystemRandomness().next())
    #expect(SystemRandomness().bytes(13).count == 13)
    #expect(HostSystem.processorCount >= 1)
    #expect(!HostSystem.current().description.isEmpty)
  }

  @Test func randomBytesAreLittleEndianWords() {
    let words = SeededRandomness(seed: 5)
    let first = words.next()
    let bytes = SeededRandomness(seed: 5).bytes(9)
    #expect(bytes.prefix(8) == (0..<8).map { UInt8(truncatingIfNeeded: first >> ($0 * 8)) }[...])
    #expect(bytes.last == UInt8(truncatingIfNeeded: words.next()))
    #expect(SeededRandomness(seed: 5).bytes(0).isEmpty)
  }
}

@Suite struct FaultySystemCallsTests {
  @Test func faultsComeWhenTheyAreDue() throws {
    let directory = try TemporaryDirectory()
    let calls = FaultySystemCalls(faults: [
      .at(2, .write, .error(.noSpace)), .at(5, nil, .error(.ioError)),
    ])
    let file = try OpenFile(directory.path("a"), .create, calls: calls)  // 1 open, 2 setMode
    try file.write([1].rawBytes, at: 0)  // 3
    #expect(throws: IOError("write", file.path, .noSpace, offset: 1)) {
      try file.write([2].rawBytes, at: 1)  // 4
    }
    #expect(throws: IOError("look at", file.path, .ioError)) { try file.status() }  // 5
    #expect(try file.status().byteCount == 1)  // 6
    #expect(calls.totalCount == 6)
    #expect(calls.count(of: .write) == 2)
    #expect(
      calls.calls.map(\.call) == [.open, .setMode, .write, .write, .status, .status])
    #expect(calls.calls.allSatisfy { $0.path == file.path })
    calls.restart()
    try file.write([3].rawBytes, at: 0)
    #expect(calls.totalCount == 1)
  }
}
