internal import ArgumentParser
internal import FoundationEssentials
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// In which region this host is, and whether the vault's has to be the same.
struct RegionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "This host's region, to be that of the vault. (default: $SNAPSTORE_REGION, or as configured)",
      valueName: "name"),
    transform: parseName)
  var region: Name?

  @Flag(
    name: .customLong("allow-cross-region"),
    help: "Use the vault though it is of another region than this host.")
  var allowsOtherRegion = false

  /// This host's region, from wherever it is said; nil where nothing says it. `unreadable` is told
  /// where the configuration can't be read, and may throw that on or go on without.
  func hostRegion(
    _ host: HostSystem, unreadable: (any Error) throws -> Void = { throw $0 }
  ) throws -> String? {
    if let region { return region.text }
    let variable = ProcessInfo.processInfo.environment["SNAPSTORE_REGION"] ?? ""
    guard !variable.isEmpty else {
      do {
        return try ConfigurationFile.read(host).region?.text
      } catch {
        try unreadable(error)
        return nil
      }
    }
    guard let name = Name(variable) else {
      throw Failure(
        .wrongUsage, "SNAPSTORE_REGION is '\(variable)', which can't be a name",
        hint: "a name is \(Name.rule)")
    }
    return name.text
  }

  /// Refuses a vault of another region. Where the vault has none, the host's does not matter.
  func check(
    _ vault: Vault, unreadable: (any Error) throws -> Void = { throw $0 }
  ) throws {
    guard !allowsOtherRegion, vault.descriptor.region != nil else { return }
    try vault.refuseOtherRegion(than: try hostRegion(vault.host, unreadable: unreadable))
  }
}

/// Whether disks may be on network mounts, which are not part of what a host backs up.
struct NetworkDiskOptions: ParsableArguments {
  @Flag(
    name: .customLong("allow-network-disk"),
    help: "Take disks that are on network mounts, such as NFS, too.")
  var isAllowed = false
}
