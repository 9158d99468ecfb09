internal import Logging
package import SnapStoreIO
package import SnapStoreVault

/// Frees the space of what no point needs any more (docs/format.md, "Collection"). It waits for
/// nobody: what a backup or a restore that is under way may rely on stays for the next time. It may
/// be killed anywhere.
package struct Collect: Sendable {
  /// So much of what is left may be dead, in percent.
  package var maximumDeadPercent = 10
  /// So much at least is copied before it is made durable and indexed: what running out of room
  /// costs.
  package var batchByteCount = 8 * PackWriter.fullByteCount
  /// Tells what would be done, and does nothing.
  package var isDryRun = false
  package var resources = Resources()
  package var progress = Progress()
  package var interruption = Interruption()

  /// A decision condemns, the next one dooms, and what was copied meanwhile takes two more.
  private static let maximumRounds = 6

  package init() {}

  package struct Report: Sendable {
    /// Bytes of the objects that were deleted, or would be.
    package var freedByteCount: UInt64 = 0
    package var copiedByteCount: UInt64 = 0
    package var deletedPackCount = 0
    package var deletedPointCount = 0
    /// What is needed, and what is not but lies in a pack with what is.
    package var liveByteCount: UInt64 = 0
    package var deadByteCount: UInt64 = 0
    /// Condemned, and not deleted yet.
    package var waitingByteCount: UInt64 = 0
    /// Who is under way that may rely on it.
    package var waitingFor: [VaultLook.UnderWay] = []
    package var warnings: [String] = []
    package var seconds: Double = 0
  }

  package func run(on vault: Vault) throws -> Report {
    let start = vault.host.clock.monotonicSeconds()
    var report = Report()
    var superseded = 0
    var left = Self.maximumRounds
    while left > 0 {
      var round = CollectionRun(vault: vault, options: self)
      do {
        try round.run()
      } catch {
        // Where another collection decided meanwhile, what is missing is what it deleted.
        guard !(error is Interrupted), try round.isSuperseded() else {
          throw Self.explained(error)
        }
        round.end = .superseded
      }
      report.add(round.report)
      // As long as each round makes room for the next, it goes on.
      left = round.hasMadeRoom ? Self.maximumRounds : left - 1
      if round.end == .superseded { superseded += 1 }
      guard round.end != .done else { break }
      if superseded == Self.maximumRounds {
        throw VaultError(
          .aborted, "other collections went on all the time", hint: "run the same command again")
      }
    }
    report.seconds = vault.host.clock.monotonicSeconds() - start
    return report
  }

  /// What can't be read keeps everything: the person has to know why.
  private static func explained(_ error: any Error) -> any Error {
    // What the system refused says itself what and where, and may not be for ever.
    guard !(error is IOError), let cause = DamageReport.cause(of: error) else { return error }
    let known = (error as? VaultError)?.hint
    return VaultError(
      .damaged, "nothing more is freed, since the vault is damaged: \(cause.problem)",
      hint: known ?? "find out what is lost: snapstore verify")
  }
}

extension Collect.Report {
  /// Figures of what was done add up; of what is left, the last ones hold.
  fileprivate mutating func add(_ round: Collect.Report) {
    freedByteCount &+= round.freedByteCount
    copiedByteCount &+= round.copiedByteCount
    deletedPackCount += round.deletedPackCount
    deletedPointCount += round.deletedPointCount
    liveByteCount = round.liveByteCount
    deadByteCount = round.deadByteCount
    waitingByteCount = round.waitingByteCount
    waitingFor = round.waitingFor
    warnings += round.warnings.filter { !warnings.contains($0) }
  }
}
