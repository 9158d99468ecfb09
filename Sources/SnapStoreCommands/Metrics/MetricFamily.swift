/// One metric with all its samples, in the text format of Prometheus
/// (https://prometheus.io/docs/instrumenting/exposition_formats/).
package struct MetricFamily {
  /// A name of `[a-z_]`, unit last.
  package var name: String
  package var help: String
  /// Whether it only grows, as long as nothing is forgotten. All else is a gauge.
  private let isCounter: Bool
  package var samples: [Sample] = []

  package struct Sample {
    /// Names of `[a-z_]`, in the order that they are written in.
    package var labels: [(name: String, value: String)]
    package var value: Value

    package init(labels: [(name: String, value: String)], value: Value) {
      self.labels = labels
      self.value = value
    }
  }

  package enum Value: Equatable {
    case integer(Int64)
    case number(Double)

    /// More than can be told is told as the most.
    static func count(_ count: UInt64) -> Value { .integer(Int64(clamping: count)) }

    var text: String {
      switch self {
      case .integer(let number): return String(number)
      case .number(let number):
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        return number.description
      }
    }

    var json: JSONValue {
      switch self {
      case .integer(let number): .integer(number)
      case .number(let number): .number(number)
      }
    }
  }

  package init(
    _ name: String, _ help: String, isCounter: Bool = false, _ samples: [Sample] = []
  ) {
    self.name = name
    self.help = help
    self.isCounter = isCounter
    self.samples = samples
  }

  mutating func add(_ value: Value, _ labels: (name: String, value: String)...) {
    samples.append(Sample(labels: labels, value: value))
  }

  /// Whole lines; nothing where there is no sample.
  package var text: String {
    guard !samples.isEmpty else { return "" }
    let type = isCounter ? "counter" : "gauge"
    let head = "# HELP \(name) \(Self.escape(help, quotes: false))\n# TYPE \(name) \(type)\n"
    return samples.reduce(into: head) { text, sample in
      let labels = sample.labels.map { "\($0.name)=\"\(Self.escape($0.value, quotes: true))\"" }
      let list = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
      text += "\(name)\(list) \(sample.value.text)\n"
    }
  }

  /// One object a sample: its labels, and `value`.
  var json: JSONValue {
    .array(
      samples.map { sample in
        let labels = sample.labels.map { ($0.name, JSONValue.string($0.value)) }
        return .object(["value": sample.value.json].merging(labels) { $1 })
      })
  }

  private static func escape(_ text: String, quotes: Bool) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
  }
}
