import Foundation
import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct ScheduleTests {
  private static let hour: Int64 = 3600
  private static let day: Int64 = 24 * hour

  @Test(
    "what is typed, the one form that it has, and the longest time between two backups",
    arguments: [
      ("hourly", "hourly :00", hour), ("HOURLY :5", "hourly :05", hour),
      ("daily 02:00", "daily 02:00", day), ("daily 2:00", "daily 02:00", day),
      ("daily 18:00,6:00,18:00", "daily 06:00,18:00", 12 * hour),
      ("daily 08:00,12:00,16:00", "daily 08:00,12:00,16:00", 16 * hour),
      ("daily 00:00,23:59", "daily 00:00,23:59", 24 * hour - 60),
      ("weekly Sunday 3:30", "weekly sun 03:30", 7 * day),
      ("weekly fri,mon 03:30", "weekly mon,fri 03:30", 4 * day),
      ("weekly mon,tue,wed,thu,fri,sat,sun 23:59", "weekly mon,tue,wed,thu,fri,sat,sun 23:59", day),
      ("weekly sat,sun 00:00", "weekly sat,sun 00:00", 6 * day),
      ("monthly 31 00:00", "monthly 31 00:00", 31 * day),
      (" monthly  01  0:00 ", "monthly 1 00:00", 31 * day),
    ])
  func accepted(_ typed: String, _ text: String, _ longest: Int64) throws {
    let schedule = try #require(Schedule(typed))
    #expect(schedule.description == text)
    #expect(schedule.longestIntervalSeconds == longest)
    #expect(Schedule(text) == schedule)
  }

  @Test(arguments: [
    "", " ", "never", "hourly 5", "hourly :60", "hourly :", "hourly :00 :30", "daily",
    "daily 24:00", "daily 02:60", "daily 02", "daily 02:00,", "daily ,02:00", "daily 02:00 03:00",
    "daily -1:00", "daily +1:00", "daily 002:00", "daily 02:00:00", "weekly 02:00", "weekly mon",
    "weekly mo 02:00", "weekly mon, tue 02:00", "weekly 1 02:00", "monthly 0 02:00",
    "monthly 32 02:00", "monthly 02:00", "monthly 1,15 02:00", "yearly 1 02:00", "daily ０２:00",
    "daily 02:00\n",
  ])
  func refused(_ text: String) {
    #expect(Schedule(text) == nil)
  }

  private static func rules(_ zone: String) throws -> TimeZoneRules {
    let file = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(zone)"))
    return try TimeZoneRules(decoding: Array(file))
  }

  private static func seconds(_ text: String) throws -> Int64 {
    Int64(try Date(text, strategy: .iso8601).timeIntervalSince1970)
  }

  @Test(
    "the last time at which a backup was to be made",
    arguments: [
      ("hourly :20", "UTC", "2026-11-23T10:20:00Z", "2026-11-23T10:20:00Z"),
      ("hourly :20", "UTC", "2026-11-23T10:19:59Z", "2026-11-23T09:20:00Z"),
      ("hourly", "Asia/Kolkata", "2026-11-23T10:29:00Z", "2026-11-23T09:30:00Z"),
      ("daily 02:00", "UTC", "2026-11-23T01:59:59Z", "2026-11-22T02:00:00Z"),
      ("daily 02:00,14:00", "UTC", "2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z"),
      ("daily 00:30", "Europe/Berlin", "2026-11-23T23:00:00Z", "2026-11-22T23:30:00Z"),
      ("daily 23:30", "Pacific/Auckland", "2026-06-01T11:29:00Z", "2026-05-31T11:30:00Z"),
      // Clocks skip from 2 to 3, so 02:30 is half an hour later; and they show 02:30 twice.
      ("daily 02:30", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T01:30:00Z"),
      ("daily 02:30", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z"),
      ("daily 02:30", "Europe/Berlin", "2026-10-25T00:29:00Z", "2026-10-24T00:30:00Z"),
      ("hourly :30", "Europe/Berlin", "2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z"),
      ("weekly sun 03:00", "UTC", "2026-11-23T10:00:00Z", "2026-11-22T03:00:00Z"),
      ("weekly mon,thu 03:00", "UTC", "2026-11-23T02:00:00Z", "2026-11-19T03:00:00Z"),
      ("monthly 31 03:00", "UTC", "2026-11-30T03:00:00Z", "2026-11-30T03:00:00Z"),
      ("monthly 31 03:00", "UTC", "2026-11-30T02:00:00Z", "2026-10-31T03:00:00Z"),
      ("monthly 30 03:00", "UTC", "2027-03-01T00:00:00Z", "2027-02-28T03:00:00Z"),
      ("monthly 1 03:00", "UTC", "2027-03-01T00:00:00Z", "2027-02-01T03:00:00Z"),
      // The island had no 30 December 2011.
      ("daily 12:00", "Pacific/Apia", "2011-12-31T00:00:00Z", "2011-12-30T22:00:00Z"),
    ])
  func occurrence(_ text: String, _ zone: String, _ now: String, _ expected: String) throws {
    let schedule = try #require(Schedule(text))
    let found = schedule.lastOccurrence(
      atOrBefore: Timestamp(seconds: try Self.seconds(now)), zone: try Self.rules(zone))
    #expect(found.rfc3339 == expected)
  }

  @Test(
    "no occurrence is missed or early, in two years of minutes",
    arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"],
    ["daily 02:15,21:40", "weekly sun,wed 02:00", "monthly 31 00:00", "hourly :30"])
  func everyOccurrence(_ zone: String, _ text: String) throws {
    let schedule = try #require(Schedule(text))
    let rules = try Self.rules(zone)
    var last: Timestamp?
    // A step that meets all times of day; each answer holds from itself on, and answers ascend.
    for seconds in stride(from: 1_767_225_600 as Int64, to: 1_830_297_600, by: 3061) {
      let now = Timestamp(seconds: seconds)
      let found = schedule.lastOccurrence(atOrBefore: now, zone: rules)
      #expect(found <= now && found >= last ?? found)
      #expect(schedule.lastOccurrence(atOrBefore: found, zone: rules) == found)
      #expect(
        now.seconds - found.seconds <= schedule.longestIntervalSeconds + 7200, "\(now.rfc3339)")
      last = found
    }
  }
}
