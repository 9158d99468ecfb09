internal import FoundationEssentials

/// A JSON value, for output whose fields are fixed by name: what is absent is said as null.
enum JSONValue: Encodable, Equatable {
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

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The value on one line, keys in alphabetical order.
  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  func merging(_ more: [String: JSONValue]) -> JSONValue {
    guard case .object(let fields) = self else { preconditionFailure("not an object") }
    return .object(fields.merging(more) { $1 })
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByBooleanLiteral
{
  init(stringLiteral value: String) { self = .string(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }

  init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(uniqueKeysWithValues: elements))
  }
}
