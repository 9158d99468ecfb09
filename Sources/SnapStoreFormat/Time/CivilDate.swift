/// A day of the proleptic Gregorian calendar.
package struct CivilDate: Hashable, Sendable {
  package var year: Int
  /// From 1.
  package var month: Int
  /// From 1.
  package var day: Int

  package init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// Days since 1970-01-01 (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms).
  package var dayNumber: Int {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// Of a day counted from 1970-01-01: Sunday is 0.
  package static func weekday(ofDay day: Int) -> Int { ((day + 4) % 7 + 7) % 7 }

  package static func isLeap(_ year: Int) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
  }

  /// The year and number of the week: weeks begin on Monday, and belong to the year that has their
  /// Thursday (ISO 8601).
  package var isoWeek: (year: Int, week: Int) {
    let today = dayNumber
    let thursday = today - (Self.weekday(ofDay: today) + 6) % 7 + 3
    let year = Timestamp(seconds: Int64(thursday) * 86400).civil.year
    let newYear = CivilDate(year: year, month: 1, day: 1).dayNumber
    return (year, (thursday - newYear) / 7 + 1)
  }
}
