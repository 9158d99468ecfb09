/// A JSON value, for output whose fields are fixed by name: what is absent is said as null.
package enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
  static func bytes(_ count: UInt64) -> JSONValue { .integer(Int64(clamping: count)) }
  static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }

  /// To the millisecond.
  static func seconds(_ seconds: Double) -> JSONValue {
    .number((seconds * 1000).rounded() / 1000)
  }

  /// The value on one line, keys in alphabetical order. Written by hand: a list of a thousand
  /// points takes Foundation's encoder as long as reading them.
  func line() -> String {
    var text = ""
    append(to: &text)
    return text
  }

  private func append(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value): text += Self.text(of: value)
    case .string(let value): Self.append(quoted: value, to: &text)
    case .array(let values):
      text += "["
      for (place, value) in values.enumerated() {
        if place > 0 { text += "," }
        value.append(to: &text)
      }
      text += "]"
    case .object(let fields):
      text += "{"
      for (place, field) in fields.sorted(by: { $0.key < $1.key }).enumerated() {
        if place > 0 { text += "," }
        Self.append(quoted: field.key, to: &text)
        text += ":"
        field.value.append(to: &text)
      }
      text += "}"
    }
  }

  /// JSON has no infinities; whole numbers have no fraction.
  private static func text(of number: Double) -> String {
    guard number.isFinite else { return "null" }
    return Int64(exactly: number).map { String($0) } ?? number.description
  }

  private static func append(quoted value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1F}":
        let code = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - code.count) + code
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  func merging(_ more: [String: JSONValue]) -> JSONValue {
    guard case .object(let fields) = self else { preconditionFailure("not an object") }
    return .object(fields.merging(more) { $1 })
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByBooleanLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }

  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(uniqueKeysWithValues: elements))
  }
}
