import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

extension EngineFixture {
  @discardableResult
  func collect(
    maximumDeadPercent: Int = 10, isDryRun: Bool = false, batchByteCount: UInt64? = nil
  ) throws -> Collect.Report {
    var collect = Collect()
    collect.maximumDeadPercent = maximumDeadPercent
    collect.isDryRun = isDryRun
    if let batchByteCount { collect.batchByteCount = batchByteCount }
    collect.resources = Resources(jobs: 2)
    return try collect.run(on: try vault())
  }

  func delete(_ point: PointID, isFinal: Bool = true) throws {
    let vault = try vault()
    let (id, subject) = try PointCatalog(vault).resolveAny(point.text)
    try PointDeletion(vault, at: vault.now()).delete(id, subject: subject, isFinal: isFinal)
  }
}

@Suite("Collecting frees what nothing needs, and nothing else")
struct CollectTests {
  private let first = TestContent.mixed(9_000_000, seed: 1)
  private let second = TestContent.mixed(9_000_000, seed: 2)

  /// Two machines, each with a point; the disks have nothing in common.
  private func twoPoints() throws -> (EngineFixture, PointID, PointID) {
    let fixture = try EngineFixture()
    let one = try fixture.backup(try fixture.image("one", first), machine: "one")
    let two = try fixture.backup(try fixture.image("two", second), machine: "two")
    return (fixture, one.point.id, two.point.id)
  }

  private func expectSound(_ fixture: EngineFixture) throws {
    let report = try fixture.verify()
    #expect(report.damaged.map(\.object) == [] && report.damaged.map(\.problem) == [])
  }

  @Test("a vault in which all is needed stays as it is, and there is no decision")
  func nothingToDo() throws {
    let (fixture, _, _) = try twoPoints()
    let packs = try fixture.objects("packs")
    // The records of the sessions go.
    try fixture.collect()
    let report = try fixture.collect()
    #expect(report.freedByteCount == 0 && report.waitingByteCount == 0)
    #expect(try fixture.objects("packs") == packs)
    #expect(try fixture.objects("sessions").isEmpty)
    try expectSound(fixture)
  }

  @Test("what only a deleted point needed is freed, and the other restores")
  func deleted() throws {
    let (fixture, one, two) = try twoPoints()
    let before = try fixture.vaultByteCount()
    try fixture.delete(one)
    let dry = try fixture.collect(isDryRun: true)
    #expect(try fixture.vaultByteCount() - before < 1000)
    let report = try fixture.collect()
    let after = try fixture.vaultByteCount()
    #expect(before - after > before / 3)
    #expect(report.deletedPointCount == 1 && report.waitingByteCount == 0)
    #expect(dry.freedByteCount > report.freedByteCount * 9 / 10)
    #expect(dry.freedByteCount < report.freedByteCount * 11 / 10)
    #expect(try PointCatalog(fixture.vault()).kept.map(\.point.id) == [two])
    _ = try fixture.restore()
    #expect(try fixture.restored("two") == second)
    try expectSound(fixture)
    // And what was deleted can be stored again.
    try fixture.backup("\(fixture.directory.path)/one.img", machine: "one")
    _ = try fixture.restore("latest", machine: "one", to: "again")
    #expect(try fixture.restored("one", in: "again") == first)
    try expectSound(fixture)
  }

