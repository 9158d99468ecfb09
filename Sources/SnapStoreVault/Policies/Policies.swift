internal import Logging
package import SnapStoreFormat

/// The policies of a vault and the machines that they are assigned to, as they were when this was
/// made. What can't be read is in `unreadable`, and logged: nobody may take it for absent.
package struct Policies: Sendable {
  /// What is known of a machine that has a policy.
  package struct Machine: Sendable {
    package var name: Name
    package var assignment: MachineRecord.Assignment
    /// When it was assigned so.
    package var time: Timestamp
  }

  /// A policy that is there.
  package struct Policy: Sendable {
    package var name: Name
    package var settings: PolicyRecord.Settings
    /// When it was last changed.
    package var time: Timestamp
  }

  /// A policy or machine of which no copy of the newest change can be read.
  package struct Unreadable: Sendable {
    package var name: Name
    package var isMachine: Bool
    package var error: FormatError

    private var what: String { "\(isMachine ? "machine" : "policy") \(name)" }

    /// What a command says that needs it.
    package var refusal: VaultError {
      error.code == .unsupported
        ? VaultError(
          .unsupported, "\(what) was changed by a newer program: \(error)",
          hint: "use a newer snapstore")
        : VaultError(
          .damaged, "\(what) can't be read: \(error)",
          hint: isMachine
            ? "assign it anew: snapstore policy assign POLICY --vm \(name) --os-disk …"
            : "set it anew: snapstore policy set \(name) …")
    }
  }

  /// In the order of their names.
  package private(set) var policies: [Policy] = []
  /// In the order of their names.
  package private(set) var machines: [Machine] = []
  package private(set) var unreadable: [Unreadable] = []

  /// `isTelling`: whether what can't be read is logged.
  package init(_ vault: Vault, isTelling: Bool = true) throws {
    // Machines first: whoever assigns one makes sure that its policy is there.
    for change in try ChangeLog<MachineRecord>(vault).newest() {
      switch change.record {
      case .success(let record):
        guard let assignment = record.assignment else { continue }
        machines.append(
          Machine(name: record.name.subject, assignment: assignment, time: record.time))
      case .failure(let error):
        unreadable.append(
          Unreadable(name: change.name.subject, isMachine: true, error: error))
      }
    }
    for change in try ChangeLog<PolicyRecord>(vault).newest() {
      switch change.record {
      case .success(let record):
        guard let settings = record.settings else { continue }
        policies.append(
          Policy(name: record.name.subject, settings: settings, time: record.time))
      case .failure(let error):
        unreadable.append(
          Unreadable(name: change.name.subject, isMachine: false, error: error))
      }
    }
    guard isTelling else { return }
    for unreadable in unreadable { vault.log.warning("\(unreadable.refusal)") }
  }

  /// What holds for a machine; nil where none is assigned to it, or none that can be read.
  package func policy(of machine: Name) -> Policy? {
    guard let machine = machines.first(where: { $0.name == machine }) else { return nil }
    return policies.first { $0.name == machine.assignment.policy }
  }

  package func machines(of policy: Name) -> [Machine] {
    machines.filter { $0.assignment.policy == policy }
  }

  /// Throws `VaultError` where the policy is not there or can't be read.
  package func policy(named name: Name) throws -> Policy {
    if let policy = policies.first(where: { $0.name == name }) { return policy }
    if let unreadable = unreadable.first(where: { $0.name == name && !$0.isMachine }) {
      throw unreadable.refusal
    }
    throw VaultError(
      .notThere, "there is no policy \(name)",
      hint: policies.isEmpty
        ? "make it: snapstore policy set \(name) --keep-daily 7"
        : "there are: \(policies.prefix(8).map(\.name.text).joined(separator: ", "))")
  }

  /// Throws `VaultError` where the machine has no policy, or what is known of it can't be read.
  package func machine(named name: Name) throws -> Machine {
    if let machine = machines.first(where: { $0.name == name }) { return machine }
    if let unreadable = unreadable.first(where: { $0.name == name && $0.isMachine }) {
      throw unreadable.refusal
    }
    throw VaultError(
      .notThere, "machine \(name) is not assigned to a policy, so its disks are not known",
      hint: "name them, or: snapstore policy assign POLICY --vm \(name) --os-disk …")
  }

  /// The longest time between two backups that a policy of a machine asks for, in seconds; 0 where
  /// none does.
  package var longestInterval: Int64 {
    machines.compactMap { policy(of: $0.name)?.settings.schedule?.longestIntervalSeconds }.max()
      ?? 0
  }
}

extension Policies {
  /// One change of a policy, for people.
  package struct Change: Sendable {
    package var number: UInt64
    /// Nil where it can't be read.
    package var record: PolicyRecord?
  }

  /// All that was ever said of a policy, the newest last; of one that was removed too.
  package static func changes(of policy: Name, in vault: Vault) throws -> [Change] {
    try ChangeLog<PolicyRecord>(vault).changes(of: policy).map { change in
      switch change.record {
      case .success(let record): Change(number: change.name.number, record: record)
      case .failure: Change(number: change.name.number, record: nil)
      }
    }
  }
}
