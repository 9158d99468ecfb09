/// The ID of a recovery point: `YYYYMMDDTHHMMSSZ-` and six random hexadecimal digits.
package struct PointID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let text: String

  package init(time: Timestamp, random: UInt32) {
    let digits = String(random & 0xFF_FFFF, radix: 16)
    text = time.compact + "-" + String(repeating: "0", count: 6 - digits.count) + digits
  }

  /// Nil where the text has another form.
  package init?(_ text: some StringProtocol) {
    let characters = Array(text.utf8)
    guard characters.count == 23, characters[8] == UInt8(ascii: "T"),
      characters[15] == UInt8(ascii: "Z"), characters[16] == UInt8(ascii: "-"),
      (characters[..<8] + characters[9..<15]).allSatisfy({ (48...57).contains($0) }),
      characters[17...].allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else { return nil }
    self.text = String(text)
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    let start = reader.offset
    let text = try reader.text()
    guard let id = PointID(text) else { throw .damaged("is no point ID", at: start) }
    self = id
  }

  package var description: String { text }

  /// When it was made, as far as its name says: to the second, and in an order.
  package var timeText: Substring { text.prefix(16) }

  package static func < (left: PointID, right: PointID) -> Bool { left.text < right.text }
}
