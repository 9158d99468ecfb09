extension Schedule {
  /// The last moment at or before `time` at which a backup was to be made, by the clock of a place.
  ///
  /// An hour that a change of the clocks repeats counts once, at its first pass; a time that it
  /// skips is the moment that comes as long after the hour before as it would have.
  package func lastOccurrence(atOrBefore time: Timestamp, zone: TimeZoneRules) -> Timestamp {
    if case .hourly(let minute) = kind { return Self.hourly(minute, time, zone) }
    let today = zone.local(time).dayNumber
    // One more than the longest month, since the last day may lie at the beginning of the month
    // before last as seen from a month's end. A day ahead: clocks may have been set back over
    // midnight.
    for day in stride(from: today + 1, through: today - 62, by: -1) {
      for minute in minutes(ofDay: day).reversed() {
        let local = Int64(day) * 86400 + Int64(minute) * 60
        let moment = zone.seconds(ofLocal: local)
        if moment <= time.seconds { return Timestamp(seconds: moment) }
      }
    }
    preconditionFailure("\(self) has no occurrence in two months")
  }

  /// The minutes of a day's backups, ascending; the day counts from 1970-01-01.
  private func minutes(ofDay day: Int) -> [Int] {
    switch kind {
    case .hourly: preconditionFailure("hours are not counted by day")
    case .daily(let times): return times.map(\.minuteOfDay)
    case .weekly(let days, let time):
      let weekday = (CivilDate.weekday(ofDay: day) + 6) % 7
      return days.contains { $0.rawValue == weekday } ? [time.minuteOfDay] : []
    case .monthly(let wanted, let time):
      let tomorrow = Timestamp(seconds: Int64(day + 1) * 86400).civil
      let today = Timestamp(seconds: Int64(day) * 86400).civil
      let isLast = tomorrow.day == 1
      return today.day == wanted || isLast && today.day < wanted ? [time.minuteOfDay] : []
    }
  }

  private static func hourly(
    _ minute: Int, _ time: Timestamp, _ zone: TimeZoneRules
  ) -> Timestamp {
    // Counted back from the moment itself, so that an hour that comes twice has two.
    let local = zone.local(time).seconds
    let past = ((local - Int64(minute) * 60) % 3600 + 3600) % 3600
    return Timestamp(seconds: time.seconds - past)
  }
}

extension Timestamp {
  /// Days since 1970-01-01, rounded down.
  fileprivate var dayNumber: Int { Int((Double(seconds) / 86400).rounded(.down)) }
}

extension TimeZoneRules {
  /// The first moment at which clocks show a local time, given as if it were UTC; where they skip
  /// it, the moment that they would have shown it without the change.
  package func seconds(ofLocal local: Int64) -> Int64 {
    // No place has two changes within so short a time.
    let before = Int64(offset(at: local - 26 * 3600))
    let after = Int64(offset(at: local + 26 * 3600))
    for offset in [before, after]
    where Int64(self.offset(at: local - offset)) == offset {
      return local - offset
    }
    return local - before
  }
}
