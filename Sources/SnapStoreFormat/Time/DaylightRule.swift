/// The rule by which a place changes its clocks each year: a `TZ` text as POSIX has it (Base
/// Definitions, 8.3), with the hours beyond a day that RFC 8536 adds, such as
/// `CET-1CEST,M3.5.0,M10.5.0/3`.
struct DaylightRule: Hashable, Sendable {
  /// Seconds east of UTC.
  private var standard: Int
  private var summer: Summer?

  private struct Summer: Hashable {
    var offset: Int
    /// When it begins, in standard time, and ends, in summer time.
    var begin: Moment
    var end: Moment
  }

  /// A moment of each year.
  private struct Moment: Hashable {
    enum Day: Hashable {
      /// From 1; 29 February does not count.
      case withoutLeapDay(Int)
      /// From 0.
      case ofYear(Int)
      /// A weekday (Sunday is 0) of a month: the first to fourth, and 5 for the last.
      case weekday(month: Int, week: Int, day: Int)
    }
    var day: Day
    /// After midnight; may be negative, and more than a day.
    var seconds: Int

    /// Seconds since 1970 of that moment of a year, as if local time were UTC.
    func seconds(in year: Int) -> Int64 {
      Int64(days(in: year)) * 86400 + Int64(seconds)
    }

    private func days(in year: Int) -> Int {
      let newYear = CivilDate(year: year, month: 1, day: 1).dayNumber
      switch day {
      case .ofYear(let day): return newYear + day
      case .withoutLeapDay(let day):
        return newYear + day - 1 + (CivilDate.isLeap(year) && day > 59 ? 1 : 0)
      case .weekday(let month, let week, let weekday):
        let first = CivilDate(year: year, month: month, day: 1).dayNumber
        let next =
          month == 12
          ? CivilDate(year: year + 1, month: 1, day: 1)
          : CivilDate(year: year, month: month + 1, day: 1)
        var found = first + (weekday - CivilDate.weekday(ofDay: first) + 7) % 7 + 7 * (week - 1)
        if found >= next.dayNumber { found -= 7 }
        return found
      }
    }
  }

  func offset(at seconds: Int64) -> Int {
    guard let summer else { return standard }
    let year = Timestamp(seconds: seconds + Int64(standard)).civil.year
    let begin = summer.begin.seconds(in: year) - Int64(standard)
    let end = summer.end.seconds(in: year) - Int64(summer.offset)
    // South of the equator the year begins in summer.
    let isSummer =
      begin < end ? begin <= seconds && seconds < end : seconds < end || begin <= seconds
    return isSummer ? summer.offset : standard
  }

  init(_ text: [UInt8]) throws(FormatError) {
    var reader = Reader(text: text[...])
    try reader.name()
    standard = -(try reader.time(maximumHours: 24))
    guard !reader.isAtEnd else { return }
    try reader.name()
    let offset = reader.isAt(",") ? standard + 3600 : -(try reader.time(maximumHours: 24))
    try reader.expect(",")
    let begin = try Self.moment(&reader)
    try reader.expect(",")
    let end = try Self.moment(&reader)
    guard reader.isAtEnd else { throw Reader.failure }
    summer = Summer(offset: offset, begin: begin, end: end)
  }

  private static func moment(_ reader: inout Reader) throws(FormatError) -> Moment {
    let day: Moment.Day
    if reader.take("M") {
      let month = try reader.number(1...12)
      try reader.expect(".")
      let week = try reader.number(1...5)
      try reader.expect(".")
      day = .weekday(month: month, week: week, day: try reader.number(0...6))
    } else if reader.take("J") {
      day = .withoutLeapDay(try reader.number(1...365))
    } else {
      day = .ofYear(try reader.number(0...365))
    }
    return Moment(day: day, seconds: reader.take("/") ? try reader.time(maximumHours: 167) : 7200)
  }

  /// Takes a text apart.
  private struct Reader {
    static let failure = FormatError.damaged("has a rule that can't be understood")
    var text: ArraySlice<UInt8>

    var isAtEnd: Bool { text.isEmpty }

    func isAt(_ character: Unicode.Scalar) -> Bool { text.first == UInt8(ascii: character) }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard isAt(character) else { return false }
      text.removeFirst()
      return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(FormatError) {
      guard take(character) else { throw Self.failure }
    }

    /// Letters, or anything in angle brackets.
    mutating func name() throws(FormatError) {
      if take("<") {
        guard let end = text.firstIndex(of: UInt8(ascii: ">")) else { throw Self.failure }
        text = text[(end + 1)...]
        return
      }
      let letters = text.prefix { (65...90).contains($0) || (97...122).contains($0) }
      guard letters.count >= 3 else { throw Self.failure }
      text = text.dropFirst(letters.count)
    }

    mutating func number(_ range: ClosedRange<Int>) throws(FormatError) -> Int {
      let digits = text.prefix { (48...57).contains($0) }
      guard (1...3).contains(digits.count) else { throw Self.failure }
      text = text.dropFirst(digits.count)
      let number = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
      guard range.contains(number) else { throw Self.failure }
      return number
    }

    /// `[+-]h[h[h]][:mm[:ss]]`, in seconds.
    mutating func time(maximumHours: Int) throws(FormatError) -> Int {
      let isNegative = take("-")
      if !isNegative { _ = take("+") }
      var seconds = try number(0...maximumHours) * 3600
      if take(":") {
        seconds += try number(0...59) * 60
        if take(":") { seconds += try number(0...59) }
      }
      return isNegative ? -seconds : seconds
    }
  }
}
