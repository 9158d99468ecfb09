package import SnapStoreFormat
package import SnapStoreVault

/// Decides whether a day is no ordinary one, by the machine's own history: what its points before
/// changed at most. Why these thresholds: docs/architecture.md.
package struct ChangeRules: Sendable {
  /// So many points of a machine are its history, the newest ones.
  package static let historyCount = 30
  /// Below it, nothing fires: a disk that small is rewritten by anything.
  package static let minimumByteCount: UInt64 = 16 << 20
  /// So many points have to tell what is usual, before more than usual means anything.
  static let minimumHistory = 4

  private let history: [PointSignals.Figures]

  package init(history: [PointSignals.Figures]) {
    self.history = history.suffix(Self.historyCount)
  }

  /// The history of a machine: its points that are not suspect, deleted ones too, while they are
  /// there.
  package init(_ catalog: PointCatalog, of machine: Name, _ reviews: Reviews) {
    self.init(
      history: catalog.kept.map(\.point).filter { $0.machine == machine && !reviews.isSuspect($0) }
        .compactMap(\.signals?.figures))
  }

  /// The rules that fire, in the order of their numbers.
  package func rules(for figures: PointSignals.Figures) -> [PointSignals.Rule] {
    let churn = Self.churn(figures)
    let isRewritten =
      figures.replacedByteCount &+ figures.removedByteCount >= Self.minimumByteCount
      && history.count >= Self.minimumHistory
      && (churn >= 0.8 && churn > 1.1 * most(Self.churn)
        || churn >= 0.3 && churn > 3 * most(Self.churn))
    // An archive replaces what it scrambles; who goes through files replaces what lies beside it.
    let isWidespread =
      history.count >= Self.minimumHistory && churn >= 0.2 && churn > 2 * most(Self.churn)
    let dense = densityShare(figures)
    let isScrambled =
      figures.scrambledByteCount &+ figures.addedDenseByteCount >= Self.minimumByteCount
      && (Self.scrambled(figures) >= 0.5
        || dense >= (isWidespread ? 0.08 : 0.16) && dense > 1.1 * most(densityShare))
    var rules: [PointSignals.Rule] = []
    if isScrambled { rules.append(.incompressible) }
    if isRewritten { rules.append(.rewritten) }
    return rules
  }

  /// What a person is told of a suspect point; nil of another.
  package func warning(of point: RecoveryPoint) -> String? {
    guard let signals = point.signals, let rule = signals.rules.first else { return nil }
    let isScrambled = rule == .incompressible
    let share = isScrambled ? densityShare : Self.churn
    let what = isScrambled ? "replaced by data that does not compress" : "replaced"
    let before =
      history.isEmpty
      ? "" : ", \(Self.percent(most(share))) at most on the \(history.count) points before"
    let cause =
      isScrambled
      ? "this is what encryption by malware looks like"
      : "an attack can look like this, and so can a new installation"
    return "\(Self.percent(share(signals.figures))) of the data of \(point.machine) was "
      + "\(what)\(before): \(cause). Look at the machine. This point and the last good one "
      + "before it are kept until you say: snapstore point unpin \(point.id)"
  }

  private func most(_ share: (PointSignals.Figures) -> Double) -> Double {
    history.map(share).max() ?? 0
  }

  /// With a history, what was written to free blocks counts too, as by a program that encrypts into
  /// new files: as far as other blocks were scrambled, which come from where it deleted the old
  /// ones, or were discarded. Without, that may be an archive.
  private func densityShare(_ figures: PointSignals.Figures) -> Double {
    guard history.count >= Self.minimumHistory else { return Self.scrambled(figures) }
    let evidence = 2 * Double(figures.scrambledByteCount) + Double(figures.removedByteCount)
    let dense =
      Double(figures.scrambledByteCount) + min(Double(figures.addedDenseByteCount), evidence)
    return figures.dataByteCount == 0 ? 0 : min(1, dense / Double(figures.dataByteCount))
  }

  static func scrambled(_ figures: PointSignals.Figures) -> Double {
    share(figures.scrambledByteCount, of: figures)
  }

  /// What moved on the disk counts too: where freed blocks are discarded, what is written anew is
  /// data where zeros were, and zeros where data was.
  static func churn(_ figures: PointSignals.Figures) -> Double {
    let moved = min(figures.addedByteCount, figures.removedByteCount)
    return share(figures.replacedByteCount &+ moved, of: figures)
  }

  private static func share(_ byteCount: UInt64, of figures: PointSignals.Figures) -> Double {
    figures.dataByteCount == 0 ? 0 : min(1, Double(byteCount) / Double(figures.dataByteCount))
  }

  private static func percent(_ share: Double) -> String {
    "\(Int((share * 100).rounded())) %"
  }
}
