internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct CollectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "collect", abstract: "Free the space of what no recovery point needs.",
    usage: "snapstore collect [--dry-run] [--max-dead <percent>] [<options>]",
    discussion: """
      Deletes what only deleted points needed, and writes packs anew that are mostly of no use, \
      until at most --max-dead percent of the vault is. Points that were deleted 14 days ago are \
      gone for ever then.

      It may run at any time, beside backups and restores, and be interrupted at any time. What \
      one that is under way may rely on is freed by a later run. If anything that a point needs \
      can't be read, nothing is freed.

      EXAMPLES:
        snapstore collect
        snapstore collect --dry-run
        snapstore collect --max-dead 0 --json
      """)

  @OptionGroup var vault: VaultOptions

  @Flag(name: .customLong("dry-run"), help: "Tell what would be freed, and change nothing.")
  var isDryRun = false

  @Option(
    name: .customLong("max-dead"),
    help: ArgumentHelp(
      "So much of the vault may be of no use, in percent.", valueName: "percent"))
  var maximumDeadPercent = 10

  @OptionGroup var resources: ResourceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (0...100).contains(maximumDeadPercent) else {
      throw ValidationError("--max-dead is a number from 0 to 100")
    }
  }

  func run() throws {
    let console = output.console
    let vault = try JobRun(.collect, console).opening(vault, host: HostSystem.current())
    var collect = Collect()
    collect.isDryRun = isDryRun
    collect.maximumDeadPercent = maximumDeadPercent
    collect.resources = resources.resources
    let watch = try SignalWatch(collect.interruption)
    defer { withExtendedLifetime(watch) {} }
    let report = try isDryRun ? collect.run(on: vault) : CollectJob.run(collect, vault, console)
    if console.isJSON {
      try console.print(Self.summary(report, isDryRun: isDryRun))
    } else {
      try console.print(Self.text(report, isDryRun: isDryRun))
    }
  }

  static func summary(_ report: Collect.Report, isDryRun: Bool) -> JSONValue {
    [
      "type": "summary",
      "dry_run": .bool(isDryRun),
      "freed_bytes": .bytes(report.freedByteCount),
      "copied_bytes": .bytes(report.copiedByteCount),
      "deleted_packs": .count(report.deletedPackCount),
      "deleted_points": .count(report.deletedPointCount),
      "live_bytes": .bytes(report.liveByteCount),
      "dead_bytes": .bytes(report.deadByteCount),
      "waiting_bytes": .bytes(report.waitingByteCount),
      "waiting_for": .array(
        report.waitingFor.map { session in
          [
            "session": .string(session.id.description),
            "purpose": .string(session.purpose == .read ? "read" : "write"),
            "started": .optional(session.started?.rfc3339),
            "host": .string(session.host),
          ]
        }),
      "warnings": .array(report.warnings.map { .string($0) }),
      "seconds": .seconds(report.seconds),
    ]
  }

  static func text(_ report: Collect.Report, isDryRun: Bool) -> String {
    let freed = HumanText.bytes(report.freedByteCount)
    let packs = HumanText.count(report.deletedPackCount, "pack", "packs")
    var lines = [isDryRun ? "Would free \(freed)" : "Freed \(freed)", ""]
    lines.append(
      "\(packs) \(isDryRun ? "would be " : "")deleted, "
        + "\(HumanText.bytes(report.copiedByteCount)) \(isDryRun ? "would be " : "")copied.")
    lines.append(
      "Needed: \(HumanText.bytes(report.liveByteCount)); "
        + "of no use, among it: \(HumanText.bytes(report.deadByteCount)).")
    if report.waitingByteCount > 0 && !isDryRun {
      lines.append(
        "To be freed later: \(HumanText.bytes(report.waitingByteCount)), "
          + "which runs under way may still use.")
    }
    for session in report.waitingFor {
      lines.append(
        "Under way: \(HumanText.plain(session.host)), since "
          + "\(session.started?.rfc3339 ?? "an unknown time")")
    }
    return lines.joined(separator: "\n")
  }
}

/// A collection as the vault's history has it: made by `collect` and by `run`.
enum CollectJob {
  static func run(_ collect: Collect, _ vault: Vault, _ console: Console) throws -> Collect.Report {
    try JobRun(.collect, console).recording(in: vault) {
      let reserve = Reserve(vault)
      let report = try console.showing(collect.progress) {
        try reserve.using { try collect.run(on: vault) }
      }
      reserve.make()
      for warning in report.warnings { console.warn(warning) }
      return (
        report,
        JobResult(warnings: report.warnings, figures: [.freedBytes: report.freedByteCount])
      )
    }
  }
}
