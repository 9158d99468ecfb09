internal import Logging
internal import SnapStoreDisks
package import SnapStoreFormat
package import SnapStoreIO
package import SnapStoreVault

/// Turns a recovery point back into new disk files.
package struct Restore: Sendable {
  package var point: RecoveryPoint
  /// Which of the point's disks, in its order.
  package var disks: [PointDisk]
  package var targetPath: String
  package var resources = Resources()
  package var progress = Progress()
  package var interruption = Interruption()

  /// `names` empty: all disks. A name that the point does not have is refused.
  package init(_ point: RecoveryPoint, disks names: [Name], to targetPath: String) throws {
    self.point = point
    self.targetPath = targetPath
    for name in names where !point.disks.contains(where: { $0.name == name }) {
      let known = point.disks.map(\.name.text).joined(separator: ", ")
      throw VaultError(
        .notThere, "recovery point \(point.id) has no disk \(name)", hint: "it has: \(known)")
    }
    disks = names.isEmpty ? point.disks : point.disks.filter { names.contains($0.name) }
  }

  package struct Report: Sendable {
    package struct File: Sendable {
      package var disk: Name
      package var path: String
      package var byteCount: UInt64
    }

    package var files: [File]
    package var writtenByteCount: UInt64
    package var warnings: [String]
    package var seconds: Double
  }

  /// Restores; durable when it returns. When it throws, nothing was left under a final name, and
  /// what was there before is as it was; but where only making a new directory's name durable
  /// failed, the complete files are left.
  package func run(from vault: Vault) throws -> Report {
    let start = vault.host.clock.monotonicSeconds()
    let names = disks.map(\.name)
    try RestoreTarget.check(
      targetPath, names: names, vaultPath: vault.store.location, calls: vault.host.calls)
    let session = try Session.beginReading(vault, leaningOn: [point.id])
    let written: UInt64
    do {
      written = try restore(in: session)
    } catch {
      session.end()
      throw error
    }
    session.end()
    return Report(
      files: disks.map { disk in
        Report.File(
          disk: disk.name, path: RestoreTarget.path(of: disk.name, in: targetPath),
          byteCount: disk.byteCount)
      },
      writtenByteCount: written,
      warnings: session.isRegistered
        ? [] : ["the vault can't be written to, so this restore was not announced in it"],
      seconds: vault.host.clock.monotonicSeconds() - start)
  }

  /// Returns how many bytes were written.
  private func restore(in session: Session) throws -> UInt64 {
    let vault = session.vault
    let index = try ChunkIndex(session: session, memory: resources.indexByteCount)
    defer { index.recordDamage() }
    let target = try RestoreTarget(
      targetPath, names: disks.map(\.name), host: vault.host)
    do {
      try checkSpace(target)
      let newDisks = try disks.map { try target.makeDisk($0.name, byteCount: $0.byteCount) }
      progress.begin(total: disks.reduce(0) { $0 + $1.root.dataByteCount })
      try RestorePipeline(
        disks: Array(zip(disks, newDisks)), reader: ChunkReader(vault: vault, index: index),
        resources: resources, progress: progress, interruption: interruption
      ).run()
      try target.publish()
      return newDisks.reduce(0) { $0 + $1.writtenByteCount }
    } catch let failure {
      do {
        try target.discard()
      } catch {
        vault.log.warning("files of the failed restore are left in \(targetPath): \(error)")
      }
      throw failure
    }
  }

  private func checkSpace(_ target: RestoreTarget) throws {
    let needed = disks.reduce(0) { $0 + $1.root.dataByteCount }
    let available = try target.availableByteCount()
    guard needed <= available else {
      throw DiskError(
        .failed,
        "\(targetPath) has not enough space: \(needed) bytes are needed, \(available) are free",
        hint: "free some, or name a directory on another file system with --to")
    }
  }
}
