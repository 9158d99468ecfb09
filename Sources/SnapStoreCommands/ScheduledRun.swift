internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What is due in a vault, done one after the other: backups of machines by their schedules, prune
/// by their policies, and once a day a collection. What fails stops nothing else.
struct ScheduledRun {
  /// A collection is made where the last one began so long ago, in seconds: a day, less what one
  /// run may begin earlier than the one the day before.
  static let collectionInterval: Int64 = 23 * 3600
  /// What failed so short ago is not tried again, in seconds: a disk that is gone over night need
  /// not be told of at every quarter of an hour. A machine that was named is tried at once.
  static let retryInterval: Int64 = 3300

  /// What became of one machine.
  struct MachineResult {
    var machine: Name
    /// Nil where it is not known when it was to be backed up.
    var standing: DueCheck.Standing?
    var backup: Backup.Report?
    /// Whether a backup was made, or points deleted, or it failed.
    var wasTried = false
    /// Points that were deleted, as no rule keeps them.
    var deletedPointCount = 0
    /// In their order: of the backup, of the prune.
    var failures: [Failure] = []
  }

  struct Report {
    var machines: [MachineResult] = []
    var collection: Collect.Report?
    var collectionFailure: Failure?

    var failures: [Failure] {
      machines.flatMap(\.failures) + [collectionFailure].compactMap { $0 }
    }

    /// Whether there was anything to do, and it was tried.
    var hasWorked: Bool {
      collection != nil || collectionFailure != nil || machines.contains(where: \.wasTried)
    }
  }

  var vault: Vault
  /// As it was when the run began.
  var history: JobHistory
  var vaultPath: String?
  /// Nil: all machines.
  var only: Set<Name>?
  var region: RegionOptions
  var allowsNetworkDisks: Bool
  var resources: Resources
  var interruption: Interruption
  var console: Console

  func run() throws -> Report {
    try region.check(vault)
    let policies = try Policies(vault)
    for machine in (only ?? []).sorted() { _ = try policies.machine(named: machine) }
    var report = Report()
    for lost in policies.unreadable where lost.isMachine && isWanted(lost.name) {
      var result = MachineResult(machine: lost.name)
      fail(Failure(lost.refusal), "machine \(lost.name)", &result.failures)
      report.machines.append(result)
    }
    var check = try DueCheck(vault, policies, PointCatalog(vault))
    for machine in policies.machines where isWanted(machine.name) {
      let result = try backUp(machine, check)
      report.machines.append(result)
      // Hours may have passed.
      if result.wasTried { check = try DueCheck(vault, policies, PointCatalog(vault)) }
    }
    guard !report.machines.isEmpty else { return report }
    // By the policies as they are now, not as they were before the backups.
    try prune(try Policies(vault, isTelling: false), &report)
    if only == nil { try collect(&report) }
    return report
  }

  private func isWanted(_ machine: Name) -> Bool { only?.contains(machine) ?? true }

  private func backUp(_ machine: Policies.Machine, _ check: DueCheck) throws -> MachineResult {
    var result = MachineResult(machine: machine.name)
    try attempting("backup of \(machine.name)", &result.failures) {
      let standing = try check.standing(of: machine)
      result.standing = standing
      guard standing.isDue else { return }
      try refuseRetry(.backup, machine.name)
      result.wasTried = true
      var backup = Backup(machine: machine.name, disks: try Backup.rememberedDisks(of: machine))
      backup.allowsNetworkDisks = allowsNetworkDisks
      backup.resources = resources
      backup.interruption = interruption
      result.backup = try BackupJob(
        backup: backup, vault: vault, vaultPath: vaultPath, console: console
      ).run()
    }
    return result
  }

  private func prune(_ policies: Policies, _ report: inout Report) throws {
    let prune = try Prune(vault)
    for index in report.machines.indices {
      let machine = report.machines[index].machine
      guard prune.machines.contains(machine), policies.policy(of: machine) != nil else { continue }
      var result = report.machines[index]
      try attempting("prune of \(machine)", &result.failures) {
        let rules = try PruneRules(
          policies: policies, given: nil, machine: machine, host: vault.host)
        let plans = try prune.plan(rules.rules(of:))
        guard plans.goingCount > 0 else { return }
        try refuseRetry(.prune, machine)
        result.wasTried = true
        result.deletedPointCount = try PruneJob.run(
          prune, plans, machine: machine, vault, interruption, console
        ).goingCount
      }
      report.machines[index] = result
    }
  }

  private func collect(_ report: inout Report) throws {
    guard isCollectionDue else { return }
    var failures: [Failure] = []
    try attempting("collection", &failures) {
      var collect = Collect()
      collect.resources = resources
      collect.interruption = interruption
      report.collection = try CollectJob.run(collect, vault, console)
    }
    report.collectionFailure = failures.first
  }

  /// Throws what the machine's newest job of a kind failed with, where that was short ago.
  private func refuseRetry(_ kind: JobRecord.Kind, _ machine: Name) throws {
    guard only == nil,
      let (failure, time) = history.recentFailure(of: kind, machine, at: vault.now())
    else { return }
    throw Failure(
      failure.code, "\(failure.message) (at \(time.rfc3339))",
      hint: "it is tried again within an hour, or at once: snapstore run --vm \(machine)")
  }

  /// By the last one that came to an end, well or not: what fails is not tried again all the time.
  private var isCollectionDue: Bool {
    let now = vault.now().seconds
    return !history.jobs.contains { job in
      guard job.record.kind == .collect, let end = job.record.end,
        end.code != UInt32(ExitStatus.interrupted.rawValue)
      else { return false }
      return abs(now - job.record.started.seconds) < Self.collectionInterval
    }
  }

  /// Whatever `body` throws is told and noted, and the run goes on; but for an interruption.
  private func attempting(
    _ what: String, _ failures: inout [Failure], _ body: () throws -> Void
  ) throws {
    do {
      try body()
    } catch {
      if error is Interrupted { throw error }
      fail(Failure(error), what, &failures)
    }
  }

  private func fail(_ failure: Failure, _ what: String, _ failures: inout [Failure]) {
    let hint = failure.hint.map { " (\($0))" } ?? ""
    console.warn("\(what) failed: \(failure.message)\(hint)")
    failures.append(failure)
  }
}

extension JobHistory {
  /// What the newest job of a kind failed with, and when it began, where that was so short ago that
  /// a run does not try again.
  func recentFailure(
    of kind: JobRecord.Kind, _ machine: Name? = nil, at now: Timestamp
  ) -> (failure: Failure, time: Timestamp)? {
    let last = jobs.last {
      $0.record.kind == kind && $0.record.machine == machine && !$0.isRunning
    }
    guard let record = last?.record, let end = record.end,
      let code = ExitStatus(rawValue: Int32(truncatingIfNeeded: end.code)),
      code != .done, code != .interrupted,
      abs(now.seconds - record.started.seconds) < ScheduledRun.retryInterval
    else { return nil }
    return (Failure(code, end.message ?? "it failed", hint: end.hint), record.started)
  }
}
