internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Do what the policies of a vault say is due.",
    usage: "snapstore run [--vm <name> ...] [<options>]",
    discussion: """
      Backs up each machine whose newest point is older than the last time of its policy's \
      schedule, one after the other; deletes the points that no rule of a policy keeps; and once \
      a day frees the space of what nothing needs any more. It is made for a timer that comes \
      often: most runs find nothing to do.

      What fails stops nothing else: the exit code is that of the first failure, and the summary \
      names them all. It is tried again an hour later, or at once with --vm. If more than half \
      of a machine's points would be deleted, none is. Two runs of one vault at the same time \
      are not possible: the second one ends with exit code 75.

      EXAMPLES:
        snapstore run
        snapstore run --vm web --vm db
        snapstore run --json
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp(
      "Only this machine; may be given several times. Nothing is collected then.",
      valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: [Name] = []

  @OptionGroup var region: RegionOptions
  @OptionGroup var network: NetworkDiskOptions
  @OptionGroup var resources: ResourceOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let job = JobRun(.run, console)
    let vault = try job.opening(vault, host: host)
    let start = host.clock.monotonicSeconds()
    let interruption = Interruption()
    let watch = try SignalWatch(interruption)
    defer { withExtendedLifetime(watch) {} }
    let vaultPath = try existingPath(try self.vault.location(host).path, calls: host.calls)
    let report = try alone(job, in: vault) { history in
      try ScheduledRun(
        vault: vault, history: history, vaultPath: vaultPath, only: vm.isEmpty ? nil : Set(vm),
        region: region, allowsNetworkDisks: network.isAllowed, resources: resources.resources,
        interruption: interruption, console: console
      ).run()
    }
    do {
      try MetricsCommand.writeTextfile(of: vault, isNews: report.hasWorked)
    } catch {
      console.warn("the metrics are not written: \(Failure(error).message)")
    }
    let seconds = host.clock.monotonicSeconds() - start
    if console.isJSON {
      try console.print(Self.summary(report, vault: vault.store.location, seconds: seconds))
    } else {
      try console.print(Self.text(report), isFault: !report.failures.isEmpty)
    }
    if let failure = report.failures.first { throw ExitCode(failure.code.rawValue) }
  }

  /// Runs `body` as the only run of the vault. One that finds nothing to do leaves no record. The
  /// hooks hear of what it does by the jobs it has, and of the run only where it could not try.
  private func alone(
    _ run: JobRun, in vault: Vault, _ body: (JobHistory) throws -> ScheduledRun.Report
  ) throws -> ScheduledRun.Report {
    let record = JobRecord(beginning: .run, on: vault.host)
    let reserve = Reserve(vault)
    let job = try reserve.using { try OpenJob.begin(record, in: vault) }
    let history = try JobHistory(vault)
    if let other = job.other(in: history) {
      try job.withdraw()
      throw Failure(
        .busy, "another run is under way: \(other.host), since \(other.started.rfc3339)",
        hint: "see: snapstore jobs")
    }
    func end(_ result: JobResult, isTold: Bool) throws {
      let record = record.ended(result, at: vault.now())
      try job.end(record)
      if isTold { run.tell(record, vaultPath: vault.store.location, host: vault.host) }
    }
    do {
      let report = try body(history)
      // What it could not even try is told of once an hour.
      let isNews =
        !report.failures.isEmpty && history.recentFailure(of: .run, at: vault.now()) == nil
      if report.hasWorked || isNews {
        try end(JobResult(report), isTold: !report.hasWorked)
      } else {
        try job.withdraw()
      }
      return report
    } catch {
      try end(JobResult(failure: Failure(error)), isTold: true)
      throw error
    }
  }

  static func summary(
    _ report: ScheduledRun.Report, vault: String, seconds: Double
  ) -> JSONValue {
    [
      "type": "summary",
      "vault": .string(vault),
      "machines": .array(report.machines.map(fields)),
      "collected": .bool(report.collection != nil),
      "freed_bytes": report.collection.map { .bytes($0.freedByteCount) } ?? .null,
      "failures": .array(report.failures.map(\.fields)),
      "seconds": .seconds(seconds),
    ]
  }

  private static func fields(_ result: ScheduledRun.MachineResult) -> JSONValue {
    [
      "vm": .string(result.machine.text),
      "policy": .optional(result.standing?.policy.name.text),
      "newest": .optional(result.standing?.newest?.rfc3339),
      "scheduled": .optional(result.standing?.scheduled?.rfc3339),
      "due": result.standing.map { .bool($0.isDue) } ?? .null,
      "point": .optional(result.backup?.point.id.text),
      "stored_bytes": result.backup.map { .bytes($0.point.figures.storedByteCount) } ?? .null,
      "warnings": .array((result.backup?.warnings ?? []).map { .string($0) }),
      "deleted_points": .count(result.deletedPointCount),
      "failures": .array(result.failures.map(\.fields)),
    ]
  }

  static func text(_ report: ScheduledRun.Report) -> String {
    guard !report.machines.isEmpty else {
      return "No machine has a policy: nothing to do (see: snapstore help policy)"
    }
    var table = Table([.init(title: "VM"), .init(title: "BACKUP"), .init(title: "POINTS DELETED")])
    for result in report.machines {
      table.add([result.machine.text, what(result), "\(result.deletedPointCount)"])
    }
    var lines = [table.text]
    if let collection = report.collection {
      lines += ["", "Freed \(HumanText.bytes(collection.freedByteCount))"]
    }
    let failures = report.failures
    if !failures.isEmpty {
      lines.append("")
      lines += failures.map { "Failed (\($0.code.rawValue)): \(HumanText.plain($0.message))" }
    }
    return lines.joined(separator: "\n")
  }

  private static func what(_ result: ScheduledRun.MachineResult) -> String {
    if let point = result.backup?.point {
      return "\(point.id), stored \(HumanText.bytes(point.figures.storedByteCount))"
    }
    if result.standing?.isDue ?? true { return "failed" }
    guard result.standing?.scheduled != nil else { return "no schedule" }
    return "not due, newest \(result.standing?.newest?.rfc3339 ?? "unknown")"
  }
}

extension JobResult {
  fileprivate init(_ report: ScheduledRun.Report) {
    let failures = report.failures
    self.init(failure: failures.first)
    guard failures.count > 1 else { return }
    failure?.message += " (and \(failures.count - 1) more failures)"
  }
}
