internal import Logging
internal import SnapStoreFormat
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

/// Runs the work of a command as a job of the vault (`snapstore jobs`). No work fails for it: where
/// the vault can't be written to, there is only a remark in the log.
struct JobRun {
  var kind: JobRecord.Kind
  var machine: Name?

  init(_ kind: JobRecord.Kind, machine: Name? = nil) {
    self.kind = kind
    self.machine = machine
  }

  /// Records that the work began and how it ended, and gives what it gave. What was wrong usage was
  /// no job.
  func recording<Value>(
    in vault: Vault, _ work: () throws -> (Value, JobResult)
  ) throws -> Value {
    let job = begin(in: vault)
    do {
      let (value, result) = try work()
      end(job, vault, result)
      return value
    } catch {
      let failure = Failure(error)
      if failure.code == .wrongUsage {
        tolerating { try job?.withdraw() }
      } else {
        end(job, vault, JobResult(failure: failure))
      }
      throw error
    }
  }

  private func begin(in vault: Vault) -> OpenJob? {
    var job: OpenJob?
    tolerating { job = try OpenJob.begin(kind, machine: machine, in: vault) }
    return job
  }

  private func end(_ job: OpenJob?, _ vault: Vault, _ result: JobResult) {
    let end = JobRecord.End(result, at: vault.now())
    tolerating { try job?.end(end, machine: result.machine, point: result.point) }
  }

  private func tolerating(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      Console.log.info("the job is not recorded in the vault: \(error)")
    }
  }
}

extension JobRecord.End {
  init(_ result: JobResult, at time: Timestamp) {
    self.init(
      time: time, code: UInt32((result.failure?.code ?? .done).rawValue),
      message: result.failure?.message, hint: result.failure?.hint, warnings: result.warnings,
      figures: result.figures)
  }
}
