import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

/// The simulator of power cuts keeps its own model (see its head): what it drops, tears and keeps.
@Suite struct SimulatedFileSystemTests {
  let system = SimulatedFileSystem()
  let seeds = (0..<200).map { SimulatedFileSystem.Survival.some(seed: $0) }
  let bytes = DiskImage(seed: 5, [.noise(8192)]).bytes

  init() {
    system.setDirectory("/d/e")
  }

  func directory(_ path: String) throws -> Directory { try Directory(path, calls: system) }

  /// A file that is written and not synchronized.
  func write(_ path: String, _ bytes: [UInt8]) throws -> OpenFile {
    let file = try OpenFile(path, .create, calls: system)
    try bytes.withRawSpan { try file.write($0, at: 0) }
    return file
  }

  /// What all the cuts of this moment leave at a path.
  func outcomes(_ path: String) -> [[UInt8]?] {
    ([.nothing, .everything] + seeds).map { system.now.afterCut($0).contents(path) }
  }

  /// The names in a directory that cuts of this moment leave, each set once.
  func namesAfterCuts(_ path: String) -> Set<[String]?> {
    Set(([.nothing, .everything] + seeds).map { system.now.afterCut($0).names(path) })
  }

  @Test func aWriteWithoutFsyncCanBeLostTornOrKept() throws {
    let file = try write("/d/a", bytes)
    try directory("/d").synchronize()
    let outcomes = outcomes("/d/a")
    #expect(outcomes.contains([]) && outcomes.contains(bytes))
    let isTorn = outcomes.contains { outcome in
      guard let outcome, outcome.count == bytes.count, outcome != bytes else { return false }
      return outcome.contains { $0 != 0 }
    }
    #expect(isTorn)
    for case .some(let outcome) in outcomes {
      for start in stride(from: 0, to: outcome.count, by: 512) {
        let sector = outcome[start..<(start + 512)]
        #expect(sector == bytes[start..<(start + 512)] || sector.allSatisfy { $0 == 0 })
      }
    }
    #expect(try file.status().byteCount == 8192, "what the program sees is whole")
  }

  @Test func whatWasSynchronizedStays() throws {
    let file = try write("/d/a", bytes)
    try file.synchronize()
    #expect(Set(outcomes("/d/a")) == [nil, bytes], "the file is whole, but its name may be lost")
    try directory("/d").synchronize()
    #expect(Set(outcomes("/d/a")) == [bytes])
    #expect(system.now.afterCut(.nothing).mode("/d/a") == 0o600)
  }

  @Test func fsyncOfAFileIsNotForItsNewBytes() throws {
    let file = try write("/d/a", bytes)
    try file.synchronize()
    try directory("/d").synchronize()
    try [UInt8](repeating: 7, count: 512).withRawSpan { try file.write($0, at: 1024) }
    var changed = bytes
    changed.replaceSubrange(1024..<1536, with: repeatElement(7, count: 512))
    #expect(Set(outcomes("/d/a")) == [bytes, changed])
    try file.setSize(512)
    try file.setSize(4096)
    let sizes = Set(outcomes("/d/a").map { $0?.count ?? 0 })
    #expect(sizes.isSubset(of: [4096, 8192]) && sizes.count == 2)
  }

  @Test func aNewDirectoryIsLostWithAllInItUntilItsParentIsSynchronized() throws {
    let made = try directory("/d").makeDirectory("new")
    let file = try write("/d/new/a", bytes)
    try file.synchronize()
    try made.synchronize()
    #expect(namesAfterCuts("/d/new") == [nil, ["a"]])
    try directory("/d").synchronize()
    #expect(namesAfterCuts("/d/new") == [["a"]])
  }

  @Test func aRenameIsAtomicAndLostUntilItsDirectoryIsSynchronized() throws {
    try write("/d/a", bytes).synchronize()
    let d = try directory("/d")
    try d.synchronize()
    try d.moveWithoutReplacing("a", to: "b", in: d)
    #expect(namesAfterCuts("/d") == [["a", "e"], ["b", "e"]])
    #expect(system.names("/d") == ["b", "e"])
    try d.synchronize()
    #expect(namesAfterCuts("/d") == [["b", "e"]])
  }

  @Test func aRenameBetweenDirectoriesLeavesOneNameOrBoth() throws {
    try write("/d/a", bytes).synchronize()
    let (d, e) = (try directory("/d"), try directory("/d/e"))
    try d.synchronize()
    try d.moveWithoutReplacing("a", to: "b", in: e)
    func places() -> Set<[Bool]> {
      Set(
        ([.nothing, .everything] + seeds).map { survival in
          let left = system.now.afterCut(survival)
          return [left.contents("/d/a") == bytes, left.contents("/d/e/b") == bytes]
        })
    }
    #expect(places() == [[true, false], [true, true], [false, true]])
    try e.synchronize()
    #expect(places() == [[true, true], [false, true]])
    try d.synchronize()
    #expect(places() == [[false, true]])
  }

