/// The four kinds of strings of TOML: `"basic"`, `'literal'`, and both in three quotes, which may
/// have many lines.
enum TOMLText {
  /// Reads the string whose first quote is next. A key is never one of many lines.
  static func read(_ reader: inout TOMLReader, isKey: Bool) throws(TOMLError) -> String {
    let isBasic = reader.next == UInt8(ascii: "\"")
    let quote: Unicode.Scalar = isBasic ? "\"" : "'"
    let three = String(repeating: String(quote), count: 3)
    let isLong = reader.starts(with: three)
    if isLong && isKey { throw TOMLError(reader.line, "a key can't have many lines") }
    let start = reader.line
    reader.take(isLong ? 3 : 1)
    if isLong && reader.next == UInt8(ascii: "\n") { reader.takeNewline() }
    var text: [UInt8] = []
    while let byte = reader.next {
      if isLong ? reader.starts(with: three) : byte == UInt8(ascii: quote) {
        reader.take(isLong ? 3 : 1)
        // One or two more belong to the text: the last three end it.
        for _ in 0..<2 where isLong && reader.takes(quote) { text.append(UInt8(ascii: quote)) }
        return String(decoding: text, as: UTF8.self)
      }
      if byte == UInt8(ascii: "\n") {
        if !isLong { break }
        reader.takeNewline()
        text.append(byte)
      } else if isBasic && byte == UInt8(ascii: "\\") {
        try escape(&reader, isLong: isLong, &text)
      } else if TOMLReader.isControl(byte) {
        throw reader.unexpected("the text of a string")
      } else {
        reader.take()
        text.append(byte)
      }
    }
    throw TOMLError(start, "a string has no end: \(isLong ? three : String(quote)) is missing")
  }

  private static func escape(
    _ reader: inout TOMLReader, isLong: Bool, _ text: inout [UInt8]
  ) throws(TOMLError) {
    reader.take()
    switch reader.next {
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "u"): return try codePoint(&reader, digits: 4, &text)
    case UInt8(ascii: "U"): return try codePoint(&reader, digits: 8, &text)
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"):
      if isLong { return try lineEnd(&reader) }
      throw reader.unexpected("one of btnfruU\"\\ behind a backslash")
    default: throw reader.unexpected("one of btnfruU\"\\ behind a backslash")
    }
    reader.take()
  }

  private static func codePoint(
    _ reader: inout TOMLReader, digits count: Int, _ text: inout [UInt8]
  ) throws(TOMLError) {
    reader.take()
    var digits = ""
    while digits.count < count, let byte = reader.next, isHexadecimal(byte) {
      digits.unicodeScalars.append(Unicode.Scalar(byte))
      reader.take()
    }
    guard digits.count == count, let number = UInt32(digits, radix: 16),
      let scalar = Unicode.Scalar(number)
    else { throw TOMLError(reader.line, "no character has the number '\(digits)'") }
    text += Array(String(scalar).utf8)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    Unicode.Scalar(byte).properties.isASCIIHexDigit
  }

  /// A backslash at the end of a line takes away all blanks and new lines that follow.
  private static func lineEnd(_ reader: inout TOMLReader) throws(TOMLError) {
    reader.skipBlanks()
    guard reader.next == UInt8(ascii: "\n") else {
      throw reader.unexpected("the end of the line behind a backslash")
    }
    while reader.next == UInt8(ascii: "\n") {
      reader.takeNewline()
      reader.skipBlanks()
    }
  }
}
