internal import SnapStoreFormat
package import SnapStoreIO

/// Refuses disks that must not be backed up together, or not into this vault, before anything is
/// read. `vaultPath` is nil for a vault that is in no directory of this host.
package func checkSources(
  _ disks: [SourceDisk], vaultPath: String?, calls: any SystemCalls
) throws {
  var room = UInt64(Int64.max)
  for disk in disks {
    guard disk.byteCount <= room else {
      throw DiskError(.misuse, "the disks together have more than 2^63 bytes")
    }
    room -= disk.byteCount
  }
  var seen: [SourceDisk.Identity: SourceDisk] = [:]
  for disk in disks {
    if let other = seen.updateValue(disk, forKey: disk.identity) {
      throw DiskError(
        .misuse, "disks \(other.name) and \(disk.name) are the same: \(other.path), \(disk.path)",
        hint: "name each disk once")
    }
    if let vaultPath, try isInside(disk.path, vaultPath, calls) {
      throw DiskError(
        .unsuitable, "disk \(disk.name): \(disk.path) is inside of the vault \(vaultPath)",
        hint: "a vault does not back up itself; name a disk outside of it")
    }
  }
}

private func isInside(_ path: String, _ folder: String, _ calls: any SystemCalls) throws -> Bool {
  isPath(try canonicalPath(path, calls: calls), in: try canonicalPath(folder, calls: calls))
}
