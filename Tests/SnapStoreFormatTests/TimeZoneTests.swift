import Foundation
import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite("local times of places") struct TimeZoneTests {
  private static func rules(_ zone: String) throws -> TimeZoneRules {
    let file = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(zone)"))
    return try TimeZoneRules(decoding: Array(file))
  }

  /// What Foundation's own tables say is what is expected.
  @Test(arguments: [
    "Europe/Berlin", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe",
    "America/Santiago", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca", "Asia/Tehran", "UTC",
  ])
  func offsets(_ zone: String) throws {
    let rules = try Self.rules(zone)
    let expected = try #require(TimeZone(identifier: zone))
    var seconds: Int64 = 0
    var changes = 0
    var last = 0
    // An odd step, so that all times of day are met; 1970 to 2037, as far as tables go.
    while seconds < 2_145_916_800 {
      let date = Date(timeIntervalSince1970: Double(seconds))
      let offset = rules.offset(at: seconds)
      #expect(offset == expected.secondsFromGMT(for: date), "\(zone) at \(seconds)")
      if offset != last { changes += 1 }
      last = offset
      seconds += 25_117
    }
    #expect(changes > 0 || zone == "UTC")
  }

  @Test("the hour itself, and the rule of the footer long after the last entry")
  func changes() throws {
    let rules = try Self.rules("Europe/Berlin")
    // 2026-10-25T01:00:00Z, and 2060-03-28T01:00:00Z, a last Sunday of March.
    for (moment, before, after) in [(1_792_890_000, 7200, 3600), (2_847_661_200, 3600, 7200)] {
      #expect(rules.offset(at: Int64(moment) - 1) == before)
      #expect(rules.offset(at: Int64(moment)) == after)
    }
    let south = try Self.rules("Australia/Sydney")
    // 2060-04-04T03:00 summer time, and 2060-10-03T02:00: first Sundays.
    for (moment, before, after) in [(2_848_233_600, 39600, 36000), (2_863_958_400, 36000, 39600)] {
      #expect(south.offset(at: Int64(moment) - 1) == before)
      #expect(south.offset(at: Int64(moment)) == after)
    }
  }

  @Test("damaged files are refused, whatever is missing")
  func damage() throws {
    let file = Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/Europe/Berlin")))
    for length in file.indices {
      #expect(throws: FormatError.self) { try TimeZoneRules(decoding: Array(file[..<length])) }
    }
    var refused = 0
    for place in file.indices {
      var bytes = file
      bytes[place] ^= 0x41
      do { _ = try TimeZoneRules(decoding: bytes) } catch { refused += 1 }
    }
    #expect(refused > 100)
  }

  @Test func weeks() {
    func week(_ year: Int, _ month: Int, _ day: Int) -> [Int] {
      let week = CivilDate(year: year, month: month, day: day).isoWeek
      return [week.year, week.week]
    }
    #expect(week(2026, 1, 1) == [2026, 1])
    #expect(week(2027, 1, 1) == [2026, 53])
    #expect(week(2024, 12, 30) == [2025, 1])
    #expect(week(2021, 1, 3) == [2020, 53])
    #expect(week(2021, 1, 4) == [2021, 1])
    #expect(week(2026, 11, 23) == [2026, 48])
    #expect(CivilDate(year: 1970, month: 1, day: 1).dayNumber == 0)
    #expect(CivilDate(year: 2026, month: 11, day: 23).dayNumber == 20780)
  }
}
