import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

/// A vault whose machine is backed up by a clock that the test sets.
private final class Calendar {
  static let day: Int64 = 86400
  /// 2026-01-01T02:00:00Z.
  static let start: Int64 = 1_767_232_800

  let fixture: EngineFixture
  private var count = 0

  init() throws {
    fixture = try EngineFixture()
    set(Self.start)
  }

  func set(_ seconds: Int64) {
    count += 1
    fixture.host = .forTests(clock: FixedClock(seconds: seconds), seed: UInt64(count))
  }

  @discardableResult
  func backup(at seconds: Int64) throws -> Backup.Report {
    set(seconds)
    return try fixture.backup(try fixture.image("disk", TestContent.noise(5000, seed: 7)))
  }

  @discardableResult
  func prune(_ rules: KeepRules, softDeleteDays: UInt64 = 14) throws -> [Prune.MachinePlan] {
    let prune = try Prune(try fixture.vault())
    let plans = try prune.plan { _ in
      Prune.Rules(keep: rules, softDeleteSeconds: softDeleteDays * 86400)
    }
    try prune.apply(plans)
    return plans
  }

  /// The days, and where need be times, of the points that are there.
  func days() throws -> [String] {
    try PointCatalog(fixture.vault()).entries.map { String($0.point.id.text.prefix(8)) }
  }

  func catalog() throws -> PointCatalog { try PointCatalog(fixture.vault()) }
}

@Suite("Pruning keeps what the rules name, whatever the clock does")
struct PruneTests {
  private let day = Calendar.day
  private let start = Calendar.start

  @Test("where pins can't be listed, nobody takes that for none")
  func unlistedPins() throws {
    let fixture = try EngineFixture()
    fixture.wrap = { store in
      ObservedStore(store) { event in
        if event == .list(VaultFolder.pins) { throw IOError("list", "pins", .ioError) }
      }
    }
    #expect(throws: IOError.self) { try Pins(try fixture.vault()) }
  }

  /// A vault of one point, open with the store as it is.
  private func onePoint() throws -> (fixture: EngineFixture, point: PointID, vault: Vault) {
    let fixture = try EngineFixture()
    let point = try fixture.backup(try fixture.image("disk", [1, 2, 3])).point.id
    return (fixture, point, try fixture.vault())
  }

