/// Figures as people read them.
enum HumanText {
  /// `1.5 GiB`: binary units, three digits.
  static func bytes(_ count: UInt64) -> String {
    guard count >= 1024 else { return "\(count) B" }
    var value = Double(count)
    var unit = 0
    while value >= 1023.5, unit < 6 {
      value /= 1024
      unit += 1
    }
    let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    return "\(decimals(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)) \(names[unit])"
  }

  static func seconds(_ seconds: Double) -> String {
    if seconds < 60 { return "\(decimals(seconds, seconds < 10 ? 2 : 1)) s" }
    let whole = Int(seconds.rounded())
    let minutes = "\(whole / 60 % 60) min \(whole % 60) s"
    return whole < 3600 ? minutes : "\(whole / 3600) h \(minutes)"
  }

  /// How long something will take: not more exact than anyone can know.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  /// How many bytes a second.
  static func rate(_ byteCount: UInt64, _ seconds: Double) -> String {
    bytes(UInt64(Double(byteCount) / max(seconds, 0.001))) + "/s"
  }

  /// A text that may come from a vault or a path, on one line: control characters, which could
  /// fake lines or move the cursor, are shown as escapes.
  static func plain(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      if scalar.properties.generalCategory == .control {
        result += scalar.escaped(asASCII: true)
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
  }

  /// `2.3 : 1`
  static func ratio(_ ratio: Double) -> String { "\(decimals(ratio, 1)) : 1" }

  static func count(_ count: Int, _ one: String, _ many: String) -> String {
    "\(count) \(count == 1 ? one : many)"
  }

  private static func decimals(_ value: Double, _ digits: Int) -> String {
    let scale = [1, 10, 100][digits]
    let scaled = Int((value * Double(scale)).rounded())
    guard digits > 0 else { return "\(scaled)" }
    let fraction = String(scaled % scale)
    return "\(scaled / scale)."
      + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

/// Rows under headings, each column as wide as its widest cell.
struct Table {
  struct Column {
    var title: String
    var isNumber = false
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  init(_ columns: [Column]) {
    self.columns = columns
  }

  mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count)
    rows.append(cells)
  }

  var text: String {
    let all = [columns.map(\.title)] + rows
    let widths = columns.indices.map { column in
      all.map { $0[column].count }.max() ?? 0
    }
    return all.map { row in
      let cells = columns.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return columns[column].isNumber ? space + row[column] : row[column] + space
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
