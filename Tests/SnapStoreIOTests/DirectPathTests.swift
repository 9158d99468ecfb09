import Glibc
import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

/// Large aligned reads and writes go around the page cache, and nobody can tell by the bytes.
@Suite struct DirectPathTests {
  static let megabyte = 1 << 20
  static let refusals: [Errno] = [.invalidArgument, .notSupported, .noFunction]

  let directory: TemporaryDirectory
  let pool = BufferPool(capacity: 2, bufferByteCount: 4 << 20)

  init() throws {
    directory = try TemporaryDirectory()
  }

  /// A buffer that begins with these bytes: aligned, as those of the pipelines.
  func buffer(_ bytes: [UInt8]) -> Buffer {
    let buffer = pool.take()
    buffer.withMutableBytes { $0.copy(bytes.rawBytes) }
    return buffer
  }

  func read(_ file: OpenFile, _ count: Int, at offset: UInt64) throws -> [UInt8] {
    let buffer = pool.take()
    let read = try buffer.withMutableBytes { bytes throws(any Error) in
      try bytes.withBytes(0..<count) { part throws(any Error) in
        try file.read(into: &part, at: offset)
      }
    }
    return unsafe buffer.bytes.extracting(0..<read).withUnsafeBytes { unsafe Array($0) }
  }