  @Test("a deleted point keeps everything, and comes back whole")
  func softDeleted() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one, isFinal: false)
    #expect(try PointCatalog(fixture.vault()).deleted.map(\.point.id) == [one])
    let error = #expect(throws: VaultError.self) { try fixture.restore(one.text) }
    #expect(error?.hint?.contains("undelete \(one)") == true)
    try fixture.collect(maximumDeadPercent: 0)
    #expect(throws: VaultError.self) { try fixture.restore(one.text) }
    let vault = try fixture.vault()
    try PointDeletion(vault, at: vault.now()).undelete(one)
    _ = try fixture.restore(one.text)
    #expect(try fixture.restored("one") == first)
    try expectSound(fixture)
  }

  @Test("packs of which half is needed are written anew, and the vault is as a fresh one")
  func halfDead() throws {
    let fixture = try EngineFixture()
    let fresh = try EngineFixture()
    var content = first
    var last: PointID?
    for day in 0..<6 {
      if let last { try fixture.delete(last) }
      let change = TestContent.noise(700_000, seed: UInt64(50 + day))
      content.replaceSubrange((day * 1_000_000)..<(day * 1_000_000 + change.count), with: change)
      last = try fixture.backup(try fixture.image("disk", content)).point.id
    }
    try fresh.backup(try fresh.image("disk", content))
    let report = try fixture.collect(maximumDeadPercent: 0)
    #expect(report.copiedByteCount > 0 && report.deadByteCount == 0)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
    try expectSound(fixture)
    let size = Double(try fixture.vaultByteCount())
    let ideal = Double(try fresh.vaultByteCount())
    #expect(size < ideal * 1.05, "\(size) bytes, and \(ideal) in a fresh vault")
  }

  @Test("what a backup or restore under way may use stays till it ends")
  func underWay() throws {
    let (fixture, one, _) = try twoPoints()
    let vault = try fixture.vault()
    let packs = try fixture.objects("packs")
    let reader = try Session.beginReading(vault, leaningOn: [one])
    try fixture.delete(one)
    var report = try fixture.collect(maximumDeadPercent: 0)
    #expect(report.deletedPointCount == 0 && report.waitingFor.map(\.id) == [reader.id])
    #expect(Set(try fixture.objects("packs")).isSuperset(of: packs))
    reader.end()
    let writer = try Session.beginWriting(vault, leaningOn: [])
    report = try fixture.collect(maximumDeadPercent: 0)
    // It may deduplicate against what is condemned now; the point itself goes.
    #expect(report.deletedPointCount == 1 && report.waitingByteCount > 0)
    #expect(Set(try fixture.objects("packs")).isSuperset(of: packs))
    withExtendedLifetime(writer) {}
    try expectSound(fixture)
  }

  /// With the index or, where that is lost, by the directories of the packs.
  @Test("what is condemned is stored again by who meets it", arguments: [false, true])
  func condemned(isIndexLost: Bool) throws {
    let (fixture, one, two) = try twoPoints()
    let whenNew = try #require(
      try PointCatalog(try fixture.vault()).entries.first { $0.point.id == one }
    ).point.figures.newByteCount
    try fixture.delete(one)
    // Somebody who is under way keeps it from being deleted.
    let reader = try Session.beginReading(try fixture.vault(), leaningOn: [two])
    #expect(try fixture.collect().waitingByteCount > 0)
    for segment in isIndexLost ? try fixture.objects("index") : [] {
      try FileManager.default.removeItem(atPath: segment)
    }
    let again = try fixture.backup("\(fixture.directory.path)/one.img", machine: "three").point
    #expect(again.figures.newByteCount > whenNew * 9 / 10)
    reader.end()
    #expect(try fixture.collect().deletedPackCount > 0)
    _ = try fixture.restore(again.id.text)
    #expect(try fixture.restored("one") == first)
    try expectSound(fixture)
  }

  @Test("a dead writer is ended, and what it stored is freed")
  func deadWriter() throws {
    let (fixture, _, _) = try twoPoints()
    do {
      let writer = try Session.beginWriting(try fixture.vault(), leaningOn: [])
      let index = try ChunkIndex(session: writer, memory: 1 << 22)
      let packs = PackWriter(session: writer, index: index)
      let noise = TestContent.noise(10_000, seed: 77)
      let id = writer.vault.hasher.id(of: noise.rawSpan, domain: .chunk)
      let encoder = RecordEncoder(vault: writer.vault, verifiesWrites: true)
      var record = [UInt8](repeating: 0, count: 11_000)
      var scratch = record
      let entry = try record.withMutableRawSpan { target in
        try scratch.withMutableRawSpan { scratch in
          try encoder.encode(
            noise.rawSpan, id: id, kind: .chunk, to: &target, at: 0, scratch: &scratch)
        }
      }
      try packs.append(record.rawSpan.extracting(0..<entry.record.byteCount), [entry])
      try packs.finish()
    }
    let count = try fixture.objects("packs").count
    try fixture.collect()
    try fixture.collect()
    #expect(try fixture.objects("packs").count == count - 1)
    #expect(try fixture.objects("sessions").isEmpty)
    #expect(try fixture.objects("outcomes").count == 4)
    try expectSound(fixture)
  }

  @Test("if anything that is needed can't be read, nothing is freed")
  func failSafe() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one)
    // The smallest hold the map nodes.
    for pack in try fixture.packsBySize().suffix(2) { try fixture.damage(pack, at: 200) }
    let before = try fixture.objects("packs")
    let error = #expect(throws: VaultError.self) { try fixture.collect() }
    #expect(error?.code == .damaged)
    #expect(try fixture.objects("packs") == before)
    #expect(try fixture.objects("epochs").isEmpty)
  }

  @Test("no decision can follow the one of the highest number: that is said, and nothing is freed")
  func lastEpoch() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one)
    let last = EpochRecord(
      number: EpochName.maximumNumber, session: SessionID(high: 1, low: 1),
      time: Timestamp(seconds: 5), condemned: [], doomed: [])
    let name = ObjectName(folder: VaultFolder.epochs, key: "7fffffffffffffff")
    #expect(try fixture.vault().store.put(name, last.encoded()))
    let before = try fixture.objects("packs")
    for isDryRun in [true, false] {
      let error = #expect(throws: VaultError.self) { try fixture.collect(isDryRun: isDryRun) }
      #expect(error?.code == .damaged && error?.message.contains(name.description) == true)
    }
    #expect(try fixture.objects("packs") == before)
    // As the hint says.
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/epochs")
    #expect(try fixture.collect().deletedPointCount == 1)
    try expectSound(fixture)
  }

  @Test("gaps that deleted points leave in the chain are explained, as long as there are any")
  func chain() throws {
    let fixture = try EngineFixture()
    var points: [PointID] = []
    for day in 0..<4 {
      let image = try fixture.image("disk", TestContent.noise(300_000, seed: UInt64(day)))
      points.append(try fixture.backup(image).point.id)
    }
    try fixture.delete(points[1])
    try fixture.delete(points[2])
    try fixture.collect()
    try expectSound(fixture)
    // The third explains what the fourth names; nothing names the second any more.
    #expect(try fixture.objects("tombstones").count == 1)
    try fixture.delete(points[3])
    try fixture.collect()
    // The fourth explains why a host that made it does not find it.
    #expect(try fixture.objects("tombstones").count == 1)
    try expectSound(fixture)
    let next = try fixture.backup("\(fixture.directory.path)/disk.img").point
    #expect(next.sequence == 2)
    try expectSound(fixture)
    for _ in 3...5 { try fixture.backup("\(fixture.directory.path)/disk.img") }
    try fixture.collect()
    #expect(try fixture.objects("tombstones").isEmpty)
  }
}
