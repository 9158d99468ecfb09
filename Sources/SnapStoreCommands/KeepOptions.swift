internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreVault

/// Which points are to be kept.
struct KeepOptions: ParsableArguments {
  @Option(
    name: .customLong("keep-last"), help: ArgumentHelp("Keep the newest points.", valueName: "n"))
  var last: UInt32?

  @Option(
    name: .customLong("keep-daily"),
    help: ArgumentHelp("Keep the last point of each of the newest days.", valueName: "n"))
  var daily: UInt32?

  @Option(
    name: .customLong("keep-weekly"),
    help: ArgumentHelp("The same for weeks, from Monday on.", valueName: "n"))
  var weekly: UInt32?

  @Option(
    name: .customLong("keep-monthly"),
    help: ArgumentHelp("The same for months.", valueName: "n"))
  var monthly: UInt32?

  @Option(
    name: .customLong("keep-yearly"), help: ArgumentHelp("The same for years.", valueName: "n"))
  var yearly: UInt32?

  @Option(
    name: .customLong("time-zone"),
    help: ArgumentHelp(
      "Whose days count, as Europe/Berlin. (default: UTC)", valueName: "zone"),
    transform: parseTimeZone)
  var timeZone: TimeZoneName?

  @Option(
    name: .customLong("soft-delete"),
    help: ArgumentHelp(
      "How long a point that goes can be brought back, as 14d, 36h or 0. (default: 14d)",
      valueName: "time"),
    transform: parseSpan)
  var softDeleteSeconds: UInt64?

  /// Whether any of the rules is given.
  var isGiven: Bool {
    [last, daily, weekly, monthly, yearly].contains { $0 != nil } || timeZone != nil
      || softDeleteSeconds != nil
  }

  /// The rules, where those that are not given are as in `other`.
  func rules(over other: KeepRules = KeepRules()) -> KeepRules {
    KeepRules(
      last: last ?? other.last, daily: daily ?? other.daily, weekly: weekly ?? other.weekly,
      monthly: monthly ?? other.monthly, yearly: yearly ?? other.yearly)
  }
}

@Sendable func parseTimeZone(_ text: String) throws -> TimeZoneName {
  guard let name = TimeZoneName(text) else {
    throw ValidationError("'\(text)' is no time zone: say \(TimeZoneName.rule)")
  }
  return name
}

/// A span of time as typed: a number of days or hours, or 0. In seconds.
@Sendable func parseSpan(_ text: String) throws -> UInt64 {
  let units: [Character: UInt64] = ["d": 86400, "h": 3600]
  if text == "0" { return 0 }
  guard let unit = text.last.flatMap({ units[$0] }), let number = UInt32(text.dropLast()),
    number <= 36500
  else {
    throw ValidationError("'\(text)' is no span of time: say 14d, 36h or 0")
  }
  return UInt64(number) * unit
}
