/// How many points of a machine are to be kept, by period (docs/format.md, "Policies"): of each of
/// the newest so many periods that have points, the last. A rule of 0 keeps nothing.
package struct KeepRules: Hashable, Sendable {
  /// The newest points, whatever their time.
  package var last: UInt32
  package var daily: UInt32
  package var weekly: UInt32
  package var monthly: UInt32
  package var yearly: UInt32

  package init(
    last: UInt32 = 0, daily: UInt32 = 0, weekly: UInt32 = 0, monthly: UInt32 = 0,
    yearly: UInt32 = 0
  ) {
    self.last = last
    self.daily = daily
    self.weekly = weekly
    self.monthly = monthly
    self.yearly = yearly
  }

  /// Whether no rule keeps anything.
  package var isEmpty: Bool { self == KeepRules() }
}
