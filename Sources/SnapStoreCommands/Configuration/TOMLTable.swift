/// A value of a TOML document, and the line where it begins.
package struct TOMLValue: Equatable {
  package enum Content: Equatable {
    case string(String)
    case integer(Int64)
    case boolean(Bool)
    case array([TOMLValue])
    case table(TOMLTable)

    /// What kind of value it is, for messages.
    var kind: String {
      switch self {
      case .string: "a string"
      case .integer: "a number"
      case .boolean: "true or false"
      case .array: "an array"
      case .table: "a table"
      }
    }
  }

  package var content: Content
  package var line: Int
}

/// One part of a dotted key.
struct TOMLKey: Equatable {
  var text: String
  var line: Int
}

/// A table of a TOML document. What may be added to it while the document is read depends on what
/// has made it: TOML lets a table be written in one place only.
package struct TOMLTable: Equatable {
  private enum Origin: Equatable {
    /// Only named on the way to another table by a header: a header of its own may follow.
    case implied
    /// By a header or dotted keys, in this section.
    case written(section: Int)
    /// In braces.
    case closed
  }

  package private(set) var values: [String: TOMLValue] = [:]
  private var origin: Origin

  init(section: Int) {
    origin = .written(section: section)
  }

  private init(_ origin: Origin) {
    self.origin = origin
  }

  /// The same, to which nothing can be added, nor to the tables in it.
  func closed() -> TOMLTable {
    var table = self
    table.origin = .closed
    table.values = values.mapValues { value in
      guard case .table(let inner) = value.content else { return value }
      return TOMLValue(content: .table(inner.closed()), line: value.line)
    }
    return table
  }

  /// Begins the section of the header `[path]`.
  mutating func open(_ path: ArraySlice<TOMLKey>, section: Int) throws(TOMLError) {
    guard let key = path.first else {
      preconditionFailure("a header has a name")
    }
    let isLast = path.count == 1
    try change(key, made: isLast ? .written(section: section) : .implied) {
      (table) throws(TOMLError) in
      if !isLast { return try table.open(path.dropFirst(), section: section) }
      switch table.origin {
      case .implied: table.origin = .written(section: section)
      case .written(section): break  // just made
      case .written, .closed: throw key.written
      }
    }
  }

  /// Sets what a dotted key names in the table that the header of the section has opened.
  mutating func set(
    _ header: ArraySlice<TOMLKey>, _ path: [TOMLKey], _ value: TOMLValue, section: Int
  ) throws(TOMLError) {
    guard let key = header.first else { return try set(path[...], value, section: section) }
    try change(key, made: .implied) { (table) throws(TOMLError) in
      try table.set(header.dropFirst(), path, value, section: section)
    }
  }

  private mutating func set(
    _ path: ArraySlice<TOMLKey>, _ value: TOMLValue, section: Int
  ) throws(TOMLError) {
    guard let key = path.first else { preconditionFailure("a key has a part") }
    guard path.count > 1 else {
      guard values[key.text] == nil else { throw key.written }
      values[key.text] = value
      return
    }
    try change(key, made: .written(section: section)) { (table) throws(TOMLError) in
      switch table.origin {
      case .implied: table.origin = .written(section: section)
      case .written(section): break
      case .written, .closed: throw key.written
      }
      try table.set(path.dropFirst(), value, section: section)
    }
  }

  /// Changes the table of this name, which is made if there is nothing.
  private mutating func change(
    _ key: TOMLKey, made origin: Origin, _ body: (inout TOMLTable) throws(TOMLError) -> Void
  ) throws(TOMLError) {
    var value =
      values[key.text]
      ?? TOMLValue(content: .table(TOMLTable(origin)), line: key.line)
    guard case .table(var table) = value.content, table.origin != .closed else {
      throw key.written
    }
    try body(&table)
    value.content = .table(table)
    values[key.text] = value
  }
}

extension TOMLKey {
  /// Its value or table has been written already.
  fileprivate var written: TOMLError { TOMLError(line, "'\(text)' is there twice") }
}
