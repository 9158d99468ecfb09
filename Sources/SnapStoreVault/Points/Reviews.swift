package import SnapStoreFormat
internal import SnapStoreIO

/// The suspect points that somebody has looked at, as they were when this was made. A review counts
/// by being there, as a pin does.
package struct Reviews: Sendable {
  private let points: Set<PointID>

  package init(_ vault: Vault) throws {
    points = Set(try vault.store.list(VaultFolder.reviews).compactMap { PointID($0.name.key) })
  }

  /// Whether the point's signals say that something is wrong, and nobody has said otherwise.
  package func isSuspect(_ point: RecoveryPoint) -> Bool {
    guard let signals = point.signals, !signals.rules.isEmpty else { return false }
    return !points.contains(point.id)
  }
}

extension Vault {
  /// Takes note that somebody looked at a suspect point. Durable when it returns; false where it
  /// was reviewed already.
  @discardableResult
  package func review(_ point: PointID) throws -> Bool {
    try store.put(.review(point), ReviewRecord(point: point, time: now()).encoded())
  }
}
