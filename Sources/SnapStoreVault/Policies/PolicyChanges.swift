internal import Logging
package import SnapStoreFormat

/// Sets and removes policies, and assigns machines to them. Each change is durable when it returns,
/// and stays on record.
package struct PolicyChanges: Sendable {
  private let vault: Vault
  private let policies: ChangeLog<PolicyRecord>
  private let machines: ChangeLog<MachineRecord>

  package init(_ vault: Vault) {
    self.vault = vault
    policies = ChangeLog(vault)
    machines = ChangeLog(vault)
  }

  /// Makes or changes a policy. `settings` gets what it was, nil for a new one or one that is
  /// damaged, and may be asked again. Returns what holds then.
  package func set(
    _ name: Name, _ settings: (PolicyRecord.Settings?) throws -> PolicyRecord.Settings
  ) throws -> PolicyRecord.Settings {
    var result: PolicyRecord.Settings?
    _ = try policies.append(to: name) { newest, next in
      let old = try policies.known(newest)?.settings
      let new = try settings(old)
      result = new
      return new == old ? nil : PolicyRecord(name: next, time: vault.now(), settings: new)
    }
    guard let result else { preconditionFailure("no settings were asked for") }
    return result
  }

  /// Throws `VaultError` where the policy is not there, or is assigned to machines, or may be, as
  /// what is known of a machine can't be read.
  package func remove(_ name: Name) throws {
    try refuseAssigned(name)
    var settings: PolicyRecord.Settings?
    _ = try policies.append(to: name) { newest, next in
      // One that can't be read may be removed.
      settings = try policies.known(newest)?.settings
      guard let newest, settings != nil || newest.isUnreadable else {
        throw VaultError(
          .notThere, "there is no policy \(name)", hint: "see: snapstore policy list")
      }
      return PolicyRecord(name: next, time: vault.now(), settings: nil)
    }
    do {
      // A machine may have been assigned meanwhile.
      try refuseAssigned(name)
    } catch let refusal as VaultError {
      if let settings { _ = try set(name) { $0 ?? settings } }
      throw refusal
    }
  }

  private func refuseAssigned(_ name: Name) throws {
    let known = try Policies(vault)
    let assigned = known.machines(of: name).map(\.name)
    guard let first = assigned.first else {
      if let lost = known.unreadable.first(where: \.isMachine) { throw lost.refusal }
      return
    }
    throw VaultError(
      .misuse,
      "policy \(name) is assigned to \(assigned.prefix(8).map(\.text).joined(separator: ", "))",
      hint: "assign another one, or none: snapstore policy unassign --vm \(first)")
  }

  /// Assigns a policy to a machine; with `disks` nil the machine keeps those that it has. Throws
  /// `VaultError` where the policy is not there, or no disks are known.
  package func assign(
    _ policy: Name, to machine: Name, disks: [MachineRecord.Disk]?
  ) throws -> MachineRecord.Assignment {
    _ = try Policies(vault).policy(named: policy)
    var result: MachineRecord.Assignment?
    var before: MachineRecord.Assignment?
    let change = try machines.append(to: machine) { newest, next in
      before = try machines.known(newest)?.assignment
      guard let disks = disks ?? before?.disks else {
        throw VaultError(
          .misuse, "no disk of machine \(machine) is known",
          hint: "name them with --os-disk and --data-disk")
      }
      let new = MachineRecord.Assignment(policy: policy, disks: disks)
      result = new
      guard new != before else { return nil }
      return MachineRecord(name: next, time: vault.now(), assignment: new)
    }
    guard let result else { preconditionFailure("no assignment was asked for") }
    do {
      // The policy may have been removed meanwhile.
      _ = try Policies(vault).policy(named: policy)
    } catch let refusal as VaultError {
      if let change { try takeBack(change, before) }
      throw refusal
    }
    return result
  }

  /// False where the machine had no policy.
  package func unassign(_ machine: Name) throws -> Bool {
    try machines.append(to: machine) { newest, next in
      let isAssigned = try machines.known(newest)?.assignment != nil
      guard let newest, isAssigned || newest.isUnreadable else { return nil }
      return MachineRecord(name: next, time: vault.now(), assignment: nil)
    } != nil
  }

  private func takeBack(_ change: MachineRecord, _ before: MachineRecord.Assignment?) throws {
    _ = try machines.append(to: change.name.subject) { newest, next in
      guard newest?.name == change.name else { return nil }  // somebody has said something else
      return MachineRecord(name: next, time: vault.now(), assignment: before)
    }
  }
}
