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
  // Made once, and not for each test: that takes longer than most of them.
  private static let contents = (1...2 as ClosedRange<UInt64>).map {
    TestContent.mixed(9_000_000, seed: $0)
  }
  private let first = contents[0]
  private let second = contents[1]

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

  @Test("a dry run changes nothing, whatever it finds")
  func dryRun() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one)
    // A writer that dies, and packs that no segment tells of.
    _ = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    for path in try fixture.objects("index") { try FileManager.default.removeItem(atPath: path) }
    let before = try fixture.files()
    #expect(try fixture.collect(isDryRun: true).deletedPointCount == 1)
    #expect(try fixture.files() == before)
  }

  @Test("what was deleted is forgotten: no decision names it, no segment, and no old epoch")
  func forgotten() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one)
    for _ in 0..<2 { try fixture.collect() }
    let vault = try fixture.vault()
    #expect(try vault.newestEpoch()?.doomed == [])
    #expect(try fixture.objects("epochs").count == 2)
    let session = try Session.beginReading(vault, leaningOn: [])
    defer { session.end() }
    let index = try ChunkIndex(session: session, memory: 1 << 20)
    #expect(index.coveredPacks == Set(session.packs.keys))
  }

  /// What happens between two looks is seen by the second (docs/format.md, "Collection").
  @Test("a collection looks at everything in the order of the protocol")
  func order() throws {
    let (fixture, _, _) = try twoPoints()
    let looks = Lock<[String]>([])
    let folders = [
      VaultFolder.sessions, VaultFolder.outcomes, VaultFolder.points, VaultFolder.packs,
    ]
    fixture.wrap = { store in
      ObservedStore(store) { event in
        switch event {
        case .list(let folder) where folders.contains(folder):
          looks.withLock { $0.append(folder) }
        case .finish(let name) where name.folder == VaultFolder.sessions:
          looks.withLock { $0.append("registered") }
        default: break
        }
      }
    }
    try fixture.collect()
    #expect(
      looks.withLock { $0 }.prefix(11) == [
        "points", "outcomes",  // what was committed, whatever became of its outcome
        "sessions", "outcomes",  // who died
        "packs", "outcomes", "points", "sessions", "points", "registered", "packs",
      ])
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

  @Test("a dead reader keeps nothing, and its record goes")
  func deadReader() throws {
    let (fixture, one, _) = try twoPoints()
    _ = try Session.beginReading(try fixture.vault(), leaningOn: [one])
    try fixture.delete(one)
    #expect(try fixture.collect().deletedPointCount == 1)
    #expect(try fixture.objects("sessions").isEmpty)
  }

  @Test("the copies of a point go whose writer could not commit it")
  func abortedPoint() throws {
    let (fixture, _, _) = try twoPoints()
    let path = try fixture.image("three", TestContent.noise(10_000, seed: 78))
    fixture.wrap = { store in FailingStore(store) { $0.folder == VaultFolder.outcomes } }
    #expect(throws: FailingStore.Refused.self) { try fixture.backup(path, machine: "three") }
    fixture.wrap = { $0 }
    #expect(try fixture.objects("points").count == 6)
    for _ in 0..<2 { try fixture.collect() }
    #expect(try fixture.objects("points").count == 4)
    #expect(try fixture.objects("outcomes").count == 4)
    try expectSound(fixture)
  }

  @Test("a pack that was condemned while a backup began to use it is written anew, and goes")
  func condemnedInUse() throws {
    let (fixture, one, _) = try twoPoints()
    let path = "\(fixture.directory.path)/one.img"
    try fixture.delete(one)
    let hasCollected = fixture.beforeFirst(of: VaultFolder.points) {
      let report = try fixture.collect()
      #expect(report.waitingByteCount > 0)
    }
    let point = try fixture.backup(path, machine: "three").point
    #expect(point.figures.newByteCount == 0 && hasCollected.withLock { $0 })
    #expect(try fixture.collect().waitingByteCount == 0)
    #expect(try fixture.backup(path, machine: "four").point.figures.newByteCount == 0)
    _ = try fixture.restore(point.id.text)
    #expect(try fixture.restored("one") == first)
    try expectSound(fixture)
  }

  @Test(
    "a point whose outcomes can't be read, or are lost, keeps what it needs, and verify says so",
    arguments: [false, true])
  func unreadableOutcomes(areLost: Bool) throws {
    let (fixture, one, two) = try twoPoints()
    // The records of the sessions go.
    try fixture.collect()
    let session = try #require(
      try PointCatalog(try fixture.vault()).entries.first { $0.point.id == two }
    ).point.session
    let paths = try fixture.objects("outcomes").filter { $0.contains(session.description) }
      .map { URL(fileURLWithPath: $0) }
    let outcomes = try paths.map { try Data(contentsOf: $0) }
    #expect(outcomes.count == 2)
    for path in paths {
      if areLost {
        try FileManager.default.removeItem(at: path)
      } else {
        try Data([1, 2, 3]).write(to: path)
      }
    }
    let losses = try fixture.verify(isQuick: true).damaged.flatMap(\.losses)
    #expect(Set(losses.map(\.point)) == [two])
    #expect(try PointCatalog(try fixture.vault()).resolveAny(two.text).id == two, "to be deleted")
    // It is not there but for who names it.
    let catalog = try PointCatalog(try fixture.vault())
    let doubtful = try catalog.resolve(two.text, machine: nil)
    #expect(catalog.doubt(of: doubtful)?.contains("outcomes/\(session)") == true)
    #expect(catalog.entries.map(\.point.id) == [one])
    let refusal = #expect(throws: VaultError.self) { try fixture.restore(machine: "two") }
    #expect(refusal?.code == .damaged && refusal?.hint?.contains(two.text) == true)
    _ = try fixture.restore(machine: "one", to: "one")
    #expect(try fixture.verify(two.text).damaged.isEmpty)
    try fixture.delete(one)
    try fixture.collect(maximumDeadPercent: 0)
    _ = try fixture.restore(two.text)
    #expect(try fixture.restored("two") == second)
    for (path, outcome) in zip(paths, outcomes) { try outcome.write(to: path) }
    try expectSound(fixture)
  }

  @Test("where outcomes are lost, the points that others follow are there, and in the end all are")
  func lostOutcomes() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", first)
    var ids: [PointID] = []
    for content in [first, second, first] {
      _ = try fixture.image("disk", content)
      ids.append(try fixture.backup(path).point.id)
    }
    // Of the first, the session's record is gone too.
    let catalog = try PointCatalog(try fixture.vault())
    try FileManager.default.removeItem(
      atPath: "\(fixture.vaultPath)/sessions/\(catalog.entries[0].point.session)")
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/outcomes")
    // One that is under way has none yet.
    let vault = try fixture.vault()
    let session = try Session.beginWriting(vault, leaningOn: [])
    var other = catalog.entries[2].point
    other.id = try #require(PointID("20301231T235959Z-000000"))
    other.session = session.id
    #expect(
      try vault.store.put(
        ObjectName(folder: VaultFolder.points, key: "\(other.id).1"), other.encoded()))

    let lost = try PointCatalog(vault)
    #expect(lost.entries.map(\.point.id) == Array(ids.prefix(2)))
    #expect(lost.entries.allSatisfy { $0.lostOutcome != nil && lost.doubt(of: $0) == nil })
    #expect(lost.unreadable.map(\.id) == [ids[2]])
    #expect(lost.doubt(of: try lost.resolve(ids[2].text, machine: nil)) != nil)
    #expect(throws: VaultError.self) { try lost.resolve("latest", machine: nil) }
    let damaged = try fixture.verify(isQuick: true).damaged
    #expect(damaged.count == 3 && damaged.flatMap(\.losses).map(\.point) == [ids[2]])
    #expect(damaged.filter { $0.problem.contains("a later point shows") }.count == 2)
    #expect(try fixture.collect(isDryRun: true).warnings.isEmpty)
    #expect(try fixture.objects("outcomes").isEmpty)

    #expect(try fixture.collect(maximumDeadPercent: 0).warnings.count == 1)
    let mended = try PointCatalog(vault)
    #expect(mended.entries.map(\.point.id) == ids && mended.unreadable.isEmpty)
    #expect(mended.entries.allSatisfy { $0.lostOutcome == nil })
    #expect(try fixture.objects("outcomes").count == 6, "not of what is under way")
    withExtendedLifetime(session) {}
    for (id, content) in zip(ids, [first, second, first]) {
      _ = try fixture.restore(id.text, to: id.text)
      #expect(try fixture.restored("disk", in: id.text) == content)
    }
    try expectSound(fixture)
    #expect(try fixture.collect().warnings.isEmpty)
  }

  @Test("of one whose outcome or its copy is missing, both are there after a collection")
  func missingOutcome() throws {
    let (fixture, one, two) = try twoPoints()
    let sessions = try PointCatalog(try fixture.vault()).entries.map(\.point.session)
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/outcomes/\(sessions[0])")
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/outcomes/\(sessions[1]).2")
    #expect(try fixture.verify(isQuick: true).damaged.count == 1)
    #expect(try fixture.collect().warnings.count == 1)
    #expect(try fixture.objects("outcomes").count == 4)
    #expect(try PointCatalog(try fixture.vault()).entries.map(\.point.id) == [one, two])
    try expectSound(fixture)
  }

  @Test("where other collections decide first each time, nothing is freed, and that is said")
  func overtaken() throws {
    let (fixture, one, _) = try twoPoints()
    try fixture.delete(one)
    let before = try fixture.objects("packs") + fixture.objects("points")
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .create(let name) = event, name.folder == VaultFolder.epochs,
          let number = EpochName(name.key[...])?.number
        else { return }
        let other = EpochRecord(
          number: number, session: SessionID(high: 1, low: number), time: Timestamp(seconds: 5),
          condemned: [], doomed: [])
        let isFirst = try store.put(name, other.encoded())
        #expect(isFirst)
      }
    }
    let error = #expect(throws: VaultError.self) { try fixture.collect() }
    #expect(error?.code == .aborted)
    #expect(try Set(fixture.objects("packs") + fixture.objects("points")).isSuperset(of: before))
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
    // The third explains what the fourth names; nothing names the second any more. Two steps each.
    #expect(try fixture.objects("tombstones").count == 2)
    try fixture.delete(points[3])
    try fixture.collect()
    // The fourth explains why a host that made it does not find it.
    #expect(try fixture.objects("tombstones").count == 2)
    try expectSound(fixture)
    let next = try fixture.backup("\(fixture.directory.path)/disk.img").point
    #expect(next.sequence == 2)
    try expectSound(fixture)
    for _ in 3...5 { try fixture.backup("\(fixture.directory.path)/disk.img") }
    try fixture.collect()
    #expect(try fixture.objects("tombstones").isEmpty)
  }
}
