import SnapStoreFormat
import SnapStoreIO

/// Whatever text is taken for a name is exactly that name again, and can be a file's name.
@Sendable func names(_ input: [UInt8]) {
  let text = String(decoding: input, as: UTF8.self)
  let found: [String?] = [
    Name(text)?.text, PointID(text)?.text, SerialName(text)?.description,
    SessionID(text)?.description, TombstoneName(text)?.description, EpochName(text)?.description,
    ChangeName(text)?.description,
  ]
  for name in found.compactMap({ $0 }) {
    require(Array(name.utf8) == input, "\(name) has two spellings")
    require(ObjectName.isValidPart(name), "\(name) is a file's name")
  }
  if let name = Name(text) { require(name.text.utf8.count <= 64, "\(name) is long") }
  if ObjectName.isValidPart(text) {
    let name = ObjectName(folder: text, key: text)
    require(!text.utf8.contains { $0 == 0 || $0 == 47 } && text.first != ".", "\(name) is safe")
  }
  if let bytes = Hexadecimal.bytes(text) {
    require(Array(Hexadecimal.text(bytes).utf8) == input, "hexadecimal")
  }
  var reader = ByteReader(input.rawSpan)
  let stored = accepted { () throws(FormatError) in try Name(from: &reader) }
  if let stored { require(Name(stored.text) == stored, "\(stored) as stored") }
}

/// A time zone's file: an offset within a day or so, whatever the moment.
@Sendable func zone(_ input: [UInt8]) {
  guard
    let rules = accepted({ () throws(FormatError) in try TimeZoneRules(decoding: input) })
  else { return }
  for year in stride(from: 1, through: 9998, by: 239) {
    let start = Int64(CivilDate(year: year, month: 12, day: 31).dayNumber) * 86400
    require(abs(rules.offset(at: start)) < 28 * 3600, "offset in \(year)")
    _ = rules.local(Timestamp(seconds: start)).rfc3339
  }
}

/// A moment, its texts, and the point ID that is made of it.
@Sendable func time(_ input: [UInt8]) {
  var reader = ByteReader(input.rawSpan)
  guard let time = accepted({ () throws(FormatError) in try Timestamp(from: &reader) }) else {
    return
  }
  var writer = ByteWriter()
  time.encode(to: &writer)
  require(writer.bytes == Array(input.prefix(12)), "a time has two encodings")
  require(time.nanoseconds < 1_000_000_000, "nanoseconds are less than a second")
  let part = time.civil
  require((1...9999).contains(part.year) && (1...12).contains(part.month), "\(time.rfc3339)")
  require((1...31).contains(part.day) && (0...23).contains(part.hour), "\(time.rfc3339)")
  require((0...59).contains(part.minute) && (0...59).contains(part.second), "\(time.rfc3339)")
  require(time.rfc3339.utf8.count == 20, "\(time.rfc3339)")
  let id = PointID(time: time, random: time.nanoseconds)
  require(PointID(id.text) == id, "\(id)")
  let next = Timestamp(seconds: time.seconds + 1)
  require(time.seconds == 253_402_300_799 || time.rfc3339 < next.rfc3339, "order of times")
}
