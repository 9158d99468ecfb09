internal import Foundation
internal import Logging
internal import SnapStoreDisks
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// A vault in a directory of its own below `TMPDIR`, removed when the last reference goes.
final class TemporaryVault: Sendable {
  let path: String
  let vault: Vault

  static let quiet = Logger(label: "suites", factory: { _ in SwiftLogNoOpLogHandler() })

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("snapstore-suite-\(UUID().uuidString)", isDirectory: true)
    path = url.path
    let host = HostSystem.current()
    let store = try LocalObjectStore.create("\(path)/vault", host: host)
    vault = try Vault.create(in: store, host: host, log: Self.quiet)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("a suite's directory stays behind: \(path): \(error)")
    }
  }

  /// Writes a disk of so many extents of synthetic content, and backs it up.
  func backUp(extentCount: Int) throws -> RecoveryPoint {
    let disk = "\(path)/disk.img"
    guard FileManager.default.createFile(atPath: disk, contents: nil),
      let file = FileHandle(forWritingAtPath: disk), let name = Name("disk")
    else { throw SuiteError("\(disk) can't be made") }
    for number in 0..<extentCount {
      try file.write(contentsOf: MicroSuites.syntheticExtent(seed: UInt64(number)))
    }
    try file.close()
    let backup = Backup(
      machine: name, disks: [Backup.DiskRequest(name: name, role: .data, path: disk)])
    let sources = try backup.openSources(vaultPath: "\(path)/vault", host: vault.host)
    return try backup.run(sources, to: vault).point
  }
}
