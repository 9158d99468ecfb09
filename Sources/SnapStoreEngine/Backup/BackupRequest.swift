package import SnapStoreDisks
package import SnapStoreFormat
package import SnapStoreIO
package import SnapStoreVault

/// What is checked before a backup begins: cheap enough for every run. `Preflight` asks the same
/// questions one by one, and more.
extension Backup {
  /// The disks that were named when a policy was assigned to the machine.
  package static func rememberedDisks(of machine: Name, in vault: Vault) throws -> [DiskRequest] {
    try rememberedDisks(of: try Policies(vault).machine(named: machine))
  }

  /// Throws `VaultError` where none were named.
  package static func rememberedDisks(of machine: Policies.Machine) throws -> [DiskRequest] {
    let disks = machine.assignment.disks
    guard !disks.isEmpty else {
      throw VaultError(
        .notThere, "no disks of machine \(machine.name) are remembered",
        hint: "name them: snapstore policy assign POLICY --vm \(machine.name) --os-disk …")
    }
    return disks.map { .init(name: $0.name, role: $0.role, path: $0.source) }
  }

  /// Refuses what is wrong with the request itself, before a vault is made or touched. A machine
  /// that runs is nothing wrong where its disks are not read now (`isForReading`).
  package func openSources(
    vaultPath: String?, host: HostSystem, isForReading: Bool = true
  ) throws -> [SourceDisk] {
    precondition(!disks.isEmpty)
    try Self.refuseTooMany(disks)
    try Self.refuseSameNames(disks)
    let sources = try disks.map {
      try SourceDisk(name: $0.name, path: $0.path, calls: host.calls)
    }
    try checkSources(sources, vaultPath: vaultPath, calls: host.calls)
    let storage = HostStorage(calls: host.calls)
    for source in sources {
      do {
        if !allowsNetworkDisks { try Self.refuseNetwork(source, storage) }
      } catch is IOError {
        // What can't be asked of a file system keeps nobody from reading a disk there.
      }
      if isForReading { try Self.refuseLocked(source) }
    }
    return sources
  }

  static func refuseTooMany(_ disks: [DiskRequest]) throws {
    let dataDisks = disks.count { $0.role == .data }
    guard dataDisks <= maximumDataDisks, disks.count - dataDisks <= 1 else {
      throw DiskError(
        .misuse,
        "too many disks: \(disks.count - dataDisks) OS and \(dataDisks) data",
        hint: "a machine has one OS disk and up to \(maximumDataDisks) data disks")
    }
  }

  static func refuseSameNames(_ disks: [DiskRequest]) throws {
    for (position, disk) in disks.enumerated() {
      if let other = disks[..<position].first(where: { $0.name == disk.name }) {
        throw DiskError(
          .misuse, "two disks are named \(disk.name): \(other.path) and \(disk.path)",
          hint: "give one another name: NAME=\(disk.path)")
      }
    }
  }

  /// Refuses a disk that lies on a network mount, also by way of loop and mapped devices.
  static func refuseNetwork(_ disk: SourceDisk, _ storage: HostStorage) throws {
    guard let kind = try storage.stack(of: disk).network else { return }
    throw DiskError(
      .notAllowed, "disk \(disk.name): \(disk.path) is on a network mount (\(kind))",
      hint: "back it up on the host that has it, or say --allow-network-disk")
  }

  /// Refuses a disk of a virtual machine that runs: nothing else holds QEMU's lock for writing.
  static func refuseLocked(_ disk: SourceDisk) throws {
    guard disk.isLockedByWriter else { return }
    throw DiskError(
      .notAllowed, "disk \(disk.name): \(disk.path) \(DiskWriter.imageLock.phrase)",
      hint: "shut the virtual machine down first")
  }

  /// What else may write to the disks. Only told: the disk is looked at again when it was read.
  func writers(of sources: [SourceDisk], calls: any SystemCalls) -> [(SourceDisk, DiskWriter)] {
    let storage = HostStorage(calls: calls)
    return sources.flatMap { disk in
      storage.writers(of: disk, byClaim: false).map { (disk, $0) }
    }
  }

  /// What is said of them once the disks were read. A file that was open for writing and is not any
  /// more was about to be closed: who wrote to it meanwhile is noticed by the file.
  func warnings(of writers: [(SourceDisk, DiskWriter)]) -> [String] {
    writers.filter { disk, writer in writer != .openFile || disk.isOpenForWriting != false }
      .map { disk, writer in "disk \(disk.name): \(disk.path) \(writer.phrase)" }
  }
}
