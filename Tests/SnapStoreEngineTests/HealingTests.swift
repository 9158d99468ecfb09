import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// Damage that a run meets is recorded, and the next backup that meets the content stores it again.
@Suite("What was damaged is stored again") struct HealingTests {
  private static let large = TestContent.noise(9_000_000, seed: 31)
  private static let little = TestContent.noise(1_500_000, seed: 32)
  private var content: [UInt8] { Self.large }
  /// One pack of chunks, and one of nodes.
  private var small: [UInt8] { Self.little }

  private func backedUp(_ content: [UInt8]? = nil) throws -> EngineFixture {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", content ?? self.content))
    return fixture
  }

  @Test("a chunk that a restore found damaged heals with the next backup, though nothing changed")
  func chunk() throws {
    let fixture = try backedUp()
    try fixture.damage(try fixture.packsBySize()[0], at: 1_000_000)
    #expect(throws: VaultError.self) { try fixture.restore("latest", to: "broken") }
    #expect(try fixture.objects("damage").count == 1)
    let first = try PointCatalog(try fixture.vault()).entries[0].point

    let again = try fixture.backup("\(fixture.directory.path)/disk.img").point
    #expect(again.parent == first.id)
    #expect(again.figures.newByteCount > 0)
    #expect(again.figures.newByteCount <= UInt64(FormatLimit.maximumChunk), "only what was lost")
    for (number, point) in [first, again].enumerated() {
      _ = try fixture.restore(point.id.text, to: "restored\(number)")
      #expect(try fixture.restored("disk", in: "restored\(number)") == content)
    }
    #expect(try fixture.objects("damage").count == 1, "what is known is not recorded again")
    let third = try fixture.backup("\(fixture.directory.path)/disk.img").point
    #expect(third.figures.newByteCount == 0, "it is healed")
  }

