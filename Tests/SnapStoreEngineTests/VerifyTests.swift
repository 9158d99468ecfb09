import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("Verify finds damage and says who loses by it") struct VerifyTests {
  private static let noise = TestContent.noise(9_000_000, seed: 77)
  private var content: [UInt8] { Self.noise }

  private func backedUp() throws -> EngineFixture {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", content))
    return fixture
  }

  /// Inverts a byte of the data of a pack's n-th record, and returns its entry.
  @discardableResult
  private func damageRecord(
    _ fixture: EngineFixture, pack: String, number: Int
  ) throws -> PackDirectoryEntry {
    let entry = try fixture.directory(ofPackAt: pack)[number]
    try fixture.damage(pack, at: Int(entry.record.offset) + PackRecord.headByteCount + 10)
    return entry
  }

  /// The disk's ranges that hold a chunk's content.
  private func places(of chunk: PackDirectoryEntry, in pack: String) throws -> [Range<UInt64>] {
    let data = try Data(contentsOf: URL(fileURLWithPath: pack))
    let start = Int(chunk.record.offset) + PackRecord.headByteCount
    #expect(chunk.record.codec == .raw)
    let bytes = data[start..<(start + Int(chunk.record.rawLength))]
    let range = try #require(Data(content).firstRange(of: bytes))
    return [UInt64(range.lowerBound)..<UInt64(range.upperBound)]
  }

  @Test("a vault without damage passes, whole, quick, and point by point")
  func sound() throws {
    let fixture = try backedUp()
    try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other")
    let quick = try fixture.verify(isQuick: true)
    #expect(quick.damaged.isEmpty && quick.pointCount == 2)
    let ids = try PointCatalog(try fixture.vault()).entries.map(\.point.id)
    #expect(try Verifications(try fixture.vault()).time(of: ids[0]) == nil, "quick proves less")
    let one = try fixture.verify(ids[0].text)
    #expect(one.damaged.isEmpty && one.pointCount == 1)
    #expect(try Verifications(try fixture.vault()).time(of: ids[0]) != nil)
    #expect(try Verifications(try fixture.vault()).time(of: ids[1]) == nil)
    let whole = try fixture.verify()
    #expect(whole.damaged.isEmpty && whole.healed.isEmpty && whole.pointCount == 2)
    #expect(whole.chunkCount == one.chunkCount)
    #expect(whole.readByteCount > UInt64(content.count))
    #expect(quick.readByteCount < UInt64(content.count) / 10)
    #expect(try Verifications(try fixture.vault()).time(of: ids[1]) != nil)
    #expect(try fixture.objects("sessions").count == 2, "only the writers' are left")
    #expect(try fixture.objects("damage").isEmpty)
  }

  @Test("a damaged chunk: place, points, ranges; recorded; healed by the next backup")
  func chunk() throws {
    let fixture = try backedUp()
    try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other")
    let ids = try PointCatalog(try fixture.vault()).entries.map(\.point.id)
    let pack = try fixture.packsBySize()[0]
    let entry = try fixture.directory(ofPackAt: pack)[3]
    let ranges = try places(of: entry, in: pack)
    try damageRecord(fixture, pack: pack, number: 3)

    #expect(try fixture.verify(isQuick: true).damaged.isEmpty)
    for report in [try fixture.verify(), try fixture.verify(ids[0].text)] {
      let damage = try #require(report.damaged.first)
      #expect(report.damaged.count == 1)
      #expect(damage.object == "packs/\(URL(fileURLWithPath: pack).lastPathComponent)")
      #expect(damage.offset == entry.record.offset)
      #expect(Set(damage.losses.map(\.point)) == (report.pointCount == 2 ? Set(ids) : [ids[0]]))
      #expect(damage.losses.allSatisfy { $0.disk?.text == "disk" && $0.ranges == ranges })
    }
    #expect(try fixture.objects("damage").count == 1, "what is known is not recorded again")
    let found = try Verifications(try fixture.vault())
    #expect(ids.allSatisfy { found.time(of: $0) == nil && found.isLossy($0) })
    #expect(try fixture.verify(isQuick: true).damaged.count == 1, "known, and nothing good is left")

    try fixture.backup("\(fixture.directory.path)/disk.img")
    for report in [try fixture.verify(), try fixture.verify(ids[1].text)] {
      #expect(report.damaged.isEmpty)
    }
    #expect(try fixture.verify().healed.map(\.offset) == [entry.record.offset])
    let healed = try Verifications(try fixture.vault())
    #expect(ids.allSatisfy { healed.time(of: $0) != nil && !healed.isLossy($0) })
    #expect(try fixture.objects("damage").count == 1)
  }

  @Test("a point that was verified, and loses something later, counts as verified no more")
  func lossyLater() throws {
    let fixture = try backedUp()
    let id = try PointCatalog(try fixture.vault()).entries[0].point.id
    _ = try fixture.verify()
    #expect(try Verifications(try fixture.vault()).time(of: id) != nil)
    try FileManager.default.removeItem(atPath: try fixture.packsBySize()[0])
    _ = try fixture.verify(isQuick: true)
    for _ in 0..<2 {
      let found = try Verifications(try fixture.vault())
      #expect(found.time(of: id) == nil && found.isLossy(id))
      // Of both records, the collection keeps the one that counts.
      #expect(throws: VaultError.self) { try fixture.collect() }
    }
    try fixture.backup("\(fixture.directory.path)/disk.img")
    _ = try fixture.verify()
    #expect(try !Verifications(try fixture.vault()).isLossy(id))
    try fixture.collect()
    #expect(try fixture.objects("verifications").count == 1)
  }

  @Test("a point that is deleted for ever while points are listed is no gap", arguments: 1...2)
  func deletedMeanwhile(listing: Int) throws {
    let fixture = try backedUp()
    try fixture.backup("\(fixture.directory.path)/disk.img")
    let first = try PointCatalog(try fixture.vault()).entries[0].point.id
    let count = Lock(0)
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard event == .list(VaultFolder.points),
          count.withLock({
            $0 += 1; return $0 == listing
          })
        else { return }
        fixture.wrap = { $0 }
        try fixture.delete(first)
        #expect(try fixture.collect().deletedPointCount == 1)
      }
    }
    let report = try fixture.verify()
    #expect(report.damaged.map(\.problem) == [] && count.withLock { $0 } >= listing)
  }

  @Test("damage to the new copy of what was healed is damage again")
  func damagedAgain() throws {
    let fixture = try backedUp()
    try damageRecord(fixture, pack: try fixture.packsBySize()[0], number: 3)
    #expect(try fixture.verify().damaged.count == 1)
    let before = Set(try fixture.objects("packs"))
    try fixture.backup("\(fixture.directory.path)/disk.img")
    let new = try #require(
      try fixture.packsBySize().first { !before.contains($0) })
    try damageRecord(fixture, pack: new, number: 0)
    let report = try fixture.verify()
    #expect(report.damaged.count == 2 && report.healed.isEmpty)
    #expect(report.damaged.allSatisfy { $0.losses.count == 2 })
  }

  @Test("a pack that is gone, and one that lost its end", arguments: [nil, 70_000])
  func lostPack(length: Int?) throws {
    let fixture = try backedUp()
    let pack = try fixture.packsBySize()[0]
    let url = URL(fileURLWithPath: pack)
    let expected = try fixture.directory(ofPackAt: pack).reduce(0) { sum, entry in
      let end = Int(entry.record.offset) + entry.record.byteCount
      return end <= length ?? 0 ? sum : sum + Int(entry.record.rawLength)
    }
    if let length {
      try Data(contentsOf: url).prefix(length).write(to: url)
    } else {
      try FileManager.default.removeItem(at: url)
    }
    for isQuick in [true, false] {
      let report = try fixture.verify(isQuick: isQuick)
      let damage = try #require(report.damaged.first { $0.object.hasSuffix(url.lastPathComponent) })
      #expect(report.damaged.count == 1)
      let lost = damage.losses.flatMap(\.ranges).reduce(0) { $0 + $1.count }
      #expect(isQuick ? lost >= expected : lost == expected)
    }
    try fixture.backup("\(fixture.directory.path)/disk.img")
    for isQuick in [true, false] {
      let report = try fixture.verify(isQuick: isQuick)
      #expect(report.damaged.isEmpty)
      #expect(report.healed.count == 1)
    }
  }

  @Test("pack and segments gone: what no copy is known of is named itself")
  func unknown() throws {
    let fixture = try backedUp()
    try FileManager.default.removeItem(atPath: try fixture.packsBySize()[0])
    for path in try fixture.objects("index") { try FileManager.default.removeItem(atPath: path) }
    let report = try fixture.verify()
    #expect(report.damaged.count > 10)
    #expect(report.damaged.allSatisfy { $0.object.hasPrefix("chunk ") && $0.losses.count == 1 })
    try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(try fixture.verify().damaged.isEmpty)
  }

  @Test("map nodes: an extent's range is lost, a span's whole reach", arguments: [true, false])
  func nodes(isQuick: Bool) throws {
    let fixture = try backedUp()
    let pack = try #require(try fixture.packsBySize().last)
    let nodes = try fixture.directory(ofPackAt: pack)
    #expect(nodes.count == 4 && nodes.allSatisfy { $0.kind == .mapNode })
    try damageRecord(fixture, pack: pack, number: 0)
    let extents: [Range<UInt64>] = [0..<4_194_304, 4_194_304..<8_388_608, 8_388_608..<9_000_000]
    let report = try fixture.verify(isQuick: isQuick)
    #expect(report.damaged.count == 1)
    let ranges = report.damaged.flatMap(\.losses).flatMap(\.ranges)
    #expect(ranges.count == 1 && extents.contains(ranges[0]))
    // The span is stored last.
    try damageRecord(fixture, pack: pack, number: 3)
    let both = try fixture.verify(isQuick: isQuick)
    #expect(both.damaged.flatMap(\.losses).flatMap(\.ranges).contains(0..<9_000_000))
    try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(try fixture.verify(isQuick: isQuick).damaged.isEmpty)
  }

  @Test("a pack without a good directory is read by the index", arguments: [true, false])
  func noDirectory(isQuick: Bool) throws {
    let fixture = try backedUp()
    let pack = try #require(try fixture.packsBySize().last)
    for number in 0..<4 { try damageRecord(fixture, pack: pack, number: number) }
    try fixture.damage(pack, at: -1)
    // The root is lost, so no map leads to the nodes below; they must be found all the same.
    #expect(try fixture.verify(isQuick: isQuick).damaged.count == 5)
    try fixture.backup("\(fixture.directory.path)/disk.img")
    _ = try fixture.restore("latest")
    #expect(try fixture.restored("disk") == content)
  }

  @Test("a record whose bytes are whole and are not what its ID names")
  func wrongContent() throws {
    let fixture = try backedUp()
    let pack = try fixture.packsBySize()[0]
    let entry = try fixture.directory(ofPackAt: pack)[2]
    #expect(entry.record.codec == .raw)
    var data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: pack)))
    let start = Int(entry.record.offset)
    let stored = (start + PackRecord.headByteCount)..<(start + entry.record.byteCount)
    data[stored.lowerBound] ^= 1
    let record = PackRecord(
      kind: .chunk, codec: .raw, rawLength: stored.count, storedLength: stored.count,
      id: entry.id, storedChecksum: Checksum.of(Array(data[stored]).rawSpan))
    data.withMutableRawSpan { record.encode(to: &$0, at: start) }
    try Data(data).write(to: URL(fileURLWithPath: pack))
    let report = try fixture.verify()
    #expect(report.damaged.map(\.offset) == [entry.record.offset])
    #expect(report.damaged[0].problem.contains("does not have the record's ID"))
    #expect(report.damaged[0].losses.count == 1)
  }

  @Test("a record whose checksum is not that of its stored bytes, though its content is right")
  func wrongChecksum() throws {
    let fixture = try backedUp()
    let pack = try fixture.packsBySize()[0]
    let entry = try fixture.directory(ofPackAt: pack)[2]
    var data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: pack)))
    let length = Int(entry.record.storedLength)
    let record = PackRecord(
      kind: .chunk, codec: entry.record.codec, rawLength: Int(entry.record.rawLength),
      storedLength: length, id: entry.id, storedChecksum: 1)
    data.withMutableRawSpan { record.encode(to: &$0, at: Int(entry.record.offset)) }
    try Data(data).write(to: URL(fileURLWithPath: pack))
    let report = try fixture.verify()
    #expect(report.damaged.map(\.offset) == [entry.record.offset])
    #expect(report.damaged.first?.problem.contains("checksum") == true)
    #expect(report.damaged.first?.losses.isEmpty == true, "it can be read")
  }

  @Test("chunks that do not fit the witnesses are read again, and damage is found so too")
  func witnesses() throws {
    let fixture = try backedUp()
    let pack = try fixture.packsBySize()[0]
    let entry = try fixture.directory(ofPackAt: pack)[3]
    let none = WitnessSet(byteCount: 0, expected: 100)
    let fingerprint = Fingerprint(high: 1, low: 2)
    none.insert(entry.id, fingerprint)
    none.seal()
    #expect(!none.contains(entry.id, fingerprint))
    let some = WitnessSet(byteCount: 1 << 20, expected: 100)
    for number in 0..<1000 as Range<UInt64> {
      some.insert(ChunkID(number << 50, number, 0, 0), Fingerprint(high: number, low: 7))
    }
    some.seal()
    for number in 0..<1000 as Range<UInt64> {
      let id = ChunkID(number << 50, number, 0, 0)
      #expect(some.contains(id, Fingerprint(high: number, low: 7)))
      #expect(!some.contains(id, Fingerprint(high: number, low: 8)))
      #expect(!some.contains(id, Fingerprint(high: number + 1, low: 7)))
    }
  }

  @Test("a vault that can't be written is verified, and nothing is recorded")
  func readOnly() throws {
    let fixture = try backedUp()
    try damageRecord(fixture, pack: try fixture.packsBySize()[0], number: 3)
    fixture.wrap = {
      FailingStore($0, error: IOError("create", "vault", .readOnlyFileSystem)) { _ in true }
    }
    let report = try fixture.verify()
    #expect(report.damaged.count == 1)
    #expect(report.warnings.count == 1)
    #expect(try fixture.objects("damage").isEmpty)
  }

  @Test("backups and verifications run beside each other")
  func concurrent() throws {
    let fixture = try backedUp()
    let work = ParallelWork()
    let paths = try (0..<3).map {
      try fixture.image("d\($0)", TestContent.mixed(3_000_000, seed: 90 + UInt64($0)))
    }
    work.run("backup", lanes: 3) { lane in
      for _ in 0..<3 { try fixture.backup(paths[lane], machine: "m\(lane)") }
    }
    work.run("verify", lanes: 2) { lane in
      for _ in 0..<4 {
        let report = try fixture.verify(isQuick: lane == 0)
        #expect(report.damaged.isEmpty)
      }
    }
    try work.wait()
    #expect(try fixture.verify().pointCount == 10)
  }

  @Test("a backup that commits behind the listing of packs is no damage", arguments: [true, false])
  func laterPacks(isQuick: Bool) throws {
    let fixture = try backedUp()
    let other = try fixture.image("other", TestContent.noise(200_000, seed: 4))
    let isDone = Lock(false)
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard event == .list("packs"), !isDone.withLock({ $0 }) else { return }
        isDone.withLock { $0 = true }
        try fixture.backup(other, machine: "other")
      }
    }
    let report = try fixture.verify(isQuick: isQuick)
    #expect(isDone.withLock { $0 })
    #expect(report.damaged.isEmpty && report.healed.isEmpty)
    #expect(report.pointCount == 1)
  }

  @Test("what this process has not enough of is an error, wherever a verification meets it")
  func noMemory() throws {
    let calls = FaultySystemCalls()
    let fixture = try EngineFixture(calls: calls)
    try fixture.backup(try fixture.image("disk", TestContent.noise(300_000, seed: 5)))
    let id = try #require(try PointCatalog(try fixture.vault()).entries.first).point.id.text
    calls.restart()
    _ = try fixture.verify(id)
    let count = calls.count(of: .read)
    #expect(count > 10)
    for number in 1...count {
      calls.restart(faults: [.from(number, .read, .error(.noMemory))])
      #expect(throws: (any Error).self, "from read \(number) of \(count) on") {
        try fixture.verify(id)
      }
    }
  }

  @Test("a verification that is told to end ends", arguments: [false, true])
  func interrupted(isOfPoint: Bool) throws {
    let fixture = try backedUp()
    let vault = try fixture.vault()
    let point = try PointCatalog(vault).resolve("latest", machine: nil).point
    let verify = Verify(isOfPoint ? point : nil)
    verify.interruption.raise()
    #expect(throws: Interrupted.self) { try verify.run(on: vault) }
    #expect(try fixture.objects("sessions").count == 1)
  }
}
