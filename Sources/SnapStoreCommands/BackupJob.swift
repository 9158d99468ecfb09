internal import SnapStoreDisks
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// A backup as the vault's history has it: made by `backup` and by `run`.
struct BackupJob {
  var backup: Backup
  var vault: Vault
  /// Where the vault is, as a source must not be in it.
  var vaultPath: String?
  var console: Console

  /// The point is there when it returns; its warnings are told.
  func run() throws -> Backup.Report {
    try JobRun(.backup, machine: backup.machine, console).recording(in: vault) {
      let host = vault.host
      let opened = try backup.openSources(vaultPath: vaultPath, host: host)
      let memory = HostMemory(host)
      let contradictions = memory.contradictions(
        of: vault, try PointCatalog(vault), machine: backup.machine)
      var report = try console.showing(backup.progress) { try backup.run(opened, to: vault) }
      memory.record(report.point)
      report.warnings += contradictions
      for warning in report.warnings { console.warn(warning) }
      return (report, JobResult(report))
    }
  }
}

extension JobResult {
  init(_ report: Backup.Report) {
    let figures = report.point.figures
    self.init(
      machine: report.point.machine, point: report.point.id, warnings: report.warnings,
      figures: [
        .readBytes: figures.readByteCount, .newBytes: figures.newByteCount,
        .storedBytes: figures.storedByteCount, .reusedBytes: figures.reusedByteCount,
      ])
  }
}
