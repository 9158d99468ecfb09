/// What a backup saw of how the machine's disks changed since its parent point, all disks together,
/// and which rules found that it is no ordinary day (docs/format.md, "Signals").
///
/// The figures are kept so that the machine's next points have a history to be held against.
package struct PointSignals: Equatable, Sendable {
  /// Bytes of the disks that the parent point had too. Of whole chunks: one block that changed
  /// counts as its chunk.
  package struct Figures: Equatable, Sendable {
    /// What the parent point had in chunks.
    package var dataByteCount: UInt64 = 0
    /// Of that, what is other data now.
    package var replacedByteCount: UInt64 = 0
    /// Of that, what could be compressed before, and can't be now.
    package var scrambledByteCount: UInt64 = 0
    /// Data where the parent point had zeros.
    package var addedByteCount: UInt64 = 0
    /// Of that, what can't be compressed.
    package var addedDenseByteCount: UInt64 = 0
    /// Data of the parent point that is zeros now.
    package var removedByteCount: UInt64 = 0

    package init() {}

    /// Wraps around, as figures that are only compared may.
    package static func + (left: Figures, right: Figures) -> Figures {
      var sum = left
      sum.dataByteCount &+= right.dataByteCount
      sum.replacedByteCount &+= right.replacedByteCount
      sum.scrambledByteCount &+= right.scrambledByteCount
      sum.addedByteCount &+= right.addedByteCount
      sum.addedDenseByteCount &+= right.addedDenseByteCount
      sum.removedByteCount &+= right.removedByteCount
      return sum
    }

    fileprivate func encode(to writer: inout ByteWriter) {
      writer.append(dataByteCount)
      writer.append(replacedByteCount)
      writer.append(scrambledByteCount)
      writer.append(addedByteCount)
      writer.append(addedDenseByteCount)
      writer.append(removedByteCount)
    }

    fileprivate init(from reader: inout ByteReader) throws(FormatError) {
      dataByteCount = try reader.uint64()
      replacedByteCount = try reader.uint64()
      scrambledByteCount = try reader.uint64()
      addedByteCount = try reader.uint64()
      addedDenseByteCount = try reader.uint64()
      removedByteCount = try reader.uint64()
    }
  }

  /// Why a point is suspect. A later version may know more of them than this one.
  package struct Rule: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) {
      self.rawValue = rawValue
    }

    /// Much of what could be compressed was replaced by what can't be: as by encryption.
    package static let incompressible = Rule(rawValue: 1)
    /// Much more was replaced than on other days.
    package static let rewritten = Rule(rawValue: 2)

    package var name: String {
      switch self {
      case .incompressible: "incompressible"
      case .rewritten: "rewritten"
      default: "rule-\(rawValue)"
      }
    }
  }

  package static let maximumRules = 64

  package var figures: Figures
  /// Those that fired, in ascending order of their numbers.
  package var rules: [Rule]

  package init(figures: Figures, rules: [Rule] = []) {
    self.figures = figures
    self.rules = rules
  }

  func encode(to writer: inout ByteWriter) {
    figures.encode(to: &writer)
    writer.append(UInt64(rules.count))
    for rule in rules { writer.append(rule.rawValue) }
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    figures = try Figures(from: &reader)
    let count = try reader.length(limit: Self.maximumRules, of: "the number of signals")
    rules = []
    for _ in 0..<count {
      let number = try reader.uint32()
      guard number > rules.last?.rawValue ?? 0 else {
        throw .damaged("the signals of a point are not in order", at: reader.offset)
      }
      rules.append(Rule(rawValue: number))
    }
  }
}
