internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PolicySetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Make a policy, or change one.",
    usage: "snapstore policy set <policy> [<options>]",
    discussion: """
      What is not named stays as it is; the defaults are those of a new policy, which has to keep \
      something. Of each of the newest \
      days, weeks, months and years that have points, the last point is kept, for as many of them \
      as it says; what several rules keep is kept once.

      A schedule is one of: hourly, hourly :MM, daily HH:MM[,HH:MM...], weekly DAY[,DAY...] HH:MM \
      (mon to sun), monthly DAY HH:MM (the month's last where it has no such day), none.

      EXAMPLES:
        snapstore policy set gold --schedule "daily 02:00" --keep-last 3 \\
          --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --keep-yearly 5
        snapstore policy set gold --time-zone Europe/Berlin --soft-delete 36h
        snapstore policy set often --schedule "weekly mon,thu 23:30" --keep-last 20
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var policy: PolicyArgument

  @Option(
    help: ArgumentHelp(
      "When to back up; none: nothing is planned. (default: none)", valueName: "schedule"),
    completion: .list(["hourly", "daily 02:00", "weekly sun 02:00", "monthly 1 02:00", "none"]))
  var schedule: String?

  @OptionGroup var keep: KeepOptions
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let schedule = try parseSchedule()
    try checkZone(host)
    let vault = try vault.open(host: host)
    let reserve = Reserve(vault)
    try reserve.using {
      _ = try PolicyChanges(vault).set(policy.name) { old in
        try settings(old, schedule: schedule)
      }
    }
    reserve.make()
    let policies = try Policies(vault)
    let shown = try policies.policy(named: policy.name)
    let machines = policies.machines(of: policy.name)
    if console.isJSON {
      try console.print(
        PolicyAnswer.fields(shown, machines: machines).merging(["type": "summary"]))
    } else {
      try console.print(PolicyAnswer.text(shown, machines: machines))
    }
  }

  private func settings(
    _ old: PolicyRecord.Settings?, schedule: Schedule??
  ) throws -> PolicyRecord.Settings {
    let rules = keep.rules(over: old?.rules ?? KeepRules())
    guard !rules.isEmpty else {
      throw Failure(
        .wrongUsage, "policy \(policy.name) would keep nothing",
        hint: "say what it keeps: snapstore policy set \(policy.name) --keep-daily 7")
    }
    return PolicyRecord.Settings(
      schedule: schedule ?? old?.schedule, zone: keep.timeZone ?? old?.zone ?? .utc, rules: rules,
      softDeleteSeconds: keep.softDeleteSeconds ?? old?.softDeleteSeconds
        ?? SoftDelete.defaultSeconds)
  }

  /// Nil where none is named; the nil in it where it is said that there is to be none.
  private func parseSchedule() throws -> Schedule?? {
    guard let text = schedule else { return nil }
    if text == "none" { return .some(nil) }
    guard let schedule = Schedule(text) else {
      throw Failure(
        .wrongUsage, "'\(text)' can't be a schedule", hint: "it is one of: \(Schedule.rule), none")
    }
    return schedule
  }

  /// Refuses a zone that this host does not know: more likely its name is wrong.
  private func checkZone(_ host: HostSystem) throws {
    guard let zone = keep.timeZone else { return }
    do {
      _ = try TimeZoneFiles.rules(named: zone, calls: host.calls)
    } catch let error as VaultError {
      throw Failure(.wrongUsage, error.message, hint: error.hint)
    }
  }
}
