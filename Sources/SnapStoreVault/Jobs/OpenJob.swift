internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// A job that is under way and recorded as such; whoever dies without `end` leaves it as killed.
package final class OpenJob: Sendable {
  private let vault: Vault
  private let record: JobRecord
  private let hold: any ObjectHold

  private init(vault: Vault, record: JobRecord, hold: any ObjectHold) {
    self.vault = vault
    self.record = record
    self.hold = hold
  }

  /// Durable when it returns. Throws where the vault can't be written. `record` has not ended.
  package static func begin(_ record: JobRecord, in vault: Vault) throws -> OpenJob {
    let bytes = JobsObject(jobs: [record]).encoded()
    guard let hold = try vault.store.putHeld(.jobBegun(record.id), bytes) else {
      throw VaultError(.aborted, "there is a job \(record.id) already", hint: "run it again")
    }
    return OpenJob(vault: vault, record: record, hold: hold)
  }

  /// Records how it ended, as `record` says; durable when it returns. To be called once.
  package func end(_ record: JobRecord) throws {
    precondition(record.id == self.record.id && record.end != nil)
    _ = try vault.store.put(.jobEnded(record.id), JobsObject(jobs: [record]).encoded())
    try withdraw()
    do {
      try JobFolding(vault: vault).run()
    } catch {
      vault.log.info("the records of old jobs were not folded: \(error)")
    }
  }

  /// Takes back that it began.
  package func withdraw() throws {
    try withExtendedLifetime(hold) { _ = try vault.store.delete(.jobBegun(record.id)) }
  }

  /// Another job of the same kind that was under way when `history` was read, after this one began;
  /// nil where there is none. Of two that began at once, both see the other.
  package func other(in history: JobHistory) -> JobRecord? {
    history.jobs.first {
      $0.isRunning && $0.record.kind == record.kind && $0.record.id != record.id
    }?.record
  }
}

extension JobRecord {
  /// A job that begins now.
  package init(beginning kind: Kind, machine: Name? = nil, on host: HostSystem) {
    let start = host.now()
    let random = UInt32(truncatingIfNeeded: host.randomness.next())
    self.init(
      id: JobID(time: start, random: random), kind: kind, host: host.description, started: start,
      machine: machine)
  }
}
