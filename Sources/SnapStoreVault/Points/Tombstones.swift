internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// Which points were deleted: the newest tombstone of each point that has one.
package struct Tombstones: Sendable {
  /// What holds of a point that has tombstones.
  package struct Newest: Sendable {
    package var name: TombstoneName
    /// Nil where it can't be read: then the point counts as deleted, and is kept.
    package var record: TombstoneRecord?

    package var isFinal: Bool { record?.state == .final }
    /// Whether the point is hidden, and can be brought back.
    package var isDeleted: Bool { record.map { $0.state == .deleted } ?? true }
  }

  package private(set) var newest: [PointID: Newest] = [:]

  /// Reads the newest tombstone of each point; with `point`, of this one only.
  package init(_ vault: Vault, of point: PointID? = nil) throws {
    var names: [PointID: TombstoneName] = [:]
    for object in try vault.store.list(VaultFolder.tombstones) {
      guard let name = TombstoneName(object.name.key), point == nil || name.point == point else {
        continue
      }
      names[name.point] = max(names[name.point] ?? name, name)
    }
    for name in names.values {
      do {
        guard let record = try Self.read(name, vault) else { continue }  // gone since
        newest[name.point] = Newest(name: name, record: record)
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("tombstones/\(name) can't be read: \(reason)")
        newest[name.point] = Newest(name: name, record: nil)
      }
    }
  }

  private static func read(_ name: TombstoneName, _ vault: Vault) throws -> TombstoneRecord? {
    let object = ObjectName.tombstone(name)
    guard let bytes = try vault.store.get(object, limit: FormatLimit.smallObject) else {
      return nil
    }
    do throws(FormatError) {
      let record = try TombstoneRecord(decoding: bytes.rawSpan)
      guard record.name == name else { throw .damaged("says that it is \(record.name)") }
      return record
    } catch {
      throw error.inObject("\(object)")
    }
  }

  /// What a step says; nil where it is not there, or can't be read.
  static func state(_ name: TombstoneName, _ vault: Vault) throws -> TombstoneRecord.State? {
    do {
      return try read(name, vault)?.state
    } catch {
      guard damageReason(error) != nil else { throw error }
      return nil
    }
  }

  /// Whether nobody can tell if the point is deleted.
  package func isUnreadable(_ point: PointID) -> Bool {
    newest[point].map { $0.record == nil } ?? false
  }

  package func isFinal(_ point: PointID) -> Bool { newest[point]?.isFinal ?? false }
  package func isDeleted(_ point: PointID) -> Bool { newest[point]?.isDeleted ?? false }
  /// Whether nothing was deleted, or it was brought back.
  package func isWhole(_ point: PointID) -> Bool { !isFinal(point) && !isDeleted(point) }

  /// The points that are deleted for ever, by their hashes: what gaps in a chain are explained by.
  package var gone: [RecoveryPoint.Hash: TombstoneRecord.Subject] {
    newest.values.reduce(into: [:]) { gone, tombstone in
      if tombstone.isFinal, let subject = tombstone.record?.subject {
        gone[subject.hash] = subject
      }
    }
  }
}
