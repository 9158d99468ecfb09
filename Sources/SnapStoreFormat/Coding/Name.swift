/// The name of a machine, a disk or a policy: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
///
/// Checked when typed and again when read from a vault, so that a name can stand in a path.
package struct Name: Hashable, Sendable, Comparable, CustomStringConvertible {
  package static let rule = "a letter or digit, then up to 63 letters, digits, '.', '_' or '-'"
  package let text: String

  /// Nil where the text does not match.
  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, bytes.count <= 64, Self.isLetterOrDigit(first),
      bytes.allSatisfy({ Self.isLetterOrDigit($0) || ".-_".utf8.contains($0) })
    else { return nil }
    self.text = String(text)
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    let start = reader.offset
    let text = try reader.text()
    guard let name = Name(text) else {
      throw .damaged("a name breaks the rule for names", at: start)
    }
    self = name
  }

  package var description: String { text }

  package static func < (left: Name, right: Name) -> Bool { left.text < right.text }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}
