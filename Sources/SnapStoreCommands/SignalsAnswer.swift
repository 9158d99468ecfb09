internal import SnapStoreFormat

/// What is told of how a point's disks changed since its parent.
enum SignalsAnswer {
  /// An object for each rule that fired.
  static func fields(_ point: RecoveryPoint) -> JSONValue {
    .array(
      (point.signals?.rules ?? []).map { rule in
        ["rule": .string(rule.name), "text": .string(text(rule)), "figures": changes(point)]
      })
  }

  /// The figures; null for a point without parent.
  static func changes(_ point: RecoveryPoint) -> JSONValue {
    guard let figures = point.signals?.figures else { return .null }
    return [
      "data_bytes": .bytes(figures.dataByteCount),
      "replaced_bytes": .bytes(figures.replacedByteCount),
      "incompressible_bytes": .bytes(figures.scrambledByteCount),
      "added_incompressible_bytes": .bytes(figures.addedDenseByteCount),
      "added_bytes": .bytes(figures.addedByteCount),
      "removed_bytes": .bytes(figures.removedByteCount),
    ]
  }

  static func text(_ point: RecoveryPoint) -> String {
    guard let figures = point.signals?.figures else { return "not known, without a parent" }
    return [
      "\(HumanText.bytes(figures.replacedByteCount)) replaced",
      "\(HumanText.bytes(figures.scrambledByteCount)) of it incompressible now",
      "\(HumanText.bytes(figures.addedByteCount)) added",
      "\(HumanText.bytes(figures.removedByteCount)) removed",
    ].joined(separator: ", ")
  }

  private static func text(_ rule: PointSignals.Rule) -> String {
    switch rule {
    case .incompressible: "much data was replaced by data that does not compress"
    case .rewritten: "much more data was replaced than on the days before"
    default: "a rule of a later version"
    }
  }
}
