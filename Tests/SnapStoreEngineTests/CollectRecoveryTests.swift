import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("Neither a damaged byte nor a lack of room stops collecting for good")
struct CollectRecoveryTests {
  private static let contents = [71, 72].map { TestContent.noise(5_000_000, seed: $0) }
  private var one: [UInt8] { Self.contents[0] }
  private var two: [UInt8] { Self.contents[1] }

  /// Two machines that have nothing in common; with the largest pack of each, and their points.
  private func twoMachines(calls: any SystemCalls = LinuxSystemCalls()) throws -> (
    fixture: EngineFixture, packs: [String], points: [PointID]
  ) {
    let fixture = try EngineFixture(calls: calls)
    let first = try fixture.backup(try fixture.image("one", one), machine: "one").point.id
    let pack = try #require(try fixture.packsBySize().first)
    let known = Set(try fixture.objects("packs"))
    let second = try fixture.backup(try fixture.image("two", two), machine: "two").point.id
    let other = try #require(try fixture.packsBySize().first { !known.contains($0) })
    return (fixture, [pack, other], [first, second])
  }

  private func expectWhole(
    _ fixture: EngineFixture, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let report = try fixture.verify()
    #expect(report.damaged.map(\.problem) == [], sourceLocation: sourceLocation)
    #expect(report.damaged.map(\.object) == [], sourceLocation: sourceLocation)
  }

  @Test(
    "what a pack with a damaged header or directory holds is copied by the index, and it goes",
    arguments: [3, -1, -70])
  func damagedDirectory(offset: Int) throws {
    let (fixture, packs, points) = try twoMachines()
    try fixture.delete(points[0])
    try fixture.damage(packs[1], at: offset)
    #expect(try !fixture.verify().damaged.isEmpty)
    let report = try fixture.collect()
    #expect(report.deletedPointCount == 1 && report.copiedByteCount > 1_000_000)
    #expect(try fixture.objects("packs").allSatisfy { !packs.contains($0) })
    try expectWhole(fixture)
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
  }

  @Test("a pack of which neither it nor the index tells anything stays while anybody is under way")
  func unknownPack() throws {
    let (fixture, packs, points) = try twoMachines()
    try fixture.delete(points[0])
    try fixture.damage(packs[0], at: -1)
    for path in try fixture.objects("index") { try FileManager.default.removeItem(atPath: path) }
    do {
      let session = try Session.beginWriting(try fixture.vault(), leaningOn: [])
      #expect(try fixture.collect().deletedPointCount == 1)
      #expect(try Set(fixture.objects("packs")).isSuperset(of: packs))
      withExtendedLifetime(session) {}
    }
    try expectRecovered(fixture, from: packs[0])
  }

  @Test("a pack of a killed run that can't tell what it holds keeps no backup from its parent")
  func unknownPackOfKilledRun() throws {
    let (fixture, _, _) = try twoMachines()
    let path = try fixture.image("three", TestContent.noise(1_000_000, seed: 73))
    let left = try fixture.backupWithoutSegment(path, machine: "three")
    let pack = try #require(try fixture.packsBySize().first(where: left.contains))
    try fixture.damage(pack, at: -1)
    try expectRecovered(fixture, from: pack)
  }

  private func expectRecovered(_ fixture: EngineFixture, from pack: String) throws {
    for _ in 0..<2 { try fixture.collect() }
    #expect(try !fixture.objects("packs").contains(pack))
    for _ in 0..<2 {
      let next = try fixture.backup("\(fixture.directory.path)/two.img", machine: "two").point
      #expect(next.signals != nil && next.figures.newByteCount == 0)
    }
    #expect(try fixture.objects("damage").isEmpty)
    try expectWhole(fixture)
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
  }

