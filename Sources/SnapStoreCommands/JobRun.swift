internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What came of a command's work, for the vault's history.
struct JobResult {
  var machine: Name?
  var point: PointID?
  var warnings: [String] = []
  var figures: [JobRecord.Figure: UInt64] = [:]
  /// What the work found, though it came to its end.
  var failure: Failure?
}

/// Runs the work of a command as a job of the vault (`snapstore jobs`), and tells the operator's
/// hooks how it ended. No work fails for it: where the vault can't be written to, there is only a
/// remark in the log.
struct JobRun {
  let kind: JobRecord.Kind
  let machine: Name?
  let console: Console

  init(_ kind: JobRecord.Kind, machine: Name? = nil, _ console: Console) {
    self.kind = kind
    self.machine = machine
    self.console = console
  }

  /// Records that the work began and how it ended, and gives what it gave. What was wrong usage was
  /// no job.
  func recording<Value>(
    in vault: Vault, _ work: () throws -> (Value, JobResult)
  ) throws -> Value {
    let record = JobRecord(beginning: kind, machine: machine, on: vault.host)
    var job: OpenJob?
    tolerating { job = try OpenJob.begin(record, in: vault) }
    do {
      let (value, result) = try work()
      end(job, record.ended(result, at: vault.now()), vault)
      return value
    } catch {
      let failure = Failure(error)
      if failure.code == .wrongUsage {
        tolerating { try job?.withdraw() }
      } else {
        end(job, record.ended(JobResult(failure: failure), at: vault.now()), vault)
      }
      throw error
    }
  }

  private func end(_ job: OpenJob?, _ record: JobRecord, _ vault: Vault) {
    tolerating { try job?.end(record) }
    tell(record, vaultPath: vault.store.location, host: vault.host)
  }

  /// Opens the vault that the work is for.
  func opening(_ options: VaultOptions, host: HostSystem) throws -> Vault {
    try opening(options, host: host) { try options.open(host: host) }
  }

  /// Does what comes before the vault is open; the hooks hear of it where that fails.
  func opening(
    _ options: VaultOptions, host: HostSystem, _ open: () throws -> Vault
  ) throws -> Vault {
    do {
      return try open()
    } catch {
      let record = JobRecord(beginning: kind, machine: machine, on: host)
      let failure = Failure(error)
      if failure.code != .wrongUsage {
        tell(
          record.ended(JobResult(failure: failure), at: record.started),
          vaultPath: try options.location(host).path, host: host)
      }
      throw error
    }
  }

  /// Calls the hook for how a job ended.
  func tell(_ record: JobRecord, vaultPath: String, host: HostSystem) {
    do {
      let hooks = Hooks(try ConfigurationFile.read(host), warn: console.warn)
      guard let end = record.end else { return }
      let job = JobHistory.Job(record: record, isRunning: false)
      hooks.call(
        end.code != 0 ? .failure : end.warnings.isEmpty ? .success : .warning,
        JobsCommand.fields(job).merging(["vault": .string(vaultPath)]))
    } catch {
      console.warn("no hook is called: \(Failure(error).message)")
    }
  }

  private func tolerating(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      Console.log.info("the job is not recorded in the vault: \(error)")
    }
  }
}

extension JobRecord {
  /// The same, as it ended.
  func ended(_ result: JobResult, at time: Timestamp) -> JobRecord {
    var record = self
    record.machine = result.machine ?? machine
    record.point = result.point
    record.end = End(
      time: time, code: UInt32((result.failure?.code ?? .done).rawValue),
      message: result.failure?.message, hint: result.failure?.hint, warnings: result.warnings,
      figures: result.figures)
    return record
  }
}
