internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// A prune as the vault's history has it: made by `prune` and by `run`.
enum PruneJob {
  /// Deletes what goes by the plans; throws, and deletes nothing, where somebody should look at it
  /// first. Where nothing goes, there is no job. Returns the plans as they were carried out.
  static func run(
    _ prune: Prune, _ plans: [Prune.MachinePlan], machine: Name?, isSure: Bool = false,
    _ vault: Vault, _ interruption: Interruption, _ console: Console
  ) throws -> [Prune.MachinePlan] {
    guard plans.goingCount > 0 else { return plans }
    return try JobRun(.prune, machine: machine, console).recording(in: vault) {
      if let plan = plans.first(where: \.isDrastic), !isSure { throw refusal(of: plan) }
      let reserve = Reserve(vault)
      let done = try reserve.using { try prune.apply(plans, interruption: interruption) }
      reserve.make()
      return (done, JobResult(figures: [.deletedPoints: UInt64(done.goingCount)]))
    }
  }

  /// What is said where so many points of a machine would go that somebody should look at it.
  private static func refusal(of plan: Prune.MachinePlan) -> Failure {
    Failure(
      .notAllowed,
      "\(plan.going.count) of the \(plan.points.count) points of \(plan.machine) would go; "
        + "nothing was deleted",
      hint: "look with --dry-run, and say --yes if it is right")
  }
}

/// Which rules hold for a machine: those of its policy, or those that were typed.
struct PruneRules {
  private let policies: Policies
  private let given: Prune.Rules?
  private let machine: Name?
  private let host: HostSystem

  /// `machine`: the only one that is to be pruned, if there is one.
  init(policies: Policies, given: Prune.Rules?, machine: Name?, host: HostSystem) throws {
    self.policies = policies
    self.given = given
    self.machine = machine
    self.host = host
    if let machine, let policy = policies.policy(of: machine), given != nil {
      throw Failure(
        .wrongUsage, "machine \(machine) is pruned by its policy \(policy.name)",
        hint: "change that: snapstore policy set \(policy.name) --keep-…")
    }
    let hasPolicies = policies.machines.contains { machine == nil || $0.name == machine }
    guard given != nil || hasPolicies || !policies.unreadable.isEmpty else {
      throw Failure(
        .wrongUsage, "no rule says which points to keep",
        hint: "say for example --keep-daily 7, or make a policy: snapstore help policy")
    }
  }

  /// Whether the machine has a policy, or may have one, that can't be read.
  func isUnclear(_ name: Name) -> Bool {
    guard machine == nil || machine == name else { return false }
    if policies.unreadable.contains(where: { $0.isMachine && $0.name == name }) { return true }
    return policies.machines.contains { $0.name == name } && policies.policy(of: name) == nil
  }

  func rules(of name: Name) throws -> Prune.Rules? {
    guard machine == nil || machine == name, !isUnclear(name) else { return nil }
    guard let policy = policies.policy(of: name) else { return given }
    return Prune.Rules(
      keep: policy.settings.rules,
      zone: try TimeZoneFiles.rules(named: policy.settings.zone, calls: host.calls),
      softDeleteSeconds: policy.settings.softDeleteSeconds, policy: policy.name)
  }
}
