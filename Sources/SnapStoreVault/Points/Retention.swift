package import SnapStoreFormat

/// Which points of a machine are kept, and why: grandfather, father, son, as restic and borg have
/// it. Of each of the newest N periods that have points, the last point counts; periods are days,
/// ISO weeks, months and years of a time zone.
///
/// A point whose clock can't be relied on stands for no period and is kept itself, so that no wrong
/// clock pushes a good point out. A point that is known to lose something stands for its period
/// only beside one that does not.
package struct Retention: Sendable {
  package enum Reason: Hashable, Sendable {
    /// One of the newest points.
    case last
    /// The last of its day, and so on; with the period's name, such as `2026-W48`.
    case daily(String)
    case weekly(String)
    case monthly(String)
    case yearly(String)
    case pinned
    /// Its clock was behind or far ahead.
    case clockSuspect
    /// The newest that a full verification has passed.
    case verified
    /// Its signals say that something is wrong with the machine.
    case suspect
    /// The last good one before such a point.
    case beforeSuspect
  }

  /// A point, and what of it matters here.
  package struct Candidate: Sendable {
    package var point: PointID
    package var sequence: UInt64
    package var time: Timestamp
    package var isPinned: Bool
    package var isClockSuspect: Bool
    package var isVerified: Bool
    /// Whether a verification found that something of it can't be restored.
    package var isLossy: Bool
    package var isSuspect: Bool

    package init(
      point: PointID, sequence: UInt64, time: Timestamp, isPinned: Bool = false,
      isClockSuspect: Bool = false, isVerified: Bool = false,
      isLossy: Bool = false, isSuspect: Bool = false
    ) {
      self.point = point
      self.sequence = sequence
      self.time = time
      self.isPinned = isPinned
      self.isClockSuspect = isClockSuspect
      self.isVerified = isVerified
      self.isLossy = isLossy
      self.isSuspect = isSuspect
    }
  }

  private let rules: KeepRules
  private let zone: TimeZoneRules

  package init(rules: KeepRules, zone: TimeZoneRules = .utc) {
    self.rules = rules
    self.zone = zone
  }

  /// Why each of a machine's points is kept; what has no reason, or is not named, may go.
  package func reasons(for candidates: [Candidate]) -> [PointID: [Reason]] {
    let newestFirst = candidates.sorted { ($0.time, $0.sequence) > ($1.time, $1.sequence) }
    let reliable = newestFirst.filter { !$0.isClockSuspect }
    var reasons: [PointID: [Reason]] = [:]
    applyRules(to: reliable, &reasons)
    // What is lost must not push out what is not.
    if reliable.contains(where: \.isLossy) {
      applyRules(to: reliable.filter { !$0.isLossy }, &reasons)
    }
    for candidate in candidates where candidate.isPinned {
      reasons[candidate.point, default: []].append(.pinned)
    }
    for candidate in candidates where candidate.isClockSuspect {
      reasons[candidate.point, default: []].append(.clockSuspect)
    }
    if let verified = reliable.first(where: \.isVerified) {
      reasons[verified.point, default: []].append(.verified)
    }
    keepSuspects(among: candidates, &reasons)
    return reasons
  }

  /// Each rule by itself; what has a reason already does not get the same once more.
  private func applyRules(
    to newestFirst: [Candidate], _ reasons: inout [PointID: [Reason]]
  ) {
    func keep(_ candidate: Candidate, _ reason: Reason) {
      if reasons[candidate.point]?.contains(reason) == true { return }
      reasons[candidate.point, default: []].append(reason)
    }
    for candidate in newestFirst.prefix(Int(rules.last)) { keep(candidate, .last) }
    for rule in periods {
      var seen: Set<String> = []
      for candidate in newestFirst where seen.count < Int(rule.count) {
        let period = rule.period(CivilTime(zone.local(candidate.time)))
        guard seen.insert(period).inserted else { continue }
        keep(candidate, rule.reason(period))
      }
    }
  }

  /// What may be the ruin of the machine stays, and what it can be brought back from. In the order
  /// of the chain: no clock has a say in it.
  private func keepSuspects(
    among candidates: [Candidate], _ reasons: inout [PointID: [Reason]]
  ) {
    var good: PointID?
    var saved: Set<PointID> = []
    for candidate in candidates.sorted(by: { ($0.sequence, $0.time) < ($1.sequence, $1.time) }) {
      guard candidate.isSuspect else {
        if good == nil || !candidate.isLossy { good = candidate.point }
        continue
      }
      reasons[candidate.point, default: []].append(.suspect)
      if let good, saved.insert(good).inserted {
        reasons[good, default: []].append(.beforeSuspect)
      }
    }
  }

  private typealias Rule = (
    count: UInt32, period: (CivilTime) -> String, reason: (String) -> Reason
  )

  private var periods: [Rule] {
    [
      (rules.daily, \.day, Reason.daily), (rules.weekly, \.week, Reason.weekly),
      (rules.monthly, \.month, Reason.monthly), (rules.yearly, \.year, Reason.yearly),
    ]
  }

  /// The periods of a local time, by name.
  private struct CivilTime {
    private let date: CivilDate

    init(_ local: Timestamp) {
      let civil = local.civil
      date = CivilDate(year: civil.year, month: civil.month, day: civil.day)
    }

    var year: String { "\(date.year)" }
    var month: String { "\(date.year)-\(Self.twoDigits(date.month))" }
    var day: String { "\(month)-\(Self.twoDigits(date.day))" }
    var week: String {
      let week = date.isoWeek
      return "\(week.year)-W\(Self.twoDigits(week.week))"
    }

    private static func twoDigits(_ number: Int) -> String {
      number < 10 ? "0\(number)" : "\(number)"
    }
  }
}
