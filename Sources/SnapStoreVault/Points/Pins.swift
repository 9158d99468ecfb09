package import SnapStoreFormat
internal import SnapStoreIO

/// The points that no rule lets go, as they were when this was made. A pin counts by being there:
/// one that can't be read still holds.
package struct Pins: Sendable {
  private let points: Set<PointID>

  package init(_ vault: Vault) throws {
    points = Set(try vault.store.list(VaultFolder.pins).compactMap { PointID($0.name.key) })
  }

  package func contains(_ point: PointID) -> Bool { points.contains(point) }
}

extension Vault {
  /// Durable when it returns; false where the point was pinned already. Throws `VaultError` where
  /// it is being deleted at this moment: who deletes looks for the pin behind the tombstone.
  @discardableResult
  package func pin(_ point: PointID) throws -> Bool {
    let isNew = try store.put(.pin(point), PinRecord(point: point, time: now()).encoded())
    guard try Tombstones(self, of: point).isWhole(point) else {
      throw VaultError(
        .aborted, "recovery point \(point) was deleted while it was pinned",
        hint: "see whether it can be brought back: snapstore points --deleted")
    }
    return isNew
  }

  /// False where the point was not pinned.
  @discardableResult
  package func unpin(_ point: PointID) throws -> Bool { try store.delete(.pin(point)) }
}
