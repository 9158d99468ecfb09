import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Verify finds damage to everything that is no data") struct VerifyStructureTests {
  /// Three points of one machine, the disk different each time.
  private func backedUp() throws -> EngineFixture {
    let fixture = try EngineFixture()
    for seed in 0..<3 as Range<UInt64> {
      let path = try fixture.image("disk", TestContent.noise(50_000 + Int(seed), seed: seed))
      try fixture.backup(path)
      try FileManager.default.removeItem(atPath: path)
    }
    return fixture
  }

  private func objects(_ report: Verify.Report) -> [String] { report.damaged.map(\.object) }

  @Test("each byte of a small vault: no flip stays unseen")
  func everyByte() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", TestContent.mixed(20_000, seed: 3)))
    let pack = try #require(try fixture.packsBySize().first)
    let healed = try fixture.directory(ofPackAt: pack)[0].record
    try fixture.damage(pack, at: 200)
    _ = try fixture.verify()  // leaves a record of damage, to be flipped too
    try fixture.backup("\(fixture.directory.path)/disk.img")
    let first = try fixture.verify()
    #expect(first.damaged.isEmpty && first.healed.count == 1)
    let known = Set(try files(of: fixture))
    for path in known.sorted() {
      let whole = try Data(contentsOf: URL(fileURLWithPath: path))
      // Every byte of what is small, and some of the index pages, which have a checksum each.
      for offset in stride(from: 0, to: whole.count, by: whole.count > 3000 ? 211 : 11) {
        if isFill(offset, path, whole) { continue }
        if path == pack, (64..<(64 + healed.byteCount)).contains(offset) { continue }
        try fixture.damage(path, at: offset)
        let isSeen: Bool
        do {
          isSeen = try !fixture.verify().damaged.isEmpty
        } catch let error as VaultError {
          isSeen = [.damaged, .unsupported].contains(error.code)
        }
        // What looks newer at the end of a pack is not called damaged.
        let isNewer =
          path.contains("/packs/") && whole.count - 56..<whole.count - 40 ~= offset
        #expect(isSeen || isNewer, "\(path) at \(offset) of \(whole.count)")
        for path in try files(of: fixture) where !known.contains(path) {
          try FileManager.default.removeItem(atPath: path)
        }
        try whole.write(to: URL(fileURLWithPath: path))
      }
    }
    #expect(try fixture.verify().damaged.isEmpty)
  }

  private func files(of fixture: EngineFixture) throws -> [String] {
    try fixture.fileNames().map { "\(fixture.vaultPath)/\($0)" }
  }

  /// The zeros in a segment before its first page, which no reader looks at.
  private func isFill(_ offset: Int, _ path: String, _ bytes: Data) -> Bool {
    guard path.contains("/index/") else { return false }
    return (280..<4096).contains(offset) && bytes[offset] == 0
  }

  @Test("a point that is gone breaks the chain, and so does one that was altered")
  func chain() throws {
    let fixture = try backedUp()
    let points = try PointCatalog(try fixture.vault()).entries.map(\.point)
    for path in try fixture.objects("points") where path.contains(points[1].id.text) {
      try FileManager.default.removeItem(atPath: path)
    }
    let report = try fixture.verify()
    #expect(objects(report) == ["points/\(points[2].id).1"])
    #expect(report.damaged[0].problem.contains("missing or was altered"))
    #expect(report.damaged[0].losses.isEmpty)
  }

  @Test("a point that does not count on from the one before it")
  func sequence() throws {
    let fixture = try backedUp()
    var last = try #require(try PointCatalog(try fixture.vault()).entries.last).point
    last.sequence = 9
    for path in try fixture.objects("points") where path.contains(last.id.text) {
      try Data(last.encoded()).write(to: URL(fileURLWithPath: path))
    }
    #expect(
      try fixture.verify().damaged.map(\.problem) == ["has sequence number 9 where 3 follows"])
  }

  @Test("copies of points: one is damaged or missing, they differ, both are damaged")
  func copies() throws {
    let fixture = try backedUp()
    let copies = try fixture.objects("points")
    let first = try Data(contentsOf: URL(fileURLWithPath: copies[0]))
    let id = try PointCatalog(try fixture.vault()).entries[0].point.id
    try FileManager.default.removeItem(atPath: copies[0])
    #expect(objects(try fixture.verify()) == ["points/\(id).1"])
    try first.write(to: URL(fileURLWithPath: copies[0]))

    var other = try RecoveryPoint(decoding: [UInt8](first).rawSpan)
    other.evidence = "other"
    try Data(other.encoded()).write(to: URL(fileURLWithPath: copies[1]))
    #expect(objects(try fixture.verify()) == ["points/\(id).2"])
    for copy in copies[0...1] {
      try first.write(to: URL(fileURLWithPath: copy))
      try fixture.damage(copy, at: 90)
    }
    let report = try fixture.verify()
    // The next point does not find the one before it.
    #expect(objects(report).prefix(2) == ["points/\(id).1", "points/\(id).2"])
    for copy in report.damaged.prefix(2) {
      #expect(copy.losses.map(\.point) == [id])
      #expect(copy.losses.allSatisfy { $0.disk == nil })
    }
  }

  @Test("outcomes: one of the two is enough, and what is missing or damaged is told")
  func outcomes() throws {
    let fixture = try backedUp()
    let points = try PointCatalog(try fixture.vault()).entries.map(\.point)
    let point = points[0]
    let path = "\(fixture.vaultPath)/outcomes/\(point.session)"
    try FileManager.default.removeItem(atPath: path)
    #expect(objects(try fixture.verify()) == ["outcomes/\(point.session)"])
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    #expect(objects(try fixture.verify()) == ["outcomes/\(point.session)"])
    try fixture.damage("\(path).2", at: 3)
    // The next point tells.
    let outcomes = ["outcomes/\(point.session)", "outcomes/\(point.session).2"]
    #expect(objects(try fixture.verify()) == outcomes)
    #expect(try fixture.verify().damaged.flatMap(\.losses).isEmpty)
    let last = try #require(points.last)
    for copy in ["", ".2"] {
      try fixture.damage("\(fixture.vaultPath)/outcomes/\(last.session)\(copy)", at: 3)
    }
    let report = try fixture.verify()
    #expect(report.damaged.contains { $0.losses.map(\.point) == [last.id] })
  }

  @Test("what is said of a point: that it was deleted and brought back, pinned, looked at")
  func marks() throws {
    let fixture = try backedUp()
    let vault = try fixture.vault()
    let point = try #require(try PointCatalog(vault).entries.first).point.id
    try fixture.delete(point, isFinal: false)
    try PointDeletion(vault, at: vault.now()).undelete(point)
    try vault.pin(point)
    try vault.review(point)
    let names = try ["tombstones", "pins", "reviews"].flatMap(fixture.objects).map {
      String($0.dropFirst(fixture.vaultPath.count + 1))
    }
    #expect(names.count == 5)
    for name in names {
      try fixture.damage("\(fixture.vaultPath)/\(name)", at: 70)
      #expect(objects(try fixture.verify(isQuick: true)) == [name])
      try fixture.damage("\(fixture.vaultPath)/\(name)", at: 70)
    }
  }

  @Test("changes of policies: a first copy is missing, or a change between others")
  func changes() throws {
    let fixture = try backedUp()
    let gold = try #require(Name("gold"))
    for daily in 1...4 as ClosedRange<UInt32> {
      _ = try PolicyChanges(try fixture.vault()).set(gold) { _ in
        .init(schedule: nil, zone: .utc, rules: KeepRules(daily: daily), softDeleteSeconds: 60)
      }
    }
    for copy in ["2.1", "2.2", "4.1"] {
      try FileManager.default.removeItem(
        atPath: "\(fixture.vaultPath)/policies/gold-0000000\(copy)")
    }
    let damaged = try fixture.verify(isQuick: true).damaged
    #expect(
      damaged.map { "\($0.object) \($0.problem)" }.sorted() == [
        "policies/gold-00000002.1 is missing, and so is all that is before change 3",
        "policies/gold-00000004.1 is missing; its copy is used",
      ])
  }

  @Test("a segment that is whole and does not tell all that a pack holds")
  func lyingSegment() throws {
    let fixture = try backedUp()
    let path = try #require(try fixture.objects("index").first)
    let name = URL(fileURLWithPath: path).lastPathComponent
    let packs = try fixture.objects("packs").filter {
      URL(fileURLWithPath: $0).lastPathComponent.prefix(32) == name.prefix(32)
    }
    let (covered, entries) = try fixture.segment(overPacksAt: packs)
    let whole = IndexSegmentLayout.encode(packs: covered, entries: entries)
    try Data(whole).write(to: URL(fileURLWithPath: path))
    #expect(try fixture.verify(isQuick: true).damaged.isEmpty)
    let less = IndexSegmentLayout.encode(packs: covered, entries: entries.dropLast())
    try Data(less).write(to: URL(fileURLWithPath: path))
    #expect(objects(try fixture.verify(isQuick: true)) == ["index/\(name)"])
    for point in try PointCatalog(try fixture.vault()).entries {
      _ = try fixture.restore(point.point.id.text, to: "\(point.point.sequence)")
    }
  }

  @Test("the descriptor is missing")
  func descriptor() throws {
    let fixture = try backedUp()
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/vault")
    #expect(objects(try fixture.verify()) == ["vault"])
  }
}