  @Test("a point that is pinned while it is deleted for ever stays")
  func pinnedWhileDeletedForEver() throws {
    let (fixture, point, vault) = try onePoint()
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .finish(let name) = event, name.folder == VaultFolder.tombstones,
          try !Pins(vault).contains(point)
        else { return }
        _ = try vault.pin(point)
      }
    }
    let deleting = try fixture.vault()
    let error = #expect(throws: VaultError.self) {
      try PointDeletion(deleting, at: deleting.now()).delete(point, subject: nil, isFinal: true)
    }
    #expect(error?.code == .pinned)
    #expect(try PointCatalog(vault).entries.map(\.point.id) == [point])
  }

  @Test("a point that is brought back while it is deleted for ever stays")
  func broughtBackWhileDeletedForEver() throws {
    let (fixture, point, vault) = try onePoint()
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .finish(let name) = event, name.folder == VaultFolder.tombstones,
          name.key.hasSuffix("-00000002")
        else { return }
        try PointDeletion(vault, at: vault.now()).undelete(point)
        try vault.pin(point)
      }
    }
    let deleting = try fixture.vault()
    let error = #expect(throws: VaultError.self) {
      try PointDeletion(deleting, at: deleting.now()).delete(point, subject: nil, isFinal: true)
    }
    #expect(error?.code == .aborted)
    #expect(try PointCatalog(vault).entries.map(\.point.id) == [point])
  }

  @Test("a point that is pinned while soft deletes are made final can be brought back")
  func pinnedWhileMadeFinal() throws {
    let (fixture, point, vault) = try onePoint()
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard event == .list(VaultFolder.pins) else { return }
        try vault.pin(point)
        let record = TombstoneRecord(
          name: TombstoneName(point: point, number: 1), state: .deleted,
          time: Timestamp(seconds: 0), softDeleteSeconds: 0, subject: nil)
        _ = try vault.store.put(
          ObjectName(folder: VaultFolder.tombstones, key: "\(record.name)"), record.encoded())
      }
    }
    let finishing = PointDeletion(try fixture.vault(), at: vault.now())
    let finished = try finishing.finishSoftDeletes(at: vault.now(), isDry: false)
    #expect(finished == [])
    let record = try PointDeletion(vault, at: vault.now()).undelete(point)
    #expect(record?.state == .undeleted)
  }

  @Test("a season of days, pruned and collected every day")
  func season() throws {
    let calendar = try Calendar()
    let rules = KeepRules(last: 2, daily: 5, weekly: 3, monthly: 12)
    var gone: [(day: Int, point: PointID)] = []
    for number in 0..<70 {
      try calendar.backup(at: start + Int64(number) * day)
      let going = try calendar.prune(rules)[0].going
      gone += going.map { (number, $0.point.id) }
      try calendar.fixture.collect()
    }
    // 70 days from 1 January on: the last is 11 March, a Wednesday.
    let kept = [
      "20260131", "20260228", "20260301", "20260307", "20260308", "20260309", "20260310",
      "20260311",
    ]
    #expect(try calendar.days() == kept)
    // What went in the last 14 days can be brought back; what went before is gone.
    let catalog = try calendar.catalog()
    let expected = Set(gone.filter { $0.day > 69 - 14 }.map(\.point))
    #expect(expected.count > 10)
    #expect(Set(catalog.deleted.map(\.point.id)) == expected)
    #expect(
      try calendar.fixture.objects("points").count == 2 * (kept.count + expected.count))
    #expect(try calendar.fixture.verify().damaged.isEmpty)
    for point in catalog.kept.map(\.point) {
      #expect(point.clock == PointClock(vaultTime: point.time))
    }
  }

  @Test("points of a clock far ahead push nothing out, whether pruned by it or by a right one")
  func future() throws {
    let calendar = try Calendar()
    for number in 0..<10 { try calendar.backup(at: start + Int64(number) * day) }
    for number in 0..<12 {
      let report = try calendar.backup(at: start + Int64(400 + number) * day)
      #expect(report.point.clock?.suspicion == .ahead)
      #expect(report.warnings.contains { $0.contains("clock") })
    }
    let good = (4...10).map { $0 < 10 ? "2026010\($0)" : "202601\($0)" }
    func isThere() throws -> Bool { Set(try calendar.days()).isSuperset(of: good) }
    try calendar.prune(KeepRules(daily: 7))
    #expect(try isThere())
    try calendar.fixture.collect()
    calendar.set(start + 10 * day)
    try calendar.prune(KeepRules(daily: 7))
    #expect(try isThere())
    // The machine's next points are right again, and count.
    for number in 10..<14 {
      let report = try calendar.backup(at: start + Int64(number) * day)
      #expect(report.point.clock?.suspicion == nil)
    }
    try calendar.prune(KeepRules(daily: 3))
    let right = try calendar.days().filter { $0.hasPrefix("2026") }
    #expect(right == ["20260112", "20260113", "20260114"])
  }

  @Test("a clock that was set back makes no last point of an old day")
  func behind() throws {
    let calendar = try Calendar()
    for number in 0..<5 { try calendar.backup(at: start + Int64(number) * day) }
    let wrong = try calendar.backup(at: start + 2 * day + 3600).point
    #expect(wrong.clock?.suspicion == .behind)
    // Within ten minutes it is the clock's own trembling.
    let slow = try calendar.backup(at: start + 4 * day - 500).point
    #expect(slow.clock?.suspicion == nil)
    calendar.set(start + 5 * day)
    let plans = try calendar.prune(KeepRules(daily: 5))
    let reasons = Dictionary(
      uniqueKeysWithValues: plans[0].points.map { ($0.entry.point.id, $0.reasons) })
    #expect(reasons[wrong.id] == [.clockSuspect])
    #expect(try calendar.days().filter { $0 == "20260103" }.count == 2)
  }

  @Test("a thousand points in a day are one day's")
  func crowd() throws {
    let calendar = try Calendar()
    for number in 0..<6 { try calendar.backup(at: start + Int64(number) * day) }
    for number in 1...40 { try calendar.backup(at: start + 5 * day + Int64(number) * 60) }
    let plans = try calendar.prune(KeepRules(daily: 6))
    #expect(plans[0].isDrastic)
    #expect(
      try calendar.days() == [
        "20260101", "20260102", "20260103", "20260104", "20260105", "20260106",
      ])
  }

  @Test("what was deleted can be brought back for its time, by the vault's time")
  func softDelete() throws {
    let calendar = try Calendar()
    for number in 0..<3 { try calendar.backup(at: start + Int64(number) * day) }
    try calendar.prune(KeepRules(last: 1))
    #expect(try calendar.catalog().deleted.count == 2)
    // A clock far ahead makes 36 hours pass, and no more by staying there.
    for hour in 0..<3 {
      calendar.set(start + 100 * day + Int64(hour) * 3600)
      try calendar.fixture.collect()
    }
    #expect(try calendar.catalog().deleted.count == 2)
    // Nobody backs up any more: the collections alone are what passes.
    for number in 3..<19 {
      calendar.set(start + Int64(number) * day)
      try calendar.fixture.collect()
      let isOver = number >= 2 + 14
      #expect(try calendar.catalog().deleted.isEmpty == isOver, "day \(number)")
    }
    #expect(try calendar.days() == ["20260103"])
  }

  @Test("a dry collection says of which points the time is over, and lets none go")
  func dryRun() throws {
    let calendar = try Calendar()
    for number in 0..<3 { try calendar.backup(at: start + Int64(number) * day) }
    try calendar.prune(KeepRules(last: 1), softDeleteDays: 1)
    try calendar.backup(at: start + 3 * day)
    #expect(try calendar.fixture.collect(isDryRun: true).deletedPointCount == 2)
    let deleted = try calendar.catalog().deleted.map(\.point.id)
    #expect(deleted.count == 2)
    let vault = try calendar.fixture.vault()
    for point in deleted { try PointDeletion(vault, at: vault.now()).undelete(point) }
    #expect(try calendar.days().count == 4)
  }

  @Test("what is deleted by a clock far behind can be brought back for its time")
  func deletedByClockBehind() throws {
    let calendar = try Calendar()
    for number in 0..<3 { try calendar.backup(at: start + Int64(number) * day) }
    calendar.set(start - 400 * day)
    let catalog = try calendar.catalog()
    try PointDeletion(try calendar.fixture.vault(), catalog).delete(
      catalog.entries[0].point.id, subject: nil, isFinal: false)
    calendar.set(start + 3 * day)
    try calendar.fixture.collect()
    #expect(try calendar.catalog().deleted.count == 1)
  }

  @Test("what a clock far ahead made pass lets nothing go once the clock is right")
  func mendedClock() throws {
    let calendar = try Calendar()
    for number in 0..<3 { try calendar.backup(at: start + Int64(number) * day) }
    try calendar.prune(KeepRules(last: 1), softDeleteDays: 2)
    // Each makes a day and a half pass.
    for number in 0..<3 { try calendar.backup(at: start + (100 + 2 * Int64(number)) * day) }
    calendar.set(start + 3 * day)
    try calendar.fixture.collect()
    #expect(try calendar.catalog().deleted.count == 2)
    calendar.set(start + 4 * day)
    try calendar.fixture.collect()
    #expect(try calendar.catalog().deleted.isEmpty)
  }

  @Test("a machine that was off for a month counts again after a while")
  func absence() throws {
    let calendar = try Calendar()
    try calendar.backup(at: start)
    var suspicions: [PointClock.Suspicion?] = []
    for number in 0..<60 {
      let report = try calendar.backup(at: start + Int64(30 + number) * day)
      suspicions.append(report.point.clock?.suspicion)
    }
    #expect(suspicions.first == .ahead)
    // 28.5 days behind, half a day less each day, three of them tolerated.
    #expect(suspicions.firstIndex(of: nil) == 51)
    #expect(suspicions.dropFirst(51).allSatisfy { $0 == nil })
    let plans = try calendar.prune(KeepRules(daily: 70))
    #expect(plans[0].points.allSatisfy { $0.reasons.count == 1 && $0.reasons[0] != .clockSuspect })
  }

  @Test("how often the tombstones are listed does not depend on how many points go")
  func manyAtOnce() throws {
    let calendar = try Calendar()
    let lists = Lock(0)
    calendar.fixture.wrap = { store in
      ObservedStore(store) { event in
        if event == .list(VaultFolder.tombstones) { lists.withLock { $0 += 1 } }
      }
    }
    let counts = try [0..<3, 3..<15].map { days in
      for number in days { try calendar.backup(at: start + Int64(number) * day) }
      lists.withLock { $0 = 0 }
      try calendar.prune(KeepRules(last: 1))
      let count = lists.withLock { $0 }
      #expect(try calendar.days().count == 1)
      return count
    }
    #expect(counts[0] == counts[1])
  }

  @Test("a point that is pinned while it is deleted stays")
  func pinnedMeanwhile() throws {
    let calendar = try Calendar()
    for number in 0..<3 { try calendar.backup(at: start + Int64(number) * day) }
    let point = try calendar.catalog().entries[0].point.id
    let vault = try calendar.fixture.vault()
    let isPinned = Lock(false)
    calendar.fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .finish(let name) = event, name.folder == VaultFolder.tombstones,
          !isPinned.withLock({ $0 })
        else { return }
        isPinned.withLock { $0 = true }
        try vault.pin(point)
      }
    }
    let prune = try Prune(try calendar.fixture.vault())
    let plans = try prune.plan { _ in .init(keep: KeepRules(last: 1), softDeleteSeconds: 0) }
    #expect(plans[0].going.count == 2)
    #expect(try prune.apply(plans)[0].going.count == 1, "as it was carried out")
    #expect(isPinned.withLock { $0 })
    #expect(try calendar.days() == ["20260101", "20260103"])

    // One that was pinned too late does not go for ever.
    calendar.fixture.wrap = { $0 }
    #expect(try vault.unpin(point))
    try calendar.prune(KeepRules(last: 1), softDeleteDays: 0)
    #expect(throws: VaultError.self) { try vault.pin(point) }
    try calendar.fixture.collect()
    try PointDeletion(vault, at: vault.now()).undelete(point)
    #expect(try calendar.days() == ["20260101", "20260103"])
  }

  @Test("a point that was found to lose something pushes out none that does not")
  func lossyPoints() throws {
    let calendar = try Calendar()
    for number in 0..<4 { try calendar.backup(at: start + Int64(number) * day) }
    let points = try calendar.catalog().entries.map(\.point.id)
    let session = try Session.beginReading(try calendar.fixture.vault(), leaningOn: [])
    session.recordVerification(of: [], lossy: [points[3]], at: Timestamp(seconds: start))
    session.end()
    // A collection forgets none of it.
    for _ in 0..<2 {
      try calendar.prune(KeepRules(last: 1), softDeleteDays: 0)
      try calendar.fixture.collect()
      #expect(try calendar.days() == ["20260103", "20260104"])
    }
    _ = try calendar.fixture.verify()
    try calendar.prune(KeepRules(last: 1), softDeleteDays: 0)
    #expect(try calendar.days() == ["20260104"])
  }

  @Test("pinned points and the newest that was verified whole stay; pins go with their points")
  func pinsAndVerification() throws {
    let calendar = try Calendar()
    for number in 0..<6 { try calendar.backup(at: start + Int64(number) * day) }
    let points = try calendar.catalog().entries.map(\.point)
    let vault = try calendar.fixture.vault()
    #expect(try vault.pin(points[0].id))
    #expect(try !vault.pin(points[0].id))
    try vault.review(points[0].id)
    for number in [2, 1] { _ = try calendar.fixture.verify(points[number].id.text) }
    calendar.set(start + 6 * day)
    _ = try calendar.fixture.verify(points[2].id.text)
    _ = try calendar.fixture.verify(points[3].id.text, isQuick: true)
    // A collection takes nothing that the next one to prune goes by.
    for _ in 0..<2 {
      try calendar.prune(KeepRules(last: 1), softDeleteDays: 0)
      try calendar.fixture.collect()
      #expect(try calendar.days() == ["20260101", "20260103", "20260106"])
    }
    #expect(try Pins(vault).contains(points[0].id))
    #expect(try calendar.fixture.objects("reviews").count == 1)
    let verified = try Verifications(vault).time(of: points[2].id)
    #expect(verified == Timestamp(seconds: start + 6 * day))
    #expect(try calendar.fixture.objects("verifications").count == 1)
    let deletion = PointDeletion(vault, at: vault.now())
    for isFinal in [true, false] {
      let refusal = #expect(throws: VaultError.self) {
        try deletion.delete(points[0].id, subject: nil, isFinal: isFinal)
      }
      #expect(refusal?.code == .pinned)
    }
    #expect(try calendar.days() == ["20260101", "20260103", "20260106"])
    #expect(try vault.unpin(points[0].id))
    try deletion.delete(points[0].id, subject: nil, isFinal: true)
    // A pin that came too late says so.
    #expect(throws: VaultError.self) { try vault.pin(points[0].id) }
    try calendar.fixture.collect()
    #expect(try calendar.fixture.objects("pins").isEmpty)
    #expect(try calendar.fixture.objects("reviews").isEmpty)
    #expect(try calendar.fixture.objects("points").count == 4)
  }
}
