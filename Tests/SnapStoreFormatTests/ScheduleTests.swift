import SnapStoreFormat
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
}
