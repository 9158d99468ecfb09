internal import Logging
package import SnapStoreFormat
package import SnapStoreIO
package import SnapStoreVault

/// Deletes the points that no rule keeps, so that they can be brought back for a while. Their space
/// is freed by `Collect`, once that while is over.
///
/// First a plan, which changes nothing and says for each point why it stays; then `apply`.
package struct Prune: Sendable {
  /// What holds for a machine.
  package struct Rules: Sendable {
    package var keep: KeepRules
    package var zone: TimeZoneRules
    /// How long a point that goes can be brought back, in seconds.
    package var softDeleteSeconds: UInt64
    /// The policy that says so; nil where it was said for this run alone.
    package var policy: Name?

    package init(
      keep: KeepRules, zone: TimeZoneRules = .utc,
      softDeleteSeconds: UInt64 = SoftDelete.defaultSeconds, policy: Name? = nil
    ) {
      self.keep = keep
      self.zone = zone
      self.softDeleteSeconds = softDeleteSeconds
      self.policy = policy
    }
  }

  /// What is to become of a machine's points.
  package struct MachinePlan: Sendable {
    package var machine: Name
    package var rules: Rules
    /// All of its points, oldest first, each with why it stays; none: it goes.
    package var points: [(entry: PointCatalog.Entry, reasons: [Retention.Reason])]

    package var going: [PointCatalog.Entry] { points.filter(\.reasons.isEmpty).map(\.entry) }
    /// Whether so many go at once that somebody should have looked at it.
    package var isDrastic: Bool { going.count * 2 > points.count }
  }

  private let vault: Vault
  private let catalog: PointCatalog
  private let vaultTime: VaultTime

  package init(_ vault: Vault) throws {
    self.vault = vault
    catalog = try PointCatalog(vault)
    vaultTime = try VaultTime(vault, catalog)
  }

  /// The machines that have points, in order.
  package var machines: [Name] { catalog.machines }
  /// Points that can't be read: nothing is known of them, and they stay.
  package var unreadable: [PointID] { catalog.unreadable.map(\.id) }

  /// The plan for each machine that `rules` has something for.
  package func plan(_ rules: (Name) throws -> Rules?) throws -> [MachinePlan] {
    let pins = try Pins(vault)
    let reviews = try Reviews(vault)
    let verifications = try Verifications(vault)
    let now = vault.now()
    return try machines.compactMap { machine in
      guard let rules = try rules(machine) else { return nil }
      let entries = catalog.entries(of: machine)
      let candidates = entries.map(\.point).map { point in
        Retention.Candidate(
          point: point.id, sequence: point.sequence, time: point.time,
          isPinned: pins.contains(point.id),
          isClockSuspect: vaultTime.isSuspect(point, at: now),
          isVerified: verifications.time(of: point.id) != nil,
          isLossy: verifications.isLossy(point.id),
          isSuspect: reviews.isSuspect(point))
      }
      let reasons = Retention(rules: rules.keep, zone: rules.zone).reasons(for: candidates)
      return MachinePlan(
        machine: machine, rules: rules,
        points: entries.map { ($0, reasons[$0.point.id] ?? []) })
    }
  }

  /// Deletes what goes by the plan, and was not pinned since. Each deletion is durable by itself:
  /// who is stopped in the middle leaves the rest to the next run. Returns the plans as they were
  /// carried out.
  @discardableResult
  package func apply(
    _ plans: [MachinePlan], interruption: Interruption = Interruption()
  ) throws -> [MachinePlan] {
    let deletion = PointDeletion(
      vault, at: vaultTime.recordTime(at: vault.now()), knowing: catalog.tombstones)
    var done = plans
    for (number, plan) in plans.enumerated() {
      for (place, point) in plan.points.enumerated() where point.reasons.isEmpty {
        if interruption.isRaised { throw Interrupted() }
        do {
          try deletion.delete(
            point.entry.point.id, subject: point.entry.subject, isFinal: false,
            softDeleteSeconds: plan.rules.softDeleteSeconds)
        } catch let error as VaultError where error.code == .pinned {
          vault.log.warning("\(error.message): it stays")
          done[number].points[place].reasons = [.pinned]
        }
      }
    }
    return done
  }
}

extension [Prune.MachinePlan] {
  /// How many points go.
  package var goingCount: Int { reduce(0) { $0 + $1.going.count } }
}
