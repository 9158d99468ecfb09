internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PolicySetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Make a policy, or change one.",
    usage: "snapstore policy set <policy> [<options>]",
    discussion: """
      What is not named stays as it is. A new policy has to keep something. Of each of the newest \
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
      "When to back up; none: nothing is planned. (new: none)", valueName: "schedule"),
    completion: .list(["hourly", "daily 02:00", "weekly sun 02:00", "monthly 1 02:00", "none"]))
  var schedule: String?

  @Option(
    name: .customLong("time-zone"),
    help: ArgumentHelp(
      "Whose hours, days and weeks are meant, as Europe/Berlin. (new: UTC)", valueName: "zone"))
  var timeZone: String?

  @Option(
    name: .customLong("keep-last"),
    help: ArgumentHelp("Keep the newest points. (new: 0)", valueName: "n"))
  var keepLast: UInt32?

  @Option(
    name: .customLong("keep-daily"),
    help: ArgumentHelp("Keep the last points of days. (new: 0)", valueName: "n"))
  var keepDaily: UInt32?

  @Option(
    name: .customLong("keep-weekly"),
    help: ArgumentHelp("Keep the last points of weeks. (new: 0)", valueName: "n"))
  var keepWeekly: UInt32?

  @Option(
    name: .customLong("keep-monthly"),
    help: ArgumentHelp("Keep the last points of months. (new: 0)", valueName: "n"))
  var keepMonthly: UInt32?

  @Option(
    name: .customLong("keep-yearly"),
    help: ArgumentHelp("Keep the last points of years. (new: 0)", valueName: "n"))
  var keepYearly: UInt32?

  @Option(
    name: .customLong("soft-delete"),
    help: ArgumentHelp(
      "How long what is not kept can be brought back: 14d, 36h or 0. (new: 14d)",
      valueName: "time"), transform: SoftDeleteTime.parse)
  var softDeleteSeconds: UInt64?

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let schedule = try parseSchedule()
    let zone = try parseZone(host)
    let vault = try vault.open(host: host)
    let reserve = Reserve(vault)
    try reserve.using {
      _ = try PolicyChanges(vault).set(policy.name) { old in
        try settings(old, schedule: schedule, zone: zone)
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
    _ old: PolicyRecord.Settings?, schedule: Schedule??, zone: TimeZoneName?
  ) throws -> PolicyRecord.Settings {
    let before = old?.rules ?? KeepRules()
    let rules = KeepRules(
      last: keepLast ?? before.last, daily: keepDaily ?? before.daily,
      weekly: keepWeekly ?? before.weekly, monthly: keepMonthly ?? before.monthly,
      yearly: keepYearly ?? before.yearly)
    guard !rules.isEmpty else {
      throw Failure(
        .wrongUsage, "policy \(policy.name) would keep nothing",
        hint: "say what it keeps: snapstore policy set \(policy.name) --keep-daily 7")
    }
    return PolicyRecord.Settings(
      schedule: schedule ?? old?.schedule, zone: zone ?? old?.zone ?? .utc, rules: rules,
      softDeleteSeconds: softDeleteSeconds ?? old?.softDeleteSeconds ?? SoftDelete.defaultSeconds)
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

  private func parseZone(_ host: HostSystem) throws -> TimeZoneName? {
    guard let text = timeZone else { return nil }
    guard let zone = TimeZoneName(text) else {
      throw Failure(
        .wrongUsage, "'\(text)' can't be a time zone", hint: "it is \(TimeZoneName.rule)")
    }
    do {
      _ = try TimeZoneFiles.rules(named: zone, calls: host.calls)
    } catch let error as VaultError {
      throw Failure(.wrongUsage, error.message, hint: error.hint)
    }
    return zone
  }
}

/// A time in which a point can be brought back, as typed: days or hours, or 0.
enum SoftDeleteTime {
  private static let units: [(letter: Character, seconds: UInt64)] = [("d", 86400), ("h", 3600)]

  @Sendable static func parse(_ text: String) throws -> UInt64 {
    if text == "0" { return 0 }
    let unit = units.first { $0.letter == text.last }
    let digits = text.dropLast()
    let limit = PolicyRecord.Settings.maximumSoftDeleteSeconds
    guard let unit, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let count = UInt64(digits),
      count <= limit / unit.seconds
    else {
      throw ValidationError("'\(text)' is no time such as 14d, 36h or 0, up to \(self.text(limit))")
    }
    return count * unit.seconds
  }

  static func text(_ seconds: UInt64) -> String {
    if seconds == 0 { return "0" }
    if let unit = units.first(where: { seconds.isMultiple(of: $0.seconds) }) {
      return "\(seconds / unit.seconds)\(unit.letter)"
    }
    return "\(seconds) s"
  }
}
