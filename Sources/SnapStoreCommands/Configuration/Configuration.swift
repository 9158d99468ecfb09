internal import SnapStoreFormat

/// What the host's configuration says; without one, nothing. Every command may read it, and none
/// changes it.
package struct Configuration: Equatable {
  /// The vault that is used where neither `--vault` nor `SNAPSTORE_VAULT` names one: an absolute
  /// path.
  var vault: String?
  /// Where this host is, as a name of the operator's own.
  var region: Name?
  /// Where `metrics --textfile` writes: an absolute path.
  var metricsFile: String?
  /// A program and its arguments for each event.
  var hooks: [Hooks.Event: [String]] = [:]

  init() {}

  /// What a configuration file says; `path` is for messages. A `Failure` names the line.
  package init(_ bytes: [UInt8], path: String) throws {
    do throws(TOMLError) {
      try self.init(try TOMLReader.read(bytes))
    } catch {
      throw Failure(
        .wrongUsage, "\(path), line \(error.line): \(error.problem)",
        hint: "mend the file; SNAPSTORE_CONFIG= (empty) runs without it")
    }
  }

  /// Who adds a key here adds it to `README.md` too.
  private init(_ table: TOMLTable) throws(TOMLError) {
    var fields = ConfigurationFields(table, name: "")
    vault = try fields.path("vault")
    region = try fields.name("region")
    var metrics = try fields.table("metrics")
    metricsFile = try metrics.path("textfile")
    try metrics.refuseOthers()
    var hooks = try fields.table("hooks")
    for event in Hooks.Event.allCases {
      self.hooks[event] = try hooks.command(event.rawValue)
    }
    try hooks.refuseOthers()
    try fields.refuseOthers()
  }
}

/// The fields of one table of the configuration: each is asked for by its name and kind, and what
/// nobody has asked for is a mistake of who wrote it.
private struct ConfigurationFields {
  private var values: [String: TOMLValue]
  /// Of the table, with a dot; empty at the top.
  private let name: String
  private var known: [String] = []

  init(_ table: TOMLTable, name: String) {
    values = table.values
    self.name = name
  }

  mutating func path(_ key: String) throws(TOMLError) -> String? {
    guard let value = take(key) else { return nil }
    return try path(value, key)
  }

  mutating func name(_ key: String) throws(TOMLError) -> Name? {
    guard let value = take(key) else { return nil }
    guard let name = Name(try text(value, key)) else {
      throw TOMLError(value.line, "'\(self.name)\(key)' must be a name, which is \(Name.rule)")
    }
    return name
  }

  /// A program by its absolute path, then its arguments.
  mutating func command(_ key: String) throws(TOMLError) -> [String]? {
    guard let value = take(key) else { return nil }
    guard case .array(let words) = value.content, let program = words.first else {
      throw TOMLError(
        value.line, "'\(name)\(key)' must be an array: a program's path, then its arguments")
    }
    var command = [try path(program, key)]
    for word in words.dropFirst() { command.append(try text(word, key)) }
    return command
  }

  /// Empty where it is not there.
  mutating func table(_ key: String) throws(TOMLError) -> ConfigurationFields {
    guard let value = take(key) else {
      return ConfigurationFields(TOMLTable(section: 0), name: "\(key).")
    }
    guard case .table(let table) = value.content else {
      throw TOMLError(value.line, "'\(key)' is \(value.content.kind), but must be a table")
    }
    return ConfigurationFields(table, name: "\(name)\(key).")
  }

  /// The first of the keys that nobody asked for is an error.
  func refuseOthers() throws(TOMLError) {
    let others = values.map { (line: $1.line, key: $0) }.sorted {
      ($0.line, $0.key) < ($1.line, $1.key)
    }
    guard let other = others.first else { return }
    let all = known.map { name + $0 }.joined(separator: ", ")
    throw TOMLError(
      other.line, "'\(name)\(HumanText.plain(other.key))' is unknown here; there are: \(all)")
  }

  private mutating func take(_ key: String) -> TOMLValue? {
    known.append(key)
    return values.removeValue(forKey: key)
  }

  /// Relative to what, could not be said: programs run in any directory.
  private func path(_ value: TOMLValue, _ key: String) throws(TOMLError) -> String {
    let text = try text(value, key)
    guard text.utf8.first == UInt8(ascii: "/") else {
      throw TOMLError(value.line, "'\(name)\(key)' must be an absolute path: it begins with '/'")
    }
    return text
  }

  /// What is given to the system ends at a zero.
  private func text(_ value: TOMLValue, _ key: String) throws(TOMLError) -> String {
    guard case .string(let text) = value.content else {
      throw TOMLError(
        value.line, "'\(name)\(key)' has \(value.content.kind) where a string must be")
    }
    guard !text.utf8.contains(0) else {
      throw TOMLError(value.line, "'\(name)\(key)' has a zero in its text")
    }
    return text
  }
}
