internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// What the last verification of each point found, as the vault's records say.
package struct Verifications: Sendable {
  private struct Verdict {
    var time: Timestamp
    var isWhole: Bool
  }

  private var verdicts: [PointID: Verdict] = [:]

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
        for point in record.points { note(point, isWhole: true, record.time) }
        for point in record.lossy { note(point, isWhole: false, record.time) }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("\(object.name) can't be read: \(reason)")
      }
    }
  }

  /// Of two at one time, the one that found less.
  private mutating func note(_ point: PointID, isWhole: Bool, _ time: Timestamp) {
    if let known = verdicts[point], known.time > time || known.time == time && isWhole { return }
    verdicts[point] = Verdict(time: time, isWhole: isWhole)
  }

  /// When the point was verified whole, if nothing else was found since.
  package func time(of point: PointID) -> Timestamp? {
    verdicts[point].flatMap { $0.isWhole ? $0.time : nil }
  }

  /// Whether the point was found to lose something, and was not verified whole since.
  package func isLossy(_ point: PointID) -> Bool { verdicts[point]?.isWhole == false }
}

extension Session {
  /// Puts a record that these points were verified whole, and that those lose something, by a
  /// verification that began at `time`. Where the vault can't be written, there is only a warning:
  /// the verification stands.
  package func recordVerification(of points: [PointID], lossy: [PointID], at time: Timestamp) {
    guard isRegistered, !points.isEmpty || !lossy.isEmpty else { return }
    do {
      let limit = VerificationRecord.maximumPoints
      let record = VerificationRecord(
        session: id, time: time, points: Array(points.suffix(limit)),
        lossy: Array(lossy.suffix(limit)))
      _ = try store.put(.verification(id), record.encoded())
    } catch {
      vault.log.warning("the verification could not be recorded in the vault: \(error)")
    }
  }
}
