internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// When each point was last verified whole, as the vault's records say.
package struct Verifications: Sendable {
  private var times: [PointID: Timestamp] = [:]

  /// Reads all records; one that can't be read is logged and passed over.
  package init(_ vault: Vault) throws {
    for object in try vault.store.list(VaultFolder.verifications) {
      guard let id = SessionID(object.name.key) else { continue }
      do {
        guard let bytes = try vault.store.get(object.name, limit: FormatLimit.smallObject) else {
          continue
        }
        let record = try VerificationRecord(decoding: bytes.rawSpan)
        guard record.session == id else { throw FormatError.damaged("has another name") }
        for point in record.points {
          times[point] = max(times[point] ?? record.time, record.time)
        }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("\(object.name) can't be read: \(reason)")
      }
    }
  }

  package func time(of point: PointID) -> Timestamp? { times[point] }
}

extension Session {
  /// Puts a record that these points were verified, which began at `time`. Where the vault can't be
  /// written, there is only a warning: the verification stands.
  package func recordVerification(of points: [PointID], at time: Timestamp) {
    guard isRegistered, !points.isEmpty else { return }
    do {
      let record = VerificationRecord(
        session: id, time: time, points: Array(points.suffix(VerificationRecord.maximumPoints)))
      _ = try store.put(.verification(id), record.encoded())
    } catch {
      vault.log.warning("the verification could not be recorded in the vault: \(error)")
    }
  }
}