  @Test func oddOffsetsAndLengthsOnBothKindsOfFileSystem() throws {
    let noise = DiskImage(seed: 1, [.noise(2 << 20)]).bytes
    for calls in [LinuxSystemCalls(), SimulatedFileSystem()] as [any SystemCalls] {
      let isReal = calls is LinuxSystemCalls
      let path = isReal ? directory.path("file") : "/file"
      let faulty = FaultySystemCalls(calls)
      let file = try OpenFile(path, .create, aroundCache: true, calls: faulty)
      var expected: [UInt8] = []
      var generator = SeededGenerator(seed: 7)
      for round in 0..<40 {
        let offset = Int.random(in: 0..<300, using: &generator) * (round % 3 == 0 ? 4097 : 4096)
        let count = Int.random(in: 1...(1 << 20), using: &generator)
        try file.write(buffer(noise).bytes.extracting(0..<count), at: UInt64(offset))
        let missing = max(0, offset + count - expected.count)
        expected += [UInt8](repeating: 0, count: missing)
        expected.replaceSubrange(offset..<(offset + count), with: noise[..<count])
      }
      #expect(faulty.count(of: .openDirect) == 1)
      let again = try OpenFile(
        path, .read(followLinks: false), aroundCache: true, calls: faulty)
      #expect(try read(again, expected.count + 5000, at: 0) == expected)
      for offset in [0, 4096, 5000, 1 << 20] {
        #expect(
          try read(again, 300_000, at: UInt64(offset))
            == Array(expected[offset..<(offset + 300_000)]))
      }
      #expect(try read(again, 100_000, at: UInt64(expected.count)) == [])
    }
  }

  @Test func whatIsSmallOrOddTakesTheUsualWay() throws {
    let system = SimulatedFileSystem()
    let file = try OpenFile("/file", .create, aroundCache: true, calls: system)
    let bytes = buffer([UInt8](repeating: 7, count: 200_000))
    try file.write(bytes.bytes.extracting(0..<60_000), at: 0)
    try file.write(bytes.bytes.extracting(0..<200_000), at: 100)
    try file.write(bytes.bytes.extracting(100..<200_000), at: 4096)
    #expect(!system.calls.contains { $0.call == .openDirect })
    try file.write(bytes.bytes.extracting(0..<200_000), at: 4096)
    #expect(system.calls.count { $0.call == .openDirect } == 1)
    #expect(system.calls.suffix(2).map(\.call) == [.write, .write], "whole blocks, then the rest")
  }

  @Test(arguments: refusals) func whereTheFileSystemRefuses(_ refusal: Errno) throws {
    for kind in [SystemCall.openDirect, .cachedByteCount] {
      let calls = FaultySystemCalls(faults: [.every(kind, .error(refusal))])
      let file = try OpenFile(
        directory.path("\(kind)-\(refusal.rawValue)"), .create, aroundCache: true, calls: calls)
      let noise = DiskImage(seed: 2, [.noise(Self.megabyte + 77)]).bytes
      try file.write(buffer(noise).bytes.extracting(0..<noise.count), at: 8192)
      let again = try OpenFile(
        file.path, .read(followLinks: false), aroundCache: true, calls: calls)
      #expect(try read(again, 2 << 20, at: 8192) == noise)
    }
    // Opening goes well, and only then the call itself is refused.
    let calls = FaultySystemCalls(faults: [.at(1, .write, .error(refusal))])
    let file = try OpenFile(
      directory.path("late-\(refusal.rawValue)"), .create, aroundCache: true, calls: calls)
    let noise = DiskImage(seed: 3, [.noise(Self.megabyte)]).bytes
    try file.write(buffer(noise).bytes.extracting(0..<noise.count), at: 0)
    #expect(try directory.read("late-\(refusal.rawValue)") == noise)
  }

  /// What is in the cache, or most of it, is not read from the disk.
  @Test(arguments: [0, megabyte / 2, megabyte / 2 + 4096, megabyte])
  func theCacheIsAskedFirst(_ cached: Int) throws {
    let noise = DiskImage(seed: 4, [.noise(Self.megabyte)]).bytes
    let path = try directory.write(noise, to: "cached")
    let calls = FaultySystemCalls(faults: [.every(.cachedByteCount, .cachedBytes(cached))])
    let file = try OpenFile(path, .read(followLinks: false), aroundCache: true, calls: calls)
    #expect(try read(file, noise.count, at: 0) == noise)
    #expect(calls.count(of: .openDirect) == (2 * cached > noise.count ? 0 : 1))
    #expect(calls.count(of: .read) == 1, "one read, and no other")
  }

  /// What the cache has of a block device may be of another time than what the disk has.
  @Test func aCacheThatIsDistrustedIsNotRead() throws {
    let noise = DiskImage(seed: 9, [.noise(Self.megabyte)]).bytes
    let path = try directory.write(noise, to: "distrusted")
    let calls = FaultySystemCalls(faults: [.every(.cachedByteCount, .cachedBytes(noise.count))])
    let file = try OpenFile(path, .read(followLinks: false), aroundCache: true, calls: calls)
    try file.distrustCache()
    #expect(calls.calls.map(\.call) == [.open, .dropCache], "for what takes the usual way")
    #expect(try read(file, noise.count, at: 0) == noise)
    #expect(calls.count(of: .openDirect) == 1)
    #expect(calls.count(of: .dropCache) == 1)
  }

  /// A backup of a cold disk reads it once: neither to ask for the cache nor to read around it
  /// brings anything in. (Where the file system has no way around, there is nothing to see.)
  @Test func nothingIsReadTwice() throws {
    let noise = DiskImage(seed: 8, [.noise(4 << 20)]).bytes
    let path = try directory.write(noise, to: "cold")
    let calls = LinuxSystemCalls()
    let descriptor = try calls.open(path, in: calls.workingDirectory, .read(followLinks: false))
    defer { close(descriptor) }
    let range = 0..<UInt64(noise.count)
    #expect(fsync(descriptor) == 0)
    #expect(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
    guard try calls.cachedByteCount(descriptor, range) == 0 else { return }
    let counting = FaultySystemCalls()
    let file = try OpenFile(path, .read(followLinks: false), aroundCache: true, calls: counting)
    #expect(try read(file, noise.count, at: 0) == noise)
    guard counting.count(of: .read) == 1, counting.count(of: .openDirect) == 1 else { return }
    #expect(try calls.cachedByteCount(descriptor, range) == 0)
  }

  @Test func errorsOfTheDiskAreErrors() throws {
    let noise = DiskImage(seed: 5, [.noise(Self.megabyte)]).bytes
    for error in [Errno.ioError, .noSpace, .noMemory] {
      let calls = FaultySystemCalls(faults: [.at(1, .write, .error(error))])
      let file = try OpenFile(
        directory.path("new-\(error.rawValue)"), .create, aroundCache: true, calls: calls)
      let thrown = #expect(throws: IOError.self) {
        try file.write(buffer(noise).bytes.extracting(0..<noise.count), at: 4096)
      }
      #expect(thrown == IOError("write", file.path, error, offset: 4096))
    }
  }

  /// Not in the cache is not durable yet.
  @Test func onlyFsyncMakesDurable() throws {
    let system = SimulatedFileSystem()
    let root = try Directory("/", followLinks: true, calls: system)
    let noise = DiskImage(seed: 6, [.noise(Self.megabyte)]).bytes
    let file = try OpenFile("file", in: root, .create, aroundCache: true, calls: system)
    try file.write(buffer(noise).bytes.extracting(0..<noise.count), at: 0)
    try root.synchronize()
    #expect(system.now.afterCut(.nothing).contents("/file") != noise)
    try file.synchronize()
    #expect(system.now.afterCut(.nothing).contents("/file") == noise)
  }

  /// Pieces of all sizes, one after the other, are the object; much of it goes around the cache.
  @Test(arguments: 0..<6) func objectsOfManyPieces(_ seed: UInt64) throws {
    let system = SimulatedFileSystem()
    let store = try LocalObjectStore.create("/store", host: .forTests(calls: system))
    var generator = SeededGenerator(seed: seed)
    let noise = DiskImage(seed: seed, [.noise(4 << 20)]).bytes
    let name = ObjectName(folder: "packs", key: "a")
    let writer = try store.create(name)
    var end = 0
    while end < 3 << 20 {
      let isLarge = Int.random(in: 0..<3, using: &generator) == 0
      let count = Int.random(in: 0...(isLarge ? 1 << 20 : 100), using: &generator)
      try writer.append(noise.rawBytes.extracting(end..<(end + count)))
      end += count
    }
    #expect(try writer.finish())
    #expect(system.contents("/store/packs/a") == Array(noise[..<end]))
    #expect(system.calls.contains { $0.call == .openDirect })
    let cut = system.now.afterCut(.nothing)
    #expect(cut.contents("/store/packs/a") == Array(noise[..<end]), "durable all of it")
  }
}
