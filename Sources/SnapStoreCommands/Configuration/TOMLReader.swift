/// Reads a TOML document (https://toml.io/en/v1.0.0) as far as a configuration needs it: what it
/// takes, it takes as TOML means it, and the rest it refuses, by line. Floats, dates and arrays of
/// tables are TOML and not read; nothing that is not TOML is read.
///
/// It works on bytes, so that no mark or joiner hides what a character is.
package struct TOMLReader {
  /// Tables and arrays in one another, and parts of a key: no more than this, so that no document
  /// can exhaust the stack.
  package static let maximumDepth = 32

  private var bytes: ArraySlice<UInt8>
  private(set) var line = 1

  /// The whole document as a table.
  package static func read(_ bytes: [UInt8]) throws(TOMLError) -> TOMLTable {
    var reader = TOMLReader(bytes: bytes)
    return try reader.document()
  }

  private init(bytes: [UInt8]) {
    // A line may end as on Windows; what else a return is, is refused where it stands.
    var plain: [UInt8] = []
    for (place, byte) in bytes.enumerated() {
      let isReturn = byte == 0x0D && place + 1 < bytes.count && bytes[place + 1] == 0x0A
      if !isReturn { plain.append(byte) }
    }
    self.bytes = plain[...]
  }

  private mutating func document() throws(TOMLError) -> TOMLTable {
    if let line = Self.firstLineThatIsNotUTF8(bytes) {
      throw TOMLError(line, "the text is not UTF-8")
    }
    var root = TOMLTable(section: 0)
    var section = 0
    var header: [TOMLKey] = []
    while true {
      skipBlanks()
      if next == UInt8(ascii: "[") {
        section += 1
        header = try tableHeader()
        try root.open(header[...], section: section)
      } else if let byte = next, byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "#") {
        let key = try key()
        let value = try valueBehindKey(depth: 0)
        try root.set(header[...], key, value, section: section)
      }
      try endOfLine()
      if next == nil { return root }
      takeNewline()
    }
  }

  private static func firstLineThatIsNotUTF8(_ bytes: ArraySlice<UInt8>) -> Int? {
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
    return (bad ?? 0) + 1
  }

  private mutating func tableHeader() throws(TOMLError) -> [TOMLKey] {
    take()
    if next == UInt8(ascii: "[") {
      throw TOMLError(line, "an array of tables, [[…]], is not read here")
    }
    let key = try key()
    try expect("]", "behind the name of a table")
    return key
  }

  // MARK: Keys

  private mutating func key() throws(TOMLError) -> [TOMLKey] {
    var parts: [TOMLKey] = []
    while true {
      skipBlanks()
      parts.append(TOMLKey(text: try keyPart(), line: line))
      guard parts.count <= Self.maximumDepth else { throw tooDeep }
      skipBlanks()
      guard next == UInt8(ascii: ".") else { return parts }
      take()
    }
  }

  private mutating func keyPart() throws(TOMLError) -> String {
    if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
      return try TOMLText.read(&self, isKey: true)
    }
    let part = takeWhile { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
      default: false
      }
    }
    guard !part.isEmpty else { throw unexpected("a key") }
    return part
  }

  // MARK: Values

  private mutating func valueBehindKey(depth: Int) throws(TOMLError) -> TOMLValue {
    skipBlanks()
    try expect("=", "behind a key")
    skipBlanks()
    return try value(depth: depth)
  }

  private mutating func value(depth: Int) throws(TOMLError) -> TOMLValue {
    guard depth < Self.maximumDepth else { throw tooDeep }
    let start = line
    let content: TOMLValue.Content =
      switch next {
      case UInt8(ascii: "\""), UInt8(ascii: "'"): .string(try TOMLText.read(&self, isKey: false))
      case UInt8(ascii: "["): .array(try array(depth: depth))
      case UInt8(ascii: "{"): .table(try inlineTable(depth: depth))
      default: try word()
      }
    return TOMLValue(content: content, line: start)
  }

  private mutating func array(depth: Int) throws(TOMLError) -> [TOMLValue] {
    take()
    var values: [TOMLValue] = []
    while true {
      try skipBlankLines()
      if takes("]") { return values }
      values.append(try value(depth: depth + 1))
      try skipBlankLines()
      if takes("]") { return values }
      try expect(",", "between the values of an array")
    }
  }

  /// On one line, and closed: nothing can be added to it later.
  private mutating func inlineTable(depth: Int) throws(TOMLError) -> TOMLTable {
    take()
    var table = TOMLTable(section: 0)
    skipBlanks()
    if takes("}") { return table.closed() }
    while true {
      let key = try key()
      try table.set([], key, try valueBehindKey(depth: depth + 1), section: 0)
      skipBlanks()
      if takes("}") { return table.closed() }
      try expect(",", "between the fields of a table")
    }
  }

  private mutating func word() throws(TOMLError) -> TOMLValue.Content {
    let word = takeWhile { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      default: "+-_.:".utf8.contains(byte)
      }
    }
    switch word {
    case "": throw unexpected("a value")
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    default: break
    }
    guard let number = Self.integer(word) else {
      throw TOMLError(
        line, "'\(word)' is no string in quotes, whole number, true, false, [array] or {table}")
    }
    return .integer(number)
  }

  private static func integer(_ word: String) -> Int64? {
    var digits = Substring(word)
    var sign = ""
    var radix = 10
    if let prefix = ["0x": 16, "0o": 8, "0b": 2][String(word.prefix(2))] {
      radix = prefix
      digits = digits.dropFirst(2)
    } else if let first = digits.first, first == "+" || first == "-" {
      sign = String(digits.removeFirst())
    }
    let groups = digits.split(separator: "_", omittingEmptySubsequences: false)
    guard groups.allSatisfy({ !$0.isEmpty && $0.first != "+" && $0.first != "-" }) else {
      return nil
    }
    if radix == 10 && digits.count > 1 && digits.first == "0" { return nil }
    return Int64(sign + groups.joined(), radix: radix)
  }

  // MARK: Bytes

  var next: UInt8? { bytes.first }

  func starts(with text: String) -> Bool { bytes.starts(with: text.utf8) }

  /// Not a new line, which `takeNewline` counts.
  @discardableResult
  mutating func take() -> UInt8? { bytes.popFirst() }

  mutating func take(_ count: Int) { bytes.removeFirst(count) }

  mutating func takes(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    take()
    return true
  }

  mutating func takeNewline() {
    precondition(take() == UInt8(ascii: "\n"))
    line += 1
  }

  mutating func takeWhile(_ isPart: (UInt8) -> Bool) -> String {
    let part = bytes.prefix(while: isPart)
    bytes.removeFirst(part.count)
    return String(decoding: part, as: UTF8.self)
  }

  mutating func skipBlanks() {
    while next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { take() }
  }

  mutating func skipBlankLines() throws(TOMLError) {
    while true {
      skipBlanks()
      try skipComment()
      guard next == UInt8(ascii: "\n") else { return }
      takeNewline()
    }
  }

  private mutating func skipComment() throws(TOMLError) {
    guard next == UInt8(ascii: "#") else { return }
    while let byte = next, byte != UInt8(ascii: "\n") {
      if Self.isControl(byte) { throw unexpected("the text of a comment") }
      take()
    }
  }

  private mutating func endOfLine() throws(TOMLError) {
    skipBlanks()
    try skipComment()
    if let byte = next, byte != UInt8(ascii: "\n") { throw unexpected("the end of the line") }
  }

  private mutating func expect(_ mark: Unicode.Scalar, _ place: String) throws(TOMLError) {
    skipBlanks()
    guard takes(mark) else { throw unexpected("'\(mark)' \(place)") }
  }

  /// A tab is none.
  static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 || byte == 0x7F }

  func unexpected(_ wanted: String) -> TOMLError {
    guard next != nil, next != UInt8(ascii: "\n") else {
      return TOMLError(line, "\(wanted) is missing at the end of the line")
    }
    let character = String(decoding: bytes.prefix(4), as: UTF8.self).unicodeScalars.prefix(1)
    return TOMLError(
      line, "'\(HumanText.plain(String(character)))' stands where \(wanted) is expected")
  }

  private var tooDeep: TOMLError {
    TOMLError(line, "more than \(Self.maximumDepth) tables, arrays or keys in one another")
  }
}

/// What is wrong with a document, and in which line, from 1 on.
package struct TOMLError: Error, Equatable {
  package var line: Int
  package var problem: String

  package init(_ line: Int, _ problem: String) {
    self.line = line
    self.problem = problem
  }
}
