/// A moment: seconds and nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
package struct Timestamp: Hashable, Sendable, Comparable {
  package var seconds: Int64
  package var nanoseconds: UInt32

  /// The first and the last second that a vault can name: of year 1, and of year 9999.
  package static let secondsRange: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

  package init(seconds: Int64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  package static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    seconds = try reader.int64()
    nanoseconds = try reader.uint32()
    guard nanoseconds < 1_000_000_000, Self.secondsRange.contains(seconds) else {
      throw .damaged("a time is out of range", at: reader.offset)
    }
  }

  package func encode(to writer: inout ByteWriter) {
    writer.append(seconds)
    writer.append(nanoseconds)
  }

  /// Year, month, day of the proleptic Gregorian calendar and the time of day, in UTC
  /// (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms).
  package var civil: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
    let days = Int((Double(seconds) / 86400).rounded(.down))
    let time = Int(seconds) - days * 86400
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, day, time / 3600, time / 60 % 60, time % 60)
  }

  /// RFC 3339 in UTC, to the second: `2026-11-22T10:00:00Z`.
  package var rfc3339: String {
    let part = civil
    return "\(part.year.padded(4))-\(part.month.padded(2))-\(part.day.padded(2))T"
      + "\(part.hour.padded(2)):\(part.minute.padded(2)):\(part.second.padded(2))Z"
  }

  /// The same without punctuation, as point IDs begin: `20261122T100000Z`.
  package var compact: String {
    rfc3339.filter { $0 != "-" && $0 != ":" }
  }
}

extension Int {
  fileprivate func padded(_ width: Int) -> String {
    let digits = String(self)
    return String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
  }
}