  @Test("a pack that was cut off, and whose content was stored again, goes")
  func truncatedPack() throws {
    let (fixture, packs, points) = try twoMachines()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: packs[1]))
    try bytes.dropLast().write(to: URL(fileURLWithPath: packs[1]))
    try fixture.backup("\(fixture.directory.path)/two.img", machine: "two")
    try fixture.delete(points[0])
    #expect(try fixture.collect().deletedPointCount == 1)
    #expect(try !fixture.objects("packs").contains(packs[1]))
    try expectWhole(fixture)
  }

  @Test("a damaged index segment is replaced", arguments: [4200, 8500, -3000])
  func damagedSegment(offset: Int) throws {
    let (fixture, _, points) = try twoMachines()
    try fixture.delete(points[0])
    let segment = try #require(try fixture.objects("index").last)
    try fixture.damage(segment, at: offset)
    #expect(try !fixture.verify().damaged.isEmpty)
    #expect(try fixture.collect(isDryRun: true).deletedPointCount == 1)
    #expect(try fixture.collect().deletedPointCount == 1)
    #expect(try !fixture.objects("index").contains(segment))
    try expectWhole(fixture)
  }

  /// Its index segment is all that tells what is left in a pack whose end is lost.
  @Test(
    "a damaged segment stays where a pack that it covers can't tell what it holds",
    arguments: [20, 4200])
  func lastToTell(offset: Int) throws {
    let (fixture, packs, _) = try twoMachines()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: packs[0]))
    try bytes.dropLast().write(to: URL(fileURLWithPath: packs[0]))
    let segments = try fixture.objects("index")
    for segment in segments { try fixture.damage(segment, at: offset) }
    let other = try fixture.image("three", TestContent.noise(1_000_000, seed: 73))
    try fixture.backup(other, machine: "three")
    #expect(try fixture.objects("index").contains(segments[0]))
    for segment in segments where FileManager.default.fileExists(atPath: segment) {
      try fixture.damage(segment, at: offset)
    }
    _ = try fixture.restore("latest", machine: "one")
    #expect(try fixture.restored("one") == one)
  }

  /// Lets reads of objects fail as those of a disk with bad sectors.
  private func breakReads(
    _ fixture: EngineFixture, where isBroken: @escaping @Sendable (ObjectName, Int) -> Bool
  ) {
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .read(let name, let byteCount) = event, isBroken(name, byteCount) else { return }
        throw IOError("read", "\(name)", .ioError)
      }
    }
  }

  @Test("a segment that gives an error, or of which a page does, is replaced")
  func unreadableSegments() throws {
    try expectReplaced(isAll: true)
    try expectReplaced(isAll: false)
  }

  private func expectReplaced(isAll: Bool) throws {
    let (fixture, packs, points) = try twoMachines()
    let session = try #require(packs[1].split(separator: "/").last).prefix(32)
    let segment = try #require(try fixture.objects("index").first { $0.contains(session) })
    try fixture.delete(points[0])
    breakReads(fixture) { name, byteCount in
      name.folder == VaultFolder.index && segment.hasSuffix(name.key)
        && (isAll || byteCount == 4096)
    }
    #expect(try fixture.collect().deletedPointCount == 1)
    #expect(try !fixture.objects("index").contains(segment))
    #expect(try fixture.objects("damage") == [])
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
    fixture.wrap = { $0 }
    try fixture.collect()
    try expectWhole(fixture)
  }

  @Test("a pack that can't even be looked at costs what is in it, until that is stored again")
  func badInode() throws {
    let calls = FaultySystemCalls()
    let (fixture, packs, _) = try twoMachines(calls: calls)
    let name = try #require(packs[1].split(separator: "/").last)
    calls.restart(
      faults: [SystemCall.status, .open].map {
        .every($0, .error(.badMessage), on: String(name))
      })
    let first = try fixture.backup("\(fixture.directory.path)/one.img", machine: "one").point
    #expect(first.parent != nil && first.figures.newByteCount == 0)
    _ = try fixture.restore("latest", machine: "one", to: "first")
    #expect(try fixture.restored("one", in: "first") == one)
    let damaged = try fixture.verify().damaged
    #expect(damaged.map(\.object).contains("packs/\(name)"))
    #expect(throws: VaultError.self) { try fixture.collect() }
    let second = try fixture.backup("\(fixture.directory.path)/two.img", machine: "two").point
    #expect(second.figures.newByteCount > 1_000_000)
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
    try fixture.collect()
    #expect(try !fixture.objects("packs").contains(packs[1]))
    try expectWhole(fixture)
  }

  @Test("a needed record that gives an error is recorded, copied by no next run, and healed")
  func unreadableRecord() throws {
    let fixture = try halfDead(1, calls: FaultySystemCalls())
    let pack = try #require(try fixture.packsBySize().first)
    breakReads(fixture) { name, byteCount in pack.hasSuffix(name.key) && byteCount > 8192 }
    for _ in 0..<2 {
      let error = #expect(throws: VaultError.self) { try fixture.collect(maximumDeadPercent: 0) }
      #expect(error?.code == .damaged)
      #expect(try fixture.objects("damage").count == 1)
    }
    let packs = try fixture.objects("packs")
    #expect(throws: VaultError.self) { try fixture.collect(maximumDeadPercent: 0) }
    #expect(try fixture.objects("packs") == packs)
    let path = "\(fixture.directory.path)/disk0.img"
    #expect(try fixture.backup(path, machine: "m0").point.figures.newByteCount > 900_000)
    #expect(try fixture.collect(maximumDeadPercent: 0).deletedPackCount > 0)
    try expectRestores(fixture, 1)
  }

  @Test("more damaged directories than the index is asked about at once go one after the other")
  func manyDamagedDirectories() throws {
    let fixture = try EngineFixture()
    var damaged: Set<String> = []
    for number in 0..<18 {
      let content = TestContent.noise(60_000, seed: UInt64(200 + number))
      try fixture.backup(try fixture.image("disk\(number)", content), machine: "m\(number)")
      let new = try fixture.packsBySize().filter { !damaged.contains($0) }
      damaged.insert(try #require(new.first))
    }
    for pack in damaged { try fixture.damage(pack, at: -1) }
    for _ in 0..<2 { try fixture.collect() }
    #expect(try damaged.isDisjoint(with: fixture.objects("packs")))
    try expectRestores(fixture, 18)
  }

  @Test("a segment that is whole and says that a chunk lies in another pack frees nothing")
  func lyingSegment() throws {
    let (fixture, packs, points) = try twoMachines()
    var (covered, entries) = try fixture.segment(overPacksAt: fixture.objects("packs"))
    let rows = try packs.map { path in
      UInt32(try #require(covered.firstIndex { path.hasSuffix("/\($0.name)") }))
    }
    let moved = try #require(entries.firstIndex { $0.pack == rows[1] })
    entries[moved].pack = rows[0]
    let segments = try fixture.objects("index")
    for path in segments { try FileManager.default.removeItem(atPath: path) }
    try Data(IndexSegmentLayout.encode(packs: covered, entries: entries))
      .write(to: URL(fileURLWithPath: segments[0]))
    try fixture.delete(points[0])
    let error = #expect(throws: VaultError.self) { try fixture.collect(maximumDeadPercent: 0) }
    #expect(error?.code == .damaged)
    #expect(try Set(fixture.objects("packs")).isSuperset(of: packs))
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
  }

  @Test("that a pack is gone which nothing needs any more is no damage once it was collected")
  func gonePack() throws {
    let (fixture, packs, points) = try twoMachines()
    try FileManager.default.removeItem(atPath: packs[0])
    #expect(try !fixture.verify().damaged.isEmpty)
    try fixture.delete(points[0])
    try fixture.collect()
    try expectWhole(fixture)
    _ = try fixture.restore("latest", machine: "two")
    #expect(try fixture.restored("two") == two)
  }

  @Test(
    "a point that can't be read can be deleted, whatever was done to it, and leaves no gap",
    arguments: [false, true])
  func unreadablePoint(isHidden: Bool) throws {
    let fixture = try EngineFixture()
    let image = try fixture.image("disk", one)
    let points = try (0..<3).map { _ in try fixture.backup(image).point.id }
    if isHidden { try fixture.delete(points[1], isFinal: false) }
    for path in try fixture.objects("points") where path.contains(points[1].text) {
      try fixture.damage(path, at: 100)
    }
    #expect(try !fixture.verify().damaged.isEmpty)
    try fixture.delete(points[1])
    try fixture.collect()
    try expectWhole(fixture)
  }

  /// At 12 bytes is the format's version: a flipped bit makes no newer object of it.
  @Test(
    "a record of damage that can't be read goes once all was read and is whole",
    arguments: [12, 70])
  func damagedRecord(offset: Int) throws {
    let (fixture, packs, _) = try twoMachines()
    try fixture.damage(packs[0], at: 1_000_000)
    #expect(try !fixture.verify().damaged.isEmpty)
    try fixture.damage(packs[0], at: 1_000_000)
    let record = try #require(try fixture.objects("damage").first)
    try fixture.damage(record, at: offset)
    #expect(try fixture.verify(isQuick: true).damaged.map(\.losses.count) == [0])
    let report = try fixture.verify()
    #expect(report.damaged.isEmpty && report.healed.count == 1)
    #expect(try fixture.objects("damage").isEmpty)
    let next = try fixture.backup("\(fixture.directory.path)/one.img", machine: "one")
    #expect(next.point.parent != nil)
  }

  @Test("a record of a verification that can't be read goes with the next collection")
  func damagedVerification() throws {
    let (fixture, _, _) = try twoMachines()
    _ = try fixture.verify()
    let record = try #require(try fixture.objects("verifications").first)
    try fixture.damage(record, at: 12)
    #expect(try fixture.verify(isQuick: true).damaged.count == 1)
    try fixture.collect()
    #expect(try !fixture.objects("verifications").contains(record))
    try expectWhole(fixture)
  }

  @Test("a decision whose name could not be made durable is an error, and no other's decision")
  func failedDecision() throws {
    let (fixture, _, points) = try twoMachines()
    try fixture.delete(points[0])
    fixture.wrap = { store in
      FailingStore(store, error: IOError("synchronize", "epochs", .ioError), afterwards: true) {
        $0.folder == VaultFolder.epochs
      }
    }
    let error = #expect(throws: IOError.self) { try fixture.collect() }
    #expect(error?.errno == .ioError)
    #expect(try fixture.objects("epochs").count == 1)
    fixture.wrap = { $0 }
    #expect(try fixture.collect().deletedPointCount == 1)
    try expectWhole(fixture)
  }

  // MARK: Room

  /// Machines of which one pack each is half dead.
  private func halfDead(_ count: Int, calls: FaultySystemCalls) throws -> EngineFixture {
    let fixture = try EngineFixture(calls: calls)
    for number in 0..<count {
      try fixture.leaveHalfDead(
        TestContent.noise(2_000_000, seed: UInt64(80 + number)), disk: "disk\(number)",
        machine: "m\(number)", seed: UInt64(number))
    }
    return fixture
  }

  private func expectRestores(_ fixture: EngineFixture, _ count: Int) throws {
    for number in 0..<count {
      _ = try fixture.restore("latest", machine: "m\(number)", to: "m\(number)")
      let restored = try fixture.restored("disk\(number)", in: "m\(number)")
      #expect(try restored == fixture.directory.read("disk\(number).img"))
    }
    try expectWhole(fixture)
  }

  @Test("it copies no more at once than half of the room holds, and goes on when that is freed")
  func littleRoom() throws {
    let calls = FaultySystemCalls()
    let fixture = try halfDead(7, calls: calls)
    calls.restart(faults: [.every(.fileSystem, .availableBytes(1_500_000))])
    let refused = try fixture.collect(maximumDeadPercent: 0)
    #expect(refused.copiedByteCount == 0 && refused.warnings.count == 1)
    calls.restart(faults: [.every(.fileSystem, .availableBytes(3_500_000))])
    let report = try fixture.collect(maximumDeadPercent: 0)
    #expect(report.warnings.isEmpty)
    #expect(report.copiedByteCount > 6_000_000, "\(report)")
    #expect(report.deadByteCount == 0)
    // A collection of one pack is two decisions; of seven, one after the other, eight and more.
    #expect(try fixture.vault().newestEpochNumber() > 8)
    calls.restart()
    try expectRestores(fixture, 7)
  }

  @Test("what was copied before there was no room counts, and the rest goes on the next time")
  func outOfRoom() throws {
    let fixture = try halfDead(3, calls: FaultySystemCalls())
    let packs = Lock(0)
    fixture.wrap = { store in
      FailingStore(store, error: IOError("write", "pack", .noSpace)) { name in
        guard name.folder == VaultFolder.packs else { return false }
        return packs.withLock { count in
          count += 1
          return count == 2
        }
      }
    }
    let report = try fixture.collect(maximumDeadPercent: 0, batchByteCount: 1_500_000)
    #expect(report.warnings.count == 1)
    // Two of the three count; what was copied of the third is lost, and it is copied again.
    #expect((3_500_000..<5_000_000).contains(report.copiedByteCount))
    fixture.wrap = { $0 }
    try fixture.collect(maximumDeadPercent: 0)
    try expectRestores(fixture, 3)
  }

  @Test("copies that could not be indexed look like no segment that was lost")
  func unindexedCopies() throws {
    let fixture = try halfDead(1, calls: FaultySystemCalls())
    let isDone = Lock(false)
    fixture.wrap = { store in
      FailingStore(store, error: IOError("write", "index", .ioError)) { name in
        guard name.folder == VaultFolder.index else { return false }
        return isDone.withLock { done in
          defer { done = true }
          return !done
        }
      }
    }
    #expect(throws: IOError.self) { try fixture.collect(maximumDeadPercent: 0) }
    try fixture.backup("\(fixture.directory.path)/disk0.img", machine: "m0")
    #expect(try fixture.objects("damage") == [])
    try fixture.collect(maximumDeadPercent: 0)
    try expectRestores(fixture, 1)
  }
}
