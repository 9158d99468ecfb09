internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct JobsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "List what was done with a vault, and how it ended.",
    discussion: """
      Each backup, restore, verification, prune, collection and scheduled run is recorded in the \
      vault, with its host, its figures, and the error it ended with. The newest is the last. \
      One that says neither that it goes on nor how it ended was killed. With --json, one array \
      is printed.

      EXAMPLES:
        snapstore jobs
        snapstore jobs --vm web --failed
        snapstore jobs --json
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp("Only jobs of this machine.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @Flag(name: .customLong("failed"), help: "Only jobs that failed or were killed.")
  var isFailed = false

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let history = try JobHistory(vault)
    for lost in history.unreadable {
      console.warn("a record of jobs can't be read: \(lost.object): \(lost.reason)")
    }
    let jobs = history.jobs.filter {
      (vm == nil || $0.record.machine == vm) && (!isFailed || $0.hasFailed)
    }
    if console.isJSON {
      try console.print(.array(jobs.map(Self.fields)))
    } else if jobs.isEmpty {
      let kind = isFailed ? "failed jobs" : "jobs"
      try console.print("No \(kind)\(vm.map { " of \($0)" } ?? "") in \(vault.store.location)")
    } else {
      try console.print(Self.text(jobs))
    }
    // The list is good, but not all of it: a script has to notice.
    if let status = ExitStatus(unreadable: history.unreadable.map(\.isDamaged)) {
      throw ExitCode(status.rawValue)
    }
  }

  static func fields(_ job: JobHistory.Job) -> JSONValue {
    let record = job.record
    let end = record.end
    let figures = JobRecord.Figure.allCases.map { figure in
      (figure.fieldName, end?[figure].map { JSONValue.bytes($0) } ?? .null)
    }
    return JSONValue.object([
      "job": .string(record.id.text),
      "kind": .string(record.kind.name),
      "vm": .optional(record.machine?.text),
      "point": .optional(record.point?.text),
      "host": .string(record.host),
      "state": .string(job.stateName),
      "started": .string(record.started.rfc3339),
      "ended": .optional(end?.time.rfc3339),
      "seconds": record.seconds.map { .seconds($0) } ?? .null,
      "code": end.map { .integer(Int64($0.code)) } ?? .null,
      "message": .optional(end?.message),
      "hint": .optional(end?.hint),
      "warnings": .array((end?.warnings ?? []).map { .string($0) }),
    ]).merging(Dictionary(uniqueKeysWithValues: figures))
  }

  static func text(_ jobs: [JobHistory.Job]) -> String {
    var table = Table([
      .init(title: "STARTED"), .init(title: "JOB"), .init(title: "VM"), .init(title: "STATE"),
      .init(title: "TOOK", isNumber: true), .init(title: "WHAT"),
    ])
    for job in jobs {
      table.add([
        job.record.started.rfc3339, job.record.kind.name, job.record.machine?.text ?? "-",
        job.stateName, job.record.seconds.map { HumanText.seconds($0) } ?? "-", what(job),
      ])
    }
    return table.text
  }

  /// What matters most of a job, on one line.
  private static func what(_ job: JobHistory.Job) -> String {
    guard let end = job.record.end else { return "-" }
    if end.code != 0 { return "\(end.code): \(HumanText.plain(end.message ?? "it failed"))" }
    var parts = [job.record.point?.text].compactMap { $0 }
    parts += JobRecord.Figure.allCases.compactMap { figure in
      end[figure].flatMap { figure.text($0) }
    }
    if !end.warnings.isEmpty {
      parts.append(HumanText.count(end.warnings.count, "warning", "warnings"))
    }
    return parts.isEmpty ? "-" : parts.joined(separator: ", ")
  }
}

extension JobHistory.Job {
  /// For scripts and people.
  var stateName: String {
    switch state {
    case .running: "running"
    case .killed: "killed"
    case .ended(let end): end.code == 0 ? "done" : "failed"
    }
  }
}

extension JobRecord {
  /// How long it took, in seconds, by the clock of its host; nil where it has not ended.
  var seconds: Double? {
    guard let end else { return nil }
    let fraction = Double(end.time.nanoseconds) - Double(started.nanoseconds)
    return max(0, Double(end.time.seconds - started.seconds) + fraction / 1e9)
  }
}

extension JobRecord.Figure {
  fileprivate var fieldName: String {
    switch self {
    case .readBytes: "read_bytes"
    case .newBytes: "new_bytes"
    case .storedBytes: "stored_bytes"
    case .reusedBytes: "reused_bytes"
    case .writtenBytes: "written_bytes"
    case .freedBytes: "freed_bytes"
    case .deletedPoints: "deleted_points"
    case .damagedObjects: "damaged_objects"
    }
  }

  /// For people; nil for what would say nothing.
  fileprivate func text(_ value: UInt64) -> String? {
    switch self {
    case .readBytes: "read \(HumanText.bytes(value))"
    case .storedBytes: "stored \(HumanText.bytes(value))"
    case .writtenBytes: "wrote \(HumanText.bytes(value))"
    case .freedBytes: "freed \(HumanText.bytes(value))"
    case .deletedPoints: "deleted \(HumanText.count(Int(clamping: value), "point", "points"))"
    case .newBytes, .reusedBytes, .damagedObjects: nil
    }
  }
}
