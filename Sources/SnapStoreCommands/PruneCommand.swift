internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Delete the points that no rule keeps.",
    usage: """
      snapstore prune [--vm <name>] [--keep-last <n>] [--keep-daily <n>] ...
                      [--dry-run] [--yes] [<options>]
      """,
    discussion: """
      A machine that has a policy is pruned by it; options are for machines that have none. Of \
      each of the newest so many days, weeks, months and years that have points, the last \
      point is kept. So are pinned points, the newest one that a whole snapstore verify has \
      passed, points made while the clock was wrong, which count for no period, and suspect \
      points with the last good one before each, until snapstore point unpin.

      What goes is only deleted as by snapstore point delete: it can be brought back for a \
      while, and its space is freed by snapstore collect after that. If more than half of a \
      machine's points would go, nothing is deleted without --yes.

      EXAMPLES:
        snapstore prune
        snapstore prune --keep-daily 7 --keep-weekly 4 --dry-run
        snapstore prune --vm web --keep-last 3 --keep-monthly 12
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp("Only this machine's points.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @OptionGroup var keep: KeepOptions

  @Flag(
    name: .customLong("dry-run"),
    help: "Tell for each point which rule keeps it, and change nothing.")
  var isDryRun = false

  @Flag(name: .customLong("yes"), help: "Also where more than half of a machine's points go.")
  var isSure = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let vault = try JobRun(.prune, machine: vm, console).opening(vault, host: host)
    let prune = try Prune(vault)
    if let vm, !prune.machines.contains(vm) {
      throw Failure(
        .notThere, "there is no recovery point of a machine named \(vm)",
        hint: "list them with: snapstore points")
    }
    let rules = try PruneRules(
      policies: try Policies(vault), given: try givenRules(host), machine: vm, host: host)
    var plans = try prune.plan(rules.rules(of:))
    for machine in prune.machines where rules.isUnclear(machine) {
      console.warn("what policy machine \(machine) has can't be read: its points stay")
    }
    for point in prune.unreadable {
      console.warn("recovery point \(point) can't be read: it stays")
    }
    if !isDryRun {
      let interruption = Interruption()
      let watch = try SignalWatch(interruption)
      defer { withExtendedLifetime(watch) {} }
      plans = try PruneJob.run(
        prune, plans, machine: vm, isSure: isSure, vault, interruption, console)
    }
    if console.isJSON {
      try console.print(PruneAnswer.summary(plans, isDryRun: isDryRun))
    } else {
      try console.print(PruneAnswer.text(plans, isDryRun: isDryRun))
    }
  }

  private func givenRules(_ host: HostSystem) throws -> Prune.Rules? {
    guard keep.isGiven else { return nil }
    let rules = keep.rules()
    guard !rules.isEmpty else {
      throw Failure(
        .wrongUsage, "no rule keeps a point", hint: "say for example: --keep-daily 7")
    }
    return Prune.Rules(
      keep: rules, zone: try TimeZoneFiles.rules(named: keep.timeZone ?? .utc, calls: host.calls),
      softDeleteSeconds: keep.softDeleteSeconds ?? SoftDelete.defaultSeconds)
  }
}

/// What a prune tells.
enum PruneAnswer {
  static func summary(_ plans: [Prune.MachinePlan], isDryRun: Bool) -> JSONValue {
    [
      "type": "summary",
      "dry_run": .bool(isDryRun),
      "machines": .array(
        plans.map { plan in
          [
            "vm": .string(plan.machine.text),
            "policy": .optional(plan.rules.policy?.text),
            "points": .array(
              plan.points.map { point in
                [
                  "point": .string(point.entry.point.id.text),
                  "time": .string(point.entry.point.time.rfc3339),
                  "kept": .bool(!point.reasons.isEmpty),
                  "reasons": .array(point.reasons.map { .string(text($0)) }),
                ]
              }),
          ]
        }),
      "kept_points": .count(plans.reduce(0) { $0 + $1.points.count - $1.going.count }),
      "deleted_points": .count(plans.goingCount),
    ]
  }

  static func text(_ plans: [Prune.MachinePlan], isDryRun: Bool) -> String {
    var lines: [String] = []
    for plan in plans where isDryRun {
      var table = Table([.init(title: "POINT"), .init(title: "TIME"), .init(title: "KEPT AS")])
      for point in plan.points {
        table.add([
          point.entry.point.id.text, point.entry.point.time.rfc3339,
          point.reasons.isEmpty ? "- (would go)" : point.reasons.map(text).joined(separator: ", "),
        ])
      }
      let policy = plan.rules.policy.map { ", policy \($0)" } ?? ""
      lines += ["Machine \(plan.machine)\(policy)", "", table.text, ""]
    }
    let going = plans.goingCount
    let kept = plans.reduce(0) { $0 + $1.points.count } - going
    let points = HumanText.count(going, "point", "points")
    lines.append(
      isDryRun
        ? "\(points) would be deleted, \(kept) kept"
        : "Deleted \(points), kept \(kept)")
    if going > 0 && !isDryRun {
      lines.append("They can be brought back for a while: snapstore points --deleted")
    }
    return lines.joined(separator: "\n")
  }

  /// A reason for people and scripts: `daily 2026-11-23`.
  static func text(_ reason: Retention.Reason) -> String {
    switch reason {
    case .last: "last"
    case .daily(let period): "daily \(period)"
    case .weekly(let period): "weekly \(period)"
    case .monthly(let period): "monthly \(period)"
    case .yearly(let period): "yearly \(period)"
    case .pinned: "pinned"
    case .clockSuspect: "clock suspect"
    case .verified: "newest verified"
    case .suspect: "suspect"
    case .beforeSuspect: "before suspect"
    }
  }
}
