/// The name of a change: of what has been changed, and which of its changes it is, from 1 on.
/// Objects of changes are called so (docs/format.md, "Policies").
package struct ChangeName: Hashable, Sendable, CustomStringConvertible {
  /// No change has a higher number, so that the one behind it can be told.
  package static let maximumNumber = UInt64(Int64.max)
  package let subject: Name
  package let number: UInt64

  package init(_ subject: Name, number: UInt64) {
    precondition(1...Self.maximumNumber ~= number)
    self.subject = subject
    self.number = number
  }

  /// From the text that `description` gives; nil for anything else. A name may have dashes, and
  /// what looks like a number, so the text is taken from its end.
  package init?(_ text: some StringProtocol) {
    guard let dash = text.lastIndex(of: "-"), let subject = Name(text[..<dash]),
      let number = Hexadecimal.number(text[text.index(after: dash)...]),
      1...Self.maximumNumber ~= number
    else { return nil }
    self.init(subject, number: number)
  }

  package var description: String { "\(subject)-\(Hexadecimal.text(number: number))" }

  func encode(to writer: inout ByteWriter) {
    writer.append(text: subject.text)
    writer.append(number)
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    let subject = try Name(from: &reader)
    let number = try reader.uint64()
    guard 1...Self.maximumNumber ~= number else { throw .damaged("has number \(number)") }
    self.init(subject, number: number)
  }
}
