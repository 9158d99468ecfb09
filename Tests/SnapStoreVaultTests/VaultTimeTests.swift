import SnapStoreFormat
import SnapStoreVault
import Testing

@Suite("The vault's own time") struct VaultTimeTests {
  private static let hour: Int64 = 3600
  private static let start: Int64 = 1_800_000_000

  private let fixture: CatalogFixture
  /// A point whose clock was right.
  private let point: RecoveryPoint

  init() throws {
    fixture = try CatalogFixture()
    let session = try Session.beginWriting(fixture.vault, leaningOn: [])
    var point = try fixture.point("web", sequence: 1, random: 1, session: session, previous: [])
    point.time = Timestamp(seconds: Self.start)
    point.clock = PointClock(vaultTime: point.time, suspicion: nil)
    self.point = point
  }

  /// How many hours behind the point the vault's time is, so many hours by the clock.
  private func passed(_ hours: Int64, longestInterval: Int64 = 0) -> Int64 {
    let time = VaultTime(points: [point], longestInterval: longestInterval * Self.hour)
    let wall = Timestamp(seconds: Self.start + hours * Self.hour)
    return (time.time(at: wall).seconds - Self.start) / Self.hour
  }

  @Test("a run moves it by 36 hours at most, or by half as much again as the longest interval")
  func limit() {
    #expect([-5, 0, 1, 35, 36, 37, 1000].map { passed($0) } == [0, 0, 1, 35, 36, 36, 36])
    #expect([167, 168, 252, 253].map { passed($0, longestInterval: 168) } == [167, 168, 252, 252])
    #expect(passed(1000, longestInterval: 12) == 36, "a shorter one makes it no shorter")
  }

  @Test("a clock is suspect that is 10 minutes behind, or 3 days ahead of the vault's time")
  func tolerance() {
    let time = VaultTime(points: [point])
    func suspicion(_ seconds: Int64) -> PointClock.Suspicion? {
      time.clock(at: Timestamp(seconds: Self.start + seconds), previous: point).suspicion
    }
    #expect(suspicion(-600) == nil)
    #expect(suspicion(-601) == .behind)
    let ahead = (36 + 72) * Self.hour
    #expect(suspicion(ahead) == nil)
    #expect(suspicion(ahead + 1) == .ahead)
    #expect(
      VaultTime(points: [point], longestInterval: 168 * Self.hour)
        .clock(at: Timestamp(seconds: Self.start + 168 * Self.hour), previous: point).suspicion
        == nil, "the second of two weekly points")
  }
}