  @Test func aRemovedNameMayComeBackUntilItsDirectoryIsSynchronized() throws {
    system.setContents("/d/a", bytes)
    let d = try directory("/d")
    try d.removeFile("a")
    #expect(Set(outcomes("/d/a")) == [nil, bytes])
    try d.synchronize()
    #expect(Set(outcomes("/d/a")) == [nil])
  }

  @Test func changesOfNamesAreLostEachByItself() throws {
    let d = try directory("/d")
    for name in ["a", "b"] { _ = try write("/d/\(name)", []) }
    #expect(
      namesAfterCuts("/d") == [["e"], ["a", "e"], ["b", "e"], ["a", "b", "e"]], "in any order")
    try d.synchronize()
    #expect(namesAfterCuts("/d") == [["a", "b", "e"]])
  }

  @Test func aFailedFsyncDropsWhatItHadToWrite() throws {
    let calls = FaultySystemCalls(system, faults: [.at(1, .synchronize, .error(.ioError))])
    let file = try OpenFile("/d/a", .create, calls: calls)
    try bytes.withRawSpan { try file.write($0, at: 0) }
    #expect(throws: IOError.self) { try file.synchronize() }
    try file.synchronize()
    try directory("/d").synchronize()
    #expect(Set(outcomes("/d/a")) == [[]], "though the second fsync said that all is well")
    #expect(system.contents("/d/a") == bytes)
  }

  @Test func locksAndDescriptorsGoWithTheMachineOrTheProcess() throws {
    system.setContents("/d/a", bytes)
    let file = try OpenFile("/d/a", .read(followLinks: false), calls: system)
    #expect(try file.tryLock())
    let other = try OpenFile("/d/a", .read(followLinks: false), calls: system)
    #expect(try !other.tryLock())
    for left in [system.now.afterKill(), system.now.afterCut(.nothing)] {
      #expect(left.openDescriptors.isEmpty)
      #expect(try OpenFile("/d/a", .read(followLinks: false), calls: left).tryLock())
    }
    #expect(system.openDescriptors.count == 2)
  }

  @Test func aKilledProcessLosesNothingAndMakesNothingDurable() throws {
    _ = try write("/d/a", bytes)
    let left = system.now.afterKill()
    #expect(left.contents("/d/a") == bytes)
    #expect(left.now.afterCut(.nothing).contents("/d/a") == nil)
  }

  @Test func holesTakeNoRoomAndAreFound() throws {
    let file = try write("/d/a", [])
    try file.setSize(1 << 40)
    try [UInt8](repeating: 1, count: 100).withRawSpan { try file.write($0, at: 1 << 30) }
    #expect(try file.nextData(from: 0) == 1 << 30)
    #expect(try file.nextHole(from: 1 << 30) == 1 << 30 + 4096)
    #expect(try file.nextData(from: 1 << 31) == nil)
    #expect(system.usedBlockCount == 5, "three directories, the file, one page")
  }

  @Test func aFullFileSystemWritesWhatFitsAndThenNothing() throws {
    let file = try write("/d/a", [])
    system.setFreeBlockCount(1)
    #expect(throws: IOError("write", "/d/a", .noSpace, offset: 4096)) {
      try bytes.withRawSpan { try file.write($0, at: 0) }
    }
    #expect(try file.fileSystem().availableByteCount == 0)
    #expect(throws: IOError.self) { try OpenFile("/d/b", .create, calls: system) }
    try directory("/d").removeFile("a")
    #expect(try file.fileSystem().availableByteCount == 0, "it is open still")
    withExtendedLifetime(file) {}
  }

  @Test func everyMomentIsKeptAndTheMachineStops() throws {
    system.startRecording()
    _ = try write("/d/a", bytes)
    system.mark()
    let moments = system.moments
    #expect(moments.map(\.milestone) == [0, 0, 0, 0, 1], "the start, open, mode, write; a mark")
    #expect(moments.first?.afterKill().contents("/d/a") == nil)
    #expect(moments.last?.afterKill().contents("/d/a") == bytes)
    #expect(moments[3].lastCall == RecordedCall(call: .write, path: "/d/a"))
    system.stop(afterCalls: system.callCount)
    #expect(throws: IOError.self) { try directory("/d") }
  }

  @Test func theSameSeedLeavesTheSame() throws {
    _ = try write("/d/a", bytes)
    for seed in seeds {
      #expect(
        system.now.afterCut(seed).contents("/d/a") == system.now.afterCut(seed).contents("/d/a"))
    }
  }
}
