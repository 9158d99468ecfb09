import Foundation
import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct TimestampTests {
  /// Known values: `date -u -d @SECONDS +%FT%TZ`.
  static let known: [(Int64, String)] = [
    (0, "1970-01-01T00:00:00Z"),
    (-1, "1969-12-31T23:59:59Z"),
    (-86_400, "1969-12-31T00:00:00Z"),
    (-86_401, "1969-12-30T23:59:59Z"),
    (951_782_399, "2000-02-28T23:59:59Z"),
    (951_782_400, "2000-02-29T00:00:00Z"),
    (951_868_800, "2000-03-01T00:00:00Z"),
    (1_709_164_800, "2024-02-29T00:00:00Z"),
    (1_709_251_199, "2024-02-29T23:59:59Z"),
    (1_709_251_200, "2024-03-01T00:00:00Z"),
    (1_735_689_599, "2024-12-31T23:59:59Z"),
    (1_795_341_600, "2026-11-22T10:00:00Z"),
    (2_147_483_647, "2038-01-19T03:14:07Z"),
    (2_147_483_648, "2038-01-19T03:14:08Z"),
    (4_107_542_399, "2100-02-28T23:59:59Z"),
    (4_107_542_400, "2100-03-01T00:00:00Z"),
    (-2_208_988_800, "1900-01-01T00:00:00Z"),
    (-2_203_891_201, "1900-02-28T23:59:59Z"),
    (-2_203_891_200, "1900-03-01T00:00:00Z"),
    (-11_644_473_600, "1601-01-01T00:00:00Z"),
    (-62_135_596_800, "0001-01-01T00:00:00Z"),
    (253_402_300_799, "9999-12-31T23:59:59Z"),
  ]

  @Test(arguments: known) func knownTimes(_ seconds: Int64, _ text: String) {
    #expect(Timestamp(seconds: seconds, nanoseconds: 999_999_999).rfc3339 == text)
    let compact = text.replacing("-", with: "").replacing(":", with: "")
    #expect(Timestamp(seconds: seconds).compact == compact)
  }

  /// Against another calendar: Foundation's, from year 1 to 9999.
  @Test func agreesWithFoundation() throws {
    var calendar = Calendar(identifier: .iso8601)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    var generator = SeededGenerator(seed: 11)
    // Before 1582 Foundation goes over to the Julian calendar.
    for _ in 0..<2000 {
      let seconds = Int64.random(in: -12_000_000_000...253_402_300_799, using: &generator)
      let parts = calendar.dateComponents(
        [.year, .month, .day, .hour, .minute, .second],
        from: Date(timeIntervalSince1970: Double(seconds)))
      let civil = Timestamp(seconds: seconds).civil
      #expect(
        [civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second]
          == [parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second],
        "\(seconds)")
    }
  }

  /// Every day of four centuries follows the day before by the calendar's rule.
  @Test func everyDayOfFourHundredYears() {
    var (year, month, day) = (1868, 1, 1)
    let first = Int64(-3_218_832_000)
    for number in 0..<146_097 {
      let civil = Timestamp(seconds: first + Int64(number) * 86_400 + 86_399).civil
      guard (civil.year, civil.month, civil.day) == (year, month, day), civil.second == 59 else {
        Issue.record("\(year)-\(month)-\(day) came out as \(civil)")
        return
      }
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      day += 1
      if day > lengths[month - 1] { (day, month) = (1, month + 1) }
      if month > 12 { (month, year) = (1, year + 1) }
    }
    #expect((year, month, day) == (2268, 1, 1))
  }

  @Test(arguments: [
    Timestamp(seconds: 0), Timestamp(seconds: -62_135_596_800),
    Timestamp(seconds: 253_402_300_799, nanoseconds: 999_999_999), Sample.time,
  ])
  func comesBackFromItsBytes(_ time: Timestamp) throws {
    var writer = ByteWriter()
    time.encode(to: &writer)
    #expect(writer.count == 12)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try Timestamp(from: &reader) == time)
  }

  @Test(arguments: [
    Timestamp(seconds: -62_135_596_801), Timestamp(seconds: 253_402_300_800),
    Timestamp(seconds: .min), Timestamp(seconds: .max),
    Timestamp(seconds: 0, nanoseconds: 1_000_000_000), Timestamp(seconds: 0, nanoseconds: .max),
  ])
  func whatIsNoTimeIsRefused(_ time: Timestamp) {
    var writer = ByteWriter()
    time.encode(to: &writer)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try Timestamp(from: &reader) } == .damaged)
  }

  @Test func ordersBySecondsThenNanoseconds() {
    #expect(Timestamp(seconds: 1, nanoseconds: 5) < Timestamp(seconds: 2, nanoseconds: 0))
    #expect(Timestamp(seconds: 1, nanoseconds: 5) < Timestamp(seconds: 1, nanoseconds: 6))
    #expect(Timestamp(seconds: -1) < Timestamp(seconds: 0))
  }
}
