package import SnapStoreFormat
internal import SnapStoreIO

/// Tells which machines are to be backed up now: those whose policy has a schedule, the last moment
/// of which lies behind their newest point. Points that lack one of the machine's disks don't
/// count, and neither do those that say to be of the future, or are far ahead of the vault's time.
/// One whose clock was behind another's does: that a backup was made then is no less true.
package struct DueCheck: Sendable {
  /// How it stands with one machine.
  package struct Standing: Sendable {
    package var policy: Policies.Policy
    /// The time of the newest point that counts; nil where there is none.
    package var newest: Timestamp?
    /// When a backup was to be made last; nil where the policy has no schedule.
    package var scheduled: Timestamp?

    package var isDue: Bool {
      guard let scheduled else { return false }
      return newest.map { $0 < scheduled } ?? true
    }
  }

  private let policies: Policies
  private let catalog: PointCatalog
  private let vaultTime: VaultTime
  private let now: Timestamp
  private let calls: any SystemCalls

  package init(_ vault: Vault, _ policies: Policies, _ catalog: PointCatalog) throws {
    self.policies = policies
    self.catalog = catalog
    vaultTime = try VaultTime(vault, catalog)
    now = vault.now()
    calls = vault.host.calls
  }

  /// Throws `VaultError` where the machine's policy is not there or can't be read, or the host does
  /// not know its time zone.
  package func standing(of machine: Policies.Machine) throws -> Standing {
    let policy = try policies.policy(named: machine.assignment.policy)
    let zone = try TimeZoneFiles.rules(named: policy.settings.zone, calls: calls)
    let disks = machine.assignment.disks.map(\.name)
    let newest = catalog.entries(of: machine.name).map(\.point)
      .filter { !vaultTime.isAhead($0, at: now) && Set($0.disks.map(\.name)).isSuperset(of: disks) }
      .map(\.time).max()
    return Standing(
      policy: policy, newest: newest,
      scheduled: policy.settings.schedule?.lastOccurrence(atOrBefore: now, zone: zone))
  }
}
