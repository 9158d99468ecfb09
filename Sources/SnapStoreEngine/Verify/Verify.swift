internal import Logging
package import SnapStoreFormat
package import SnapStoreIO
package import SnapStoreVault

/// Proves that recovery points can be restored: of a whole vault, or one point.
///
/// A whole vault is read object by object, and packs from end to end; then the maps of all points
/// are walked, and each chunk they name must be one that was seen, with the fingerprint of the
/// moment when the disk was read. One point is read as a restore would read it.
package struct Verify: Sendable {
  /// Nil: the whole vault.
  package var point: RecoveryPoint?
  /// Checks the structure and leaves out the data: what is there, not what is in it.
  package var isQuick = false
  package var resources = Resources()
  package var progress = Progress()
  package var interruption = Interruption()

  /// Hashes that points must have: of what is verified, each must be the hash of one.
  package var expectedHashes: [RecoveryPoint.Hash] = []

  package init(_ point: RecoveryPoint? = nil) {
    self.point = point
  }

  package struct Report: Sendable {
    package var pointCount: Int
    /// Of the whole vault: chunks in packs. Of one point: chunks that it names.
    package var chunkCount: UInt64
    package var readByteCount: UInt64
    package var damaged: [DamageReport.Damage]
    /// Known before, and costs no point anything: stored again meanwhile, or used by none.
    package var healed: [DamageReport.Damage]
    package var warnings: [String]
    package var seconds: Double
  }

  package func run(on vault: Vault) throws -> Report {
    let start = vault.host.clock.monotonicSeconds()
    let time = vault.now()
    let counter = CountingObjectStore(vault.store)
    let vault = vault.through(counter)
    // Listed before the packs are: what these points need is in that listing. And once more after
    // the session registered: what is still there then is kept for as long as it runs.
    var catalog = try PointCatalog(vault)
    let session = try Session.beginReading(vault, leaningOn: point.map { [$0.id] } ?? [])
    defer { session.end() }
    catalog.keep(stillIn: try PointCatalog(vault))
    let index = try ChunkIndex(session: session, memory: resources.indexByteCount)
    defer { index.recordDamage() }
    let readsAll = point == nil && !isQuick
    let recordedDamage = readsAll ? try vault.listDamage() : []

    let report = DamageReport()
    let points = point.map { [$0] } ?? catalog.kept.map(\.point)
    let chunkCount = try check(points, catalog, index, session, report)
    let verified = Set(points.map(\.id))
    for hash in expectedHashes
    where !catalog.kept.contains(where: { $0.hash == hash && verified.contains($0.point.id) }) {
      report.add(missing: hash)
    }
    var (damaged, healed) = sort(report, index)
    if readsAll && session.isRegistered,
      damaged.allSatisfy({ $0.object.hasPrefix("\(VaultFolder.damage)/") })
    {
      // All content was read and is whole: what these told of is told by that.
      let deleted = try vault.deleteUnreadableDamage(among: recordedDamage)
      healed += damaged.filter { deleted.contains($0.object) }
      damaged.removeAll { deleted.contains($0.object) }
    }
    let lost = Set(damaged.flatMap(\.losses).map(\.point))
    session.recordVerification(
      of: isQuick ? [] : points.map(\.id).filter { !lost.contains($0) },
      lossy: points.map(\.id).filter(lost.contains), at: time)
    var warnings: [String] = []
    if !session.isRegistered {
      warnings.append("the vault can't be written to, so nothing of this was recorded in it")
    }
    return Report(
      pointCount: points.count, chunkCount: chunkCount, readByteCount: counter.readByteCount,
      damaged: damaged, healed: healed, warnings: warnings,
      seconds: vault.host.clock.monotonicSeconds() - start)
  }

  /// Fills the report; returns the number of chunks.
  private func check(
    _ points: [RecoveryPoint], _ catalog: PointCatalog, _ index: ChunkIndex, _ session: Session,
    _ report: DamageReport
  ) throws -> UInt64 {
    var witnesses: WitnessSet?
    var inPacks: UInt64?
    let isWhole = point == nil
    let packByteCount = session.packs.values.reduce(0, &+)
    let dataByteCount = points.flatMap(\.disks).reduce(0) { $0 &+ $1.root.dataByteCount }
    progress.begin(total: isWhole ? packByteCount : dataByteCount)
    if isWhole {
      try ObjectCheck(vault: session.vault, report: report).run(catalog)
      if !isQuick {
        witnesses = WitnessSet(
          byteCount: resources.memoryByteCount / 8 * 3, expected: index.entryCount)
      }
      inPacks = try PackVerification(
        session: session, index: index, report: report, witnesses: witnesses,
        resources: resources, progress: progress, interruption: interruption
      ).run()
    }
    for lost in try index.lostPacks() { report.add(lost) }
    let maps = MapVerification(
      session: session, index: index, report: report, witnesses: witnesses, isQuick: isQuick,
      resources: resources, progress: isWhole ? Progress() : progress, interruption: interruption)
    for point in points { _ = try maps.check(point) }
    for finding in index.found.findings {
      report.add(record: finding, "the record there is damaged")
    }
    return inPacks ?? maps.chunkCount
  }

  /// Tells what matters from what was known and costs no point anything now.
  private func sort(
    _ report: DamageReport, _ index: ChunkIndex
  ) -> (damaged: [DamageReport.Damage], healed: [DamageReport.Damage]) {
    var damaged: [DamageReport.Damage] = []
    var healed: [DamageReport.Damage] = []
    for damage in report.damages() {
      let isKnown =
        damage.finding.map { index.isKnownDamage($0) } ?? damage.lostPack?.isReplaced ?? false
      if isKnown && damage.losses.isEmpty { healed.append(damage) } else { damaged.append(damage) }
    }
    return (damaged, healed)
  }
}