  @Test("a pack that is gone heals with the next backup of the machine or of another")
  func missingPacks() throws {
    for machine in ["vm", "other"] {
      for isMap in [false, true] {
        let fixture = try backedUp()
        try FileManager.default.removeItem(
          atPath: try #require(
            isMap ? try fixture.packsBySize().last : try fixture.packsBySize().first))
        let first = try PointCatalog(try fixture.vault()).entries[0].point
        let again = try fixture.backup("\(fixture.directory.path)/disk.img", machine: machine)
        #expect((again.point.figures.newByteCount > 0) == !isMap)
        _ = try fixture.restore(first.id.text)
        #expect(try fixture.restored("disk") == content)
        let third = try fixture.backup("\(fixture.directory.path)/disk.img", machine: machine)
        #expect(third.point.figures.newByteCount == 0)
      }
    }
  }

  @Test("a pack that lost its end is not relied on")
  func shortPack() throws {
    let fixture = try backedUp()
    let pack = URL(fileURLWithPath: try fixture.packsBySize()[0])
    try Data(contentsOf: pack).prefix(100_000).write(to: pack)
    let first = try PointCatalog(try fixture.vault()).entries[0].point
    let again = try fixture.backup("\(fixture.directory.path)/disk.img").point
    #expect(again.figures.newByteCount > 4_000_000)
    _ = try fixture.restore(first.id.text)
    #expect(try fixture.restored("disk") == content)
  }

  enum LostSegment: String, CaseIterable {
    case missing, damagedHead, flippedVersion, damagedPage
  }
  enum Between: String, CaseIterable { case nothing, collection, otherBackup }

  /// The parent's map is there, and all that it says of chunks seems to be. Who comes first makes
  /// good segments over the packs that are left, which tell nothing of what was lost.
  @Test(
    "a pack that is gone together with the segment that told of it heals, whoever comes first",
    arguments: LostSegment.allCases, Between.allCases)
  func missingPackAndSegment(segment: LostSegment, between: Between) throws {
    let fixture = try backedUp(small)
    try FileManager.default.removeItem(atPath: try #require(try fixture.packsBySize().first))
    for path in try fixture.objects("index") {
      switch segment {
      case .missing: try FileManager.default.removeItem(atPath: path)
      case .damagedHead: try fixture.damage(path, at: 50)
      case .flippedVersion: try fixture.damage(path, at: 12)
      case .damagedPage: try fixture.damage(path, at: 4200)
      }
    }
    switch between {
    case .nothing: break
    case .collection: #expect(throws: VaultError.self) { try fixture.collect() }
    case .otherBackup:
      let other = try fixture.image("other", TestContent.noise(100_000, seed: 3))
      try fixture.backup(other, machine: "other")
    }
    let healing = try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(healing.point.figures.newByteCount > 1_000_000)
    for _ in 0..<2 { try fixture.collect() }
    #expect(try fixture.objects("damage") == [], "all that is needed was found")
    #expect(try fixture.verify().damaged.map(\.problem) == [])
    let points = try PointCatalog(try fixture.vault()).entries.map(\.point)
    for (number, point) in points.filter({ $0.machine.text == "vm" }).enumerated() {
      _ = try fixture.restore(point.id.text, to: "restored\(number)")
      #expect(try fixture.restored("disk", in: "restored\(number)") == small)
    }
  }

  @Test("a segment over packs of a run that came to no end is missed as well, with one of them")
  func segmentOverPacksOfKilledRun() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", small)
    let left = try fixture.backupWithoutSegment(path)
    #expect(try fixture.backup(path).point.figures.newByteCount == 0)
    for segment in try fixture.objects("index") {
      try FileManager.default.removeItem(atPath: segment)
    }
    let lost = try #require(try fixture.packsBySize().first)
    #expect(left.contains(lost))
    try FileManager.default.removeItem(atPath: lost)
    #expect(try fixture.backup(path).point.figures.newByteCount > 1_000_000)
    for _ in 0..<2 { try fixture.collect() }
    #expect(try fixture.verify().damaged.map(\.problem) == [])
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == small)
  }

  @Test("a segment that can't be read may have told of more than the others do")
  func unreadableSegmentBesideAnother() throws {
    let fixture = try backedUp(small)
    let packs = try fixture.packsBySize()
    let (covered, entries) = try fixture.segment(overPacksAt: Array(packs.dropFirst()))
    let whole = try #require(try fixture.objects("index").first)
    try FileManager.default.removeItem(atPath: packs[0])
    try fixture.damage(whole, at: 50)
    let other = "\(whole.dropLast(2))99"
    try Data(IndexSegmentLayout.encode(packs: covered, entries: entries))
      .write(to: URL(fileURLWithPath: other))
    let healing = try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(healing.point.figures.newByteCount > 1_000_000)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == small)
  }

  /// What an outcome would tell of the session is gone in an old vault.
  @Test("the loss of packs and segments is noticed of a session that nobody knows any more")
  func lossOfForgottenSession() throws {
    let fixture = try backedUp(small)
    let first = try #require(try PointCatalog(try fixture.vault()).entries.first).point.id
    try fixture.backup("\(fixture.directory.path)/disk.img")
    try fixture.delete(first)
    for _ in 0..<2 { try fixture.collect(maximumDeadPercent: 0) }
    #expect(try PointCatalog(try fixture.vault()).entries.count == 1)
    let lost = [try #require(try fixture.packsBySize().first)] + (try fixture.objects("index"))
    for path in lost { try FileManager.default.removeItem(atPath: path) }
    for _ in 0..<2 { try fixture.backup("\(fixture.directory.path)/disk.img") }
    for (number, entry) in try PointCatalog(try fixture.vault()).entries.enumerated() {
      _ = try fixture.restore(entry.point.id.text, to: "restored\(number)")
      #expect(try fixture.restored("disk", in: "restored\(number)") == small)
    }
  }

  /// Another process says that nobody knows what is lost; false where that was said already.
  private static func noteUnknownLoss(in vault: Vault) throws -> Bool {
    let record = DamageRecord(
      name: SerialName(session: SessionID(high: 1, low: 2), number: 1), time: vault.now(),
      findings: [])
    return try vault.store.put(
      ObjectName(folder: VaultFolder.damage, key: "\(record.name)"), record.encoded())
  }

  @Test("a collection beside a backup forgets nothing of what is lost: that may go by it")
  func lossBesideBackup() throws {
    let fixture = try backedUp(small)
    let vault = try fixture.vault()
    let known = Set(try fixture.objects("packs"))
    let other = try fixture.image("other", TestContent.noise(100_000, seed: 3))
    try fixture.delete(try fixture.backup(other, machine: "other").point.id)
    let pack = try #require(try fixture.packsBySize().first { !known.contains($0) })
    try FileManager.default.removeItem(atPath: pack)
    #expect(try Self.noteUnknownLoss(in: vault))
    do {
      let session = try Session.beginWriting(vault, leaningOn: [])
      try fixture.collect()
      withExtendedLifetime(session) {}
    }
    #expect(try fixture.objects("damage").count == 1)
    #expect(try vault.newestEpoch()?.doomed.contains { pack.hasSuffix("\($0)") } != true)
    for _ in 0..<2 { try fixture.collect() }
    #expect(try fixture.objects("damage") == [])
    #expect(try fixture.verify().damaged.map(\.problem) == [])
  }

  @Test("what another says to be lost once the records of that were read counts too")
  func lossNotedMeanwhile() throws {
    let fixture = try backedUp(small)
    let vault = try fixture.vault()
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard event == .list(VaultFolder.damage) else { return }
        _ = try Self.noteUnknownLoss(in: vault)
      }
    }
    let session = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    #expect(try !ChunkIndex(session: session, memory: 1 << 20).isComplete)
  }

  /// Its records can be read, so the parent's map can be used; but nothing new may refer to them.
  @Test("a pack of map nodes that lost its end is read, and not relied on")
  func shortMapPack() throws {
    let fixture = try backedUp()
    let pack = URL(fileURLWithPath: try #require(try fixture.packsBySize().last))
    try Data(contentsOf: pack).dropLast().write(to: pack)
    try fixture.backup("\(fixture.directory.path)/disk.img")
    try FileManager.default.removeItem(at: pack)
    for (number, entry) in try PointCatalog(try fixture.vault()).entries.enumerated() {
      _ = try fixture.restore(entry.point.id.text, to: "restored\(number)")
      #expect(try fixture.restored("disk", in: "restored\(number)") == content)
    }
  }

  @Test("a map node that a restore found damaged heals, of an extent and of a span")
  func nodes() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", content)
    let first = try fixture.backup(path).point
    let pack = try #require(try fixture.packsBySize().last)
    let length = try Data(contentsOf: URL(fileURLWithPath: pack)).count
    // Nodes are small: every hundredth byte meets each of them.
    for offset in stride(from: 150, to: length - 500, by: 100) {
      try fixture.damage(pack, at: offset)
    }
    // A restore ends with the first damage its lanes meet, so a round may find one node of four.
    var failures = 0
    while failures <= 4 {
      do {
        _ = try fixture.restore(first.id.text)
        break
      } catch let error as VaultError where error.code == .damaged {
        failures += 1
        try fixture.backup(path)
      }
    }
    #expect((1...4).contains(failures))
    #expect(try fixture.restored("disk") == content)
  }

  @Test("what is found damaged while a collection works stays on record, and heals")
  func whileCollecting() throws {
    let fixture = try backedUp()
    let old = try fixture.backup(
      try fixture.image("old", TestContent.noise(9_000_000, seed: 32)), machine: "old")
    try fixture.delete(old.point.id)
    let late = try fixture.image("late", TestContent.noise(9_000_000, seed: 33))
    let before = Set(try fixture.packsBySize())
    let hasHappened = fixture.beforeFirst(of: VaultFolder.epochs) {
      try fixture.backup(late, machine: "late")
      let pack = try #require(try fixture.packsBySize().first { !before.contains($0) })
      try fixture.damage(pack, at: 1_000_000)
      #expect(try !fixture.verify().damaged.isEmpty)
    }
    // Beside a reader that began before, a collection makes one round.
    let reader = try Session.beginReading(try fixture.vault(), leaningOn: [])
    try fixture.collect()
    reader.end()
    #expect(hasHappened.withLock { $0 })
    #expect(try fixture.objects("damage").count == 1)
    #expect(try fixture.backup(late, machine: "late").point.figures.newByteCount > 0)
    _ = try fixture.restore(machine: "late")
  }

  @Test("a record of damage stays as long as one of the packs that it names")
  func recordOfTwoPacks() throws {
    let fixture = try backedUp()
    let pack = try #require(try fixture.packsBySize().first)
    let known = Set(try fixture.objects("packs"))
    let old = try fixture.image("old", TestContent.noise(2_000_000, seed: 34))
    let oldPoint = try fixture.backup(old, machine: "old").point.id
    let oldPack = try #require(try fixture.packsBySize().first { !known.contains($0) })
    for path in [pack, oldPack] { try fixture.damage(path, at: 1_000_000) }
    #expect(try fixture.verify().damaged.count == 2)
    #expect(try fixture.objects("damage").count == 1)
    try fixture.backup("\(fixture.directory.path)/disk.img")
    try fixture.delete(oldPoint)
    try fixture.collect()
    let packs = try fixture.objects("packs")
    #expect(packs.contains(pack) && !packs.contains(oldPack))
    #expect(try fixture.objects("damage").count == 1)
    for entry in try PointCatalog(try fixture.vault()).kept { try fixture.delete(entry.point.id) }
    try fixture.collect()
    #expect(try fixture.objects("damage").isEmpty)
  }

  @Test("damage in one extent costs no lookups of the others")
  func others() throws {
    let fixture = try backedUp()
    try fixture.damage(try fixture.packsBySize()[0], at: 1_000_000)
    #expect(throws: VaultError.self) { try fixture.restore("latest", to: "broken") }
    let session = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    let index = try ChunkIndex(session: session, memory: 1 << 20)
    #expect(index.lost.count == 1)
    #expect(index.isComplete)
  }

  @Test("a record of damage that can't be read lets no parent be relied on")
  func damagedRecord() throws {
    let fixture = try backedUp()
    try fixture.damage(try fixture.packsBySize()[0], at: 1_000_000)
    #expect(throws: VaultError.self) { try fixture.restore("latest", to: "broken") }
    try fixture.damage(try #require(try fixture.objects("damage").first), at: 80)
    let session = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    #expect(try !ChunkIndex(session: session, memory: 1 << 20).isComplete)
  }
}
