package import SnapStoreFormat

/// The vault's own time (docs/format.md, "Vault time"): it goes on with the runs that the vault has
/// recorded, by the time between them, but by no more than a limit a run. So one wrong clock can't
/// make years pass, and what is old enough to go can't be decided by it.
///
/// Each point carries the vault's time of its backup. A vault that fell behind, since nothing was
/// backed up for long, catches up by half of the time that passes.
package struct VaultTime: Sendable {
  /// A machine's clock may be so far behind its previous point, in seconds.
  package static let toleranceBehind: Int64 = 600
  /// A clock may be so far ahead of the vault's time, in seconds.
  package static let toleranceAhead: Int64 = 3 * 86400
  /// How far a run moves the vault's time at the most, in seconds: 36 hours, or half as much again
  /// as the longest interval of a schedule.
  private static let shortestCap: Int64 = 36 * 3600

  /// The vault's time of the newest run, and what its clock said; nil where there is none.
  private let newest: Run?
  private let cap: Int64

  /// `points`: all that the vault has, deleted or not. `longestInterval`: between two backups, in
  /// seconds, as the policies of the vault's machines have it.
  package init(
    points: some Sequence<RecoveryPoint>, epoch: EpochRecord? = nil, longestInterval: Int64 = 0
  ) {
    var runs = points.map { point in
      Run(
        vault: point.clock?.vaultTime ?? point.time, isGood: point.clock?.suspicion == nil,
        wall: point.time)
    }
    if let epoch, let time = epoch.vaultTime {
      runs.append(
        Run(vault: time, isGood: !Self.isAhead(epoch.time, of: time), wall: epoch.time))
    }
    newest = runs.max()
    cap = max(Self.shortestCap, longestInterval + longestInterval / 2)
  }

  /// As the vault is now. A decision of a collection that can't be read counts for nothing.
  package init(_ vault: Vault, _ catalog: PointCatalog) throws {
    var epoch: EpochRecord?
    do {
      epoch = try vault.newestEpoch()
    } catch {
      guard damageReason(error) != nil else { throw error }
    }
    self.init(
      points: catalog.kept.lazy.map(\.point), epoch: epoch,
      longestInterval: try Policies(vault, isTelling: false).longestInterval)
  }

  /// A run, by the vault's time. Of two at one time, the one counts whose clock was right: so a
  /// wrong clock holds nothing up once it is mended.
  private struct Run: Comparable, Sendable {
    var vault: Timestamp
    var isGood: Bool
    var wall: Timestamp

    static func < (left: Run, right: Run) -> Bool {
      (left.vault, left.isGood ? 1 : 0, left.wall) < (right.vault, right.isGood ? 1 : 0, right.wall)
    }
  }

  /// The vault's time where the clock says `wall`. Never before that of the newest run.
  package func time(at wall: Timestamp) -> Timestamp {
    guard let newest else { return wall }
    guard wall > newest.wall, wall > newest.vault else { return newest.vault }
    let gap = wall.seconds - newest.wall.seconds
    let step = min(gap + gap / 2, cap)
    return min(wall, Timestamp(seconds: newest.vault.seconds + step))
  }

  /// Whether a run should be recorded for the vault's time to go on: where it would move, or where
  /// the newest one had a clock that was ahead.
  package func isWorthRecording(at wall: Timestamp) -> Bool {
    guard let newest else { return false }
    return time(at: wall).seconds >= newest.vault.seconds + 3600
      || newest.wall.seconds > wall.seconds + Self.toleranceBehind
  }

  /// What decides whether something is old enough to go: the lesser of the clock's time and the
  /// vault's.
  package func expiryTime(at wall: Timestamp) -> Timestamp { min(wall, time(at: wall)) }

  /// When something happened that is to be let go of later: not before the vault's time, so that a
  /// clock that is behind makes nothing older than it is.
  package func recordTime(at wall: Timestamp) -> Timestamp { max(wall, time(at: wall)) }

  /// What a new point says of its clock. `previous`: the machine's newest point of a clock that can
  /// be relied on.
  package func clock(at wall: Timestamp, previous: RecoveryPoint?) -> PointClock {
    let vaultTime = time(at: wall)
    var suspicion: PointClock.Suspicion?
    if let previous, wall.seconds < previous.time.seconds - Self.toleranceBehind {
      suspicion = .behind
    } else if Self.isAhead(wall, of: vaultTime) {
      suspicion = .ahead
    }
    return PointClock(vaultTime: vaultTime, suspicion: suspicion)
  }

  private static func isAhead(_ wall: Timestamp, of vaultTime: Timestamp) -> Bool {
    wall.seconds > vaultTime.seconds + toleranceAhead
  }

  /// Whether a point's time can't be relied on, as things stand where the clock says `wall`. A
  /// clock that was far ahead is right once the vault's time has come as far: a machine that was
  /// not backed up for weeks looks like a wrong clock at first.
  package func isSuspect(_ point: RecoveryPoint, at wall: Timestamp) -> Bool {
    point.clock?.suspicion == .behind || isAhead(point, at: wall)
  }

  /// Whether a point says that it is of a time that has not come yet.
  package func isAhead(_ point: RecoveryPoint, at wall: Timestamp) -> Bool {
    point.time.seconds > wall.seconds + Self.toleranceBehind
      || Self.isAhead(point.time, of: time(at: wall))
  }
}
