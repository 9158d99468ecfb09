internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// What this run found damaged, to be recorded at its end.
package final class FoundDamage: Sendable {
  private struct State {
    var findings: Set<DamageRecord.Finding> = []
    var isRecorded = true
  }

  private static let limit = 4 * DamageRecord.maximumFindings
  private let state = Lock(State())

  /// Takes note of a copy that is damaged, or, without an address, of content of which no copy is
  /// known.
  package func note(_ id: ChunkID, _ kind: PackRecord.Kind, at address: RecordAddress?) {
    state.withLock { state in
      guard state.findings.count < Self.limit else { return }
      let isNew = state.findings.insert(.init(id: id, kind: kind, address: address)).inserted
      if isNew { state.isRecorded = false }
    }
  }

  package var findings: Set<DamageRecord.Finding> { state.withLock { $0.findings } }

  /// Puts what was found into the vault, if there is anything that is not there yet. Without
  /// effect, but for a warning, where the vault can't be written: the damage is found again.
  func record(in session: Session, known: KnownDamage) {
    let found = state.withLock { state -> [DamageRecord.Finding] in
      guard !state.isRecorded else { return [] }
      state.isRecorded = true
      return state.findings.filter { !known.contains($0) }
    }
    guard !found.isEmpty, session.isRegistered else { return }
    let vault = session.vault
    do {
      for start in stride(from: 0, to: found.count, by: DamageRecord.maximumFindings) {
        let end = min(start + DamageRecord.maximumFindings, found.count)
        let record = DamageRecord(
          name: session.nextName(), time: vault.now(), findings: Array(found[start..<end]))
        _ = try session.store.put(.damage(record.name), record.encoded())
      }
    } catch {
      vault.log.warning("damage was found, but could not be recorded in the vault: \(error)")
    }
  }
}
