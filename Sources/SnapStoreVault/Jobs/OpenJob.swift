internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// A job that is under way and recorded as such; whoever dies without `end` leaves it as killed.
package final class OpenJob: Sendable {
  package let id: JobID
  private let vault: Vault
  private let record: JobRecord
  private let hold: any ObjectHold

  private init(vault: Vault, record: JobRecord, hold: any ObjectHold) {
    id = record.id
    self.vault = vault
    self.record = record
    self.hold = hold
  }

  /// Durable when it returns. Throws where the vault can't be written.
  package static func begin(
    _ kind: JobRecord.Kind, machine: Name? = nil, in vault: Vault
  ) throws -> OpenJob {
    while true {
      let time = vault.now()
      let record = JobRecord(
        id: JobID(
          time: time, random: UInt32(truncatingIfNeeded: vault.host.randomness.next())),
        kind: kind, host: vault.host.description, started: time, machine: machine)
      let bytes = JobsObject(jobs: [record]).encoded()
      if let hold = try vault.store.putHeld(.jobBegun(record.id), bytes) {
        return OpenJob(vault: vault, record: record, hold: hold)
      }
    }
  }

  /// Records how it ended; durable when it returns. To be called once.
  package func end(_ end: JobRecord.End, machine: Name? = nil, point: PointID? = nil) throws {
    var record = record
    record.machine = machine ?? record.machine
    record.point = point
    record.end = end
    _ = try vault.store.put(.jobEnded(id), JobsObject(jobs: [record]).encoded())
    try withExtendedLifetime(hold) { _ = try vault.store.delete(.jobBegun(id)) }
    do {
      try JobFolding(vault: vault).run()
    } catch {
      vault.log.info("the records of old jobs were not folded: \(error)")
    }
  }

  /// Another job of the same kind that is under way; nil where there is none. Of two that began at
  /// once, both see the other.
  package func other() throws -> JobRecord? {
    try JobHistory(vault).jobs.first {
      $0.isRunning && $0.record.kind == record.kind && $0.record.id != id
    }?.record
  }

  /// Takes it back: it never was.
  package func withdraw() throws {
    try withExtendedLifetime(hold) { _ = try vault.store.delete(.jobBegun(id)) }
  }
}
