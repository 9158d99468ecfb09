/// The name of a time zone, as the IANA database has them: `Europe/Berlin`, or `UTC`.
///
/// Checked when typed and again when read from a vault, so that it can stand in a path. Whether
/// there is such a zone is another question, which only a host can answer.
package struct TimeZoneName: Hashable, Sendable, CustomStringConvertible {
  package static let utc = TimeZoneName(checked: "UTC")
  package static let rule = "a name such as UTC or Europe/Berlin"
  package let text: String

  private init(checked text: String) {
    self.text = text
  }

  /// Nil where the text can't be one: 1 to 64 letters, digits, `+`, `-`, `_`, in parts with `/`
  /// between them, none of which is empty.
  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard (1...64).contains(bytes.count), bytes.allSatisfy({ Self.isAllowed($0) }),
      bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        .allSatisfy({ !$0.isEmpty })
    else { return nil }
    self.text = String(text)
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    let start = reader.offset
    let text = try reader.text()
    guard let name = TimeZoneName(text) else {
      throw .damaged("a text can't be the name of a time zone", at: start)
    }
    self = name
  }

  package var description: String { text }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "+-_/".utf8.contains(byte)
    }
  }
}
