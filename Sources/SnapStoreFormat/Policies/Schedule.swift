/// When backups are to be made, by the clock of a place. It is stored as its text, in the one form
/// that `description` gives (docs/format.md, "Policies").
package struct Schedule: Hashable, Sendable, CustomStringConvertible {
  package static let rule =
    "hourly, hourly :MM, daily HH:MM[,HH:MM…], weekly DAY[,DAY…] HH:MM, monthly DAY HH:MM"

  /// A time of the day. Its text is `HH:MM`.
  package struct Time: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// From 0 to 1439.
    package let minuteOfDay: Int

    package var description: String {
      "\(twoDigits(minuteOfDay / 60)):\(twoDigits(minuteOfDay % 60))"
    }

    package static func < (left: Time, right: Time) -> Bool {
      left.minuteOfDay < right.minuteOfDay
    }

    fileprivate init?(_ text: Substring) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let hour = number(parts[0], below: 24),
        let minute = number(parts[1], below: 60)
      else { return nil }
      minuteOfDay = hour * 60 + minute
    }
  }

  package enum Weekday: Int, Sendable, CaseIterable, Comparable {
    case monday, tuesday, wednesday, thursday, friday, saturday, sunday

    package var text: String { String("\(self)".prefix(3)) }

    package static func < (left: Weekday, right: Weekday) -> Bool {
      left.rawValue < right.rawValue
    }

    /// `mon` or `monday`, in capitals or not.
    fileprivate init?(_ text: Substring) {
      let name = text.lowercased()
      guard let day = Self.allCases.first(where: { $0.text == name || "\($0)" == name }) else {
        return nil
      }
      self = day
    }
  }

  package enum Kind: Hashable, Sendable {
    case hourly(minute: Int)
    /// Ascending, at least one.
    case daily([Time])
    /// From Monday on, at least one.
    case weekly([Weekday], Time)
    /// Of the days from 1 to 31; the month's last where it has no such day.
    case monthly(day: Int, Time)
  }

  package let kind: Kind

  /// From a text as a person types it; nil for what breaks the rule.
  package init?(_ text: some StringProtocol) {
    let words = text.split(separator: " ").map { Substring($0) }
    guard let kind = words.first.flatMap({ Self.kind($0.lowercased(), words.dropFirst()) }) else {
      return nil
    }
    self.kind = kind
  }

  private static func kind(_ word: String, _ rest: ArraySlice<Substring>) -> Kind? {
    let parts = Array(rest)
    switch (word, parts.count) {
    case ("hourly", 0): return .hourly(minute: 0)
    case ("hourly", 1):
      guard parts[0].first == ":", let minute = number(parts[0].dropFirst(), below: 60) else {
        return nil
      }
      return .hourly(minute: minute)
    case ("daily", 1): return list(parts[0], Time.init).map { .daily($0) }
    case ("weekly", 2):
      guard let days = list(parts[0], Weekday.init), let time = Time(parts[1]) else { return nil }
      return .weekly(days, time)
    case ("monthly", 2):
      guard let day = number(parts[0], below: 32), day > 0, let time = Time(parts[1]) else {
        return nil
      }
      return .monthly(day: day, time)
    default: return nil
    }
  }

  /// What stands between commas, in order, each once; nil where one part is nothing.
  private static func list<Part: Hashable & Comparable>(
    _ text: Substring, _ part: (Substring) -> Part?
  ) -> [Part]? {
    let texts = text.split(separator: ",", omittingEmptySubsequences: false)
    let parts = texts.compactMap { part(Substring($0)) }
    return parts.count == texts.count ? Set(parts).sorted() : nil
  }

  package var description: String {
    switch kind {
    case .hourly(let minute): "hourly :\(twoDigits(minute))"
    case .daily(let times): "daily \(times.map(\.description).joined(separator: ","))"
    case .weekly(let days, let time):
      "weekly \(days.map(\.text).joined(separator: ",")) \(time)"
    case .monthly(let day, let time): "monthly \(day) \(time)"
    }
  }

  /// The longest time between two backups, in seconds, but for the hour that a change of the clocks
  /// adds.
  package var longestIntervalSeconds: Int64 {
    switch kind {
    case .hourly: 3600
    case .daily(let times): 60 * Self.longestGap(times.map(\.minuteOfDay), in: 24 * 60)
    case .weekly(let days, _): 86400 * Self.longestGap(days.map(\.rawValue), in: 7)
    case .monthly: 31 * 86400
    }
  }

  /// Between neighbours of a circle. `places` ascend.
  private static func longestGap(_ places: [Int], in circle: Int) -> Int64 {
    let next = places.dropFirst() + places.prefix(1).map { $0 + circle }
    return Int64(zip(places, next).map { $1 - $0 }.max() ?? circle)
  }
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

/// One or two digits.
private func number(_ text: Substring, below limit: Int) -> Int? {
  guard (1...2).contains(text.utf8.count),
    text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
    let number = Int(text), number < limit
  else { return nil }
  return number
}
