import SnapStoreFormat
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("which points are kept") struct RetentionTests {
  private static let day: Int64 = 86400
  /// 2026-01-01T02:00:00Z, a Thursday.
  private static let start: Int64 = 1_767_232_800

  private static func candidate(_ number: Int, at seconds: Int64) -> Retention.Candidate {
    let time = Timestamp(seconds: seconds)
    return Retention.Candidate(
      point: PointID(time: time, random: UInt32(number)), sequence: UInt64(number + 1), time: time)
  }

  private static func daily(_ count: Int) -> [Retention.Candidate] {
    (0..<count).map { candidate($0, at: start + Int64($0) * day) }
  }

  private static func kept(
    _ candidates: [Retention.Candidate], _ rules: KeepRules, _ zone: TimeZoneRules = .utc
  ) -> [String] {
    let reasons = Retention(rules: rules, zone: zone).reasons(for: candidates)
    return reasons.keys.map { String($0.text.prefix(8)) }.sorted()
  }

  @Test("a year of days ends with the days that the rules name")
  func year() {
    let rules = KeepRules(last: 3, daily: 7, weekly: 4, monthly: 12, yearly: 5)
    #expect(
      Self.kept(Self.daily(365), rules) == [
        "20260131", "20260228", "20260331", "20260430", "20260531", "20260630", "20260731",
        "20260831", "20260930", "20261031", "20261130", "20261213", "20261220", "20261225",
        "20261226", "20261227", "20261228", "20261229", "20261230", "20261231",
      ])
  }

  @Test("periods without points count for nothing, and a period counts once")
  func gapsAndCrowds() {
    // Two days a month apart, a thousand points on the second.
    let old = Self.candidate(0, at: Self.start)
    let many = (1...1000).map { Self.candidate($0, at: Self.start + 31 * Self.day + Int64($0)) }
    let reasons = Retention(rules: KeepRules(daily: 2)).reasons(for: many + [old])
    #expect(Set(reasons.keys) == [old.point, many[999].point])
    #expect(reasons[old.point] == [.daily("2026-01-01")])
  }

  @Test("of two points of one moment the later in the chain counts")
  func oneMoment() {
    let points = [Self.candidate(0, at: Self.start), Self.candidate(1, at: Self.start)]
    for candidates in [points, points.reversed()] {
      let reasons = Retention(rules: KeepRules(last: 1, daily: 1)).reasons(for: candidates)
      #expect(Array(reasons.keys) == [points[1].point])
    }
  }

  @Test("a clock that can't be relied on pushes nothing out")
  func suspects() {
    let good = Self.daily(7)
    let wrong = (0..<50).map { number in
      var point = Self.candidate(100 + number, at: Self.start + Int64(1000 + number) * Self.day)
      point.isClockSuspect = true
      return point
    }
    let reasons = Retention(rules: KeepRules(last: 1, daily: 7)).reasons(for: good + wrong)
    #expect(reasons[good[0].point] == [.daily("2026-01-01")])
    #expect(reasons[good[6].point] == [.last, .daily("2026-01-07")])
    #expect(wrong.allSatisfy { reasons[$0.point] == [.clockSuspect] })
  }

  @Test("pinned points and the newest one that was verified stay")
  func others() {
    var points = Self.daily(20)
    points[2].isPinned = true
    points[4].isVerified = true
    points[5].isVerified = true
    let reasons = Retention(rules: KeepRules(last: 1)).reasons(for: points)
    #expect(
      reasons == [
        points[2].point: [.pinned], points[5].point: [.verified], points[19].point: [.last],
      ])
  }

  @Test("a point that loses something pushes out none that does not")
  func lossyPoints() {
    var points = Self.daily(20)
    for number in [11, 18, 19] { points[number].isLossy = true }
    points[12].isSuspect = true
    let reasons = Retention(rules: KeepRules(last: 1, daily: 2)).reasons(for: points)
    #expect(
      reasons == [
        points[10].point: [.beforeSuspect], points[12].point: [.suspect],
        points[16].point: [.daily("2026-01-17")],
        points[17].point: [.last, .daily("2026-01-18")],
        points[18].point: [.daily("2026-01-19")],
        points[19].point: [.last, .daily("2026-01-20")],
      ])
  }

  @Test("suspect points stay, and the last good one before each, whatever clocks say")
  func suspectPoints() {
    var points = Self.daily(20)
    // Two in a row have one good point before them; the last has its own.
    for number in [0, 6, 7, 12] { points[number].isSuspect = true }
    points[11].isClockSuspect = true
    points[11].time = points[19].time
    let reasons = Retention(rules: KeepRules(last: 1)).reasons(for: points)
    #expect(
      reasons == [
        points[0].point: [.suspect], points[5].point: [.beforeSuspect],
        points[6].point: [.suspect], points[7].point: [.suspect],
        points[11].point: [.clockSuspect, .beforeSuspect], points[12].point: [.suspect],
        points[19].point: [.last],
      ])
  }

  @Test("a day is a day of the policy's place, also where the clocks change")
  func zones() throws {
    // New York, as a footer says it; the clocks change on 2026-03-08 and 2026-11-01.
    let zone = try #require(TestZone.newYork)
    // 23:30 and 00:30 local time, every night around the change of November.
    let midnight: Int64 = 1_793_419_200 - 86400  // 2026-10-30T00:00 in New York (UTC-4)
    var points: [Retention.Candidate] = []
    for hour in stride(from: Int64(0), to: 24 * 5, by: 1) {
      points.append(Self.candidate(Int(hour), at: midnight + hour * 3600))
    }
    let reasons = Retention(rules: KeepRules(daily: 4), zone: zone).reasons(for: points)
    // 2026-11-01 has 25 hours: its last is 24 hours after its first.
    let kept = points.filter { reasons[$0.point] != nil }.map {
      ($0.time.seconds - midnight) / 3600
    }
    #expect(kept == [47, 72, 96, 119])
  }
}

/// A zone without the system's files: what stands in a file of version 2 with nothing but a rule.
enum TestZone {
  static var newYork: TimeZoneRules? {
    var bytes: [UInt8] = []
    func header(types: UInt8, characters: UInt8) -> [UInt8] {
      Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15 + 4 * 4) + [0, 0, 0, types]
        + [0, 0, 0, characters]
    }
    bytes += header(types: 1, characters: 4) + [0, 0, 0, 0, 0, 0] + Array("EST\0".utf8)
    bytes += header(types: 1, characters: 4) + [0, 0, 0, 0, 0, 0] + Array("EST\0".utf8)
    bytes += Array("\nEST5EDT,M3.2.0,M11.1.0\n".utf8)
    do { return try TimeZoneRules(decoding: bytes) } catch { return nil }
  }
}
