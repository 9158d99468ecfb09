internal import Logging
package import SnapStoreDisks
package import SnapStoreFormat
package import SnapStoreIO
package import SnapStoreVault

/// Turns a machine's disks into a recovery point. `run` is the whole of it, in the order that keeps
/// the promise of the format: packs are durable before the index segments that cover them, those
/// before the point, and the point before the outcome that commits it.
package struct Backup: Sendable {
  /// A disk as the person named it.
  package struct DiskRequest: Sendable {
    package var name: Name
    package var role: DiskRole
    package var path: String

    package init(name: Name, role: DiskRole, path: String) {
      self.name = name
      self.role = role
      self.path = path
    }
  }

  package static let maximumDataDisks = 16

  package var machine: Name
  package var disks: [DiskRequest]
  package var resources = Resources()
  /// Of what is new; nil: as the vault does it.
  package var compression: Compression?
  package var verifiesWrites = true
  /// Whether disks may be on network mounts.
  package var allowsNetworkDisks = false
  package var progress = Progress()
  package var interruption = Interruption()

  package init(machine: Name, disks: [DiskRequest]) {
    self.machine = machine
    self.disks = disks
  }

  package struct Report: Sendable {
    package var point: RecoveryPoint
    /// What the person should know though the backup succeeded.
    package var warnings: [String]
    package var seconds: Double
  }

  /// Backs up the sources that `openSources` returned. When it throws, no point has appeared; but
  /// where only making the outcome's name durable failed, the point may be there, whole.
  package func run(_ sources: [SourceDisk], to vault: Vault) throws -> Report {
    let start = vault.host.clock.monotonicSeconds()
    let time = vault.now()
    let writers = writers(of: sources, calls: vault.host.calls)
    progress.begin(total: sources.reduce(0) { $0 + $1.byteCount })
    let newest = try PointCatalog(vault).latest(of: machine)?.point
    let session = try Session.beginWriting(vault, leaningOn: newest.map { [$0.id] } ?? [])
    // It may have been deleted before the session was registered.
    let parent = newest.flatMap { session.leansOn.contains($0.id) ? $0 : nil }
    if let compression { try vault.admit(compression) }
    let index = try ChunkIndex(session: session, memory: resources.indexByteCount)
    let encoder = RecordEncoder(
      vault: vault, compression: compression, verifiesWrites: verifiesWrites)
    let pipeline = BackupPipeline(
      disks: sources, parents: parentMaps(sources, parent, index, session), session: session,
      index: index, resources: resources, encoder: encoder, progress: progress,
      interruption: interruption)
    let results = try pipeline.run()

    var warnings = warnings(of: writers)
    warnings += try containerWarnings(sources)
    let unstable = try sources.filter { try !$0.wasStable() }
    for disk in unstable {
      warnings.append(
        "disk \(disk.name): \(disk.path) was written to while it was read; "
          + "the point holds no single moment of it")
    }
    try index.writeSegment()
    index.recordDamage()

    let catalog = try PointCatalog(vault)
    var point = try makePoint(
      sources, results, session: session, catalog, time: time, parent: parent?.id,
      isStable: unstable.isEmpty)
    let changeRules = ChangeRules(catalog, of: machine, try Reviews(vault))
    point.signals = pipeline.change(to: results).map {
      PointSignals(figures: $0, rules: changeRules.rules(for: $0))
    }
    Self.shareOverhead(
      of: session.storedByteCount + Session.commitByteCount(point), among: &point.disks)
    if let warning = Self.clockWarning(point) { warnings.append(warning) }
    if let warning = changeRules.warning(of: point) { warnings.append(warning) }
    if interruption.isRaised { throw Interrupted() }
    try session.commit(point)
    // Behind the commit, so that nothing that happens to it can fail the backup.
    IndexMerge(session: session, interruption: interruption).run()
    let seconds = vault.host.clock.monotonicSeconds() - start
    return Report(point: point, warnings: warnings, seconds: seconds)
  }

  /// The parent's map of each source that the parent point has a disk of the same name for. None
  /// where something that the parent refers to may be lost: then every chunk is looked up, and
  /// what is missing is stored again, which heals the points that use it.
  private func parentMaps(
    _ sources: [SourceDisk], _ parent: RecoveryPoint?, _ index: ChunkIndex, _ session: Session
  ) -> [ParentMap?] {
    let vault = session.vault
    if !index.isComplete && parent != nil {
      vault.log.warning(
        """
        what index segments told is lost, or much is damaged: every chunk is looked up again, \
        until snapstore collect has found all that is needed
        """)
    }
    return sources.map { source in
      guard index.isComplete, let disk = parent?.disks.first(where: { $0.name == source.name })
      else {
        return nil
      }
      return ParentMap(vault: vault, index: index, disk: disk)
    }
  }

  private func containerWarnings(_ sources: [SourceDisk]) throws -> [String] {
    try sources.compactMap { disk in
      guard let format = try disk.containerFormat() else { return nil }
      return "disk \(disk.name): \(disk.path) looks like a \(format) image; "
        + "it was backed up as it is, and restores as the same \(format) bytes"
    }
  }

  private func makePoint(
    _ sources: [SourceDisk], _ results: [(root: MapReference, figures: BackupFigures)],
    session: Session, _ catalog: PointCatalog, time: Timestamp, parent: PointID?, isStable: Bool
  ) throws -> RecoveryPoint {
    let vault = session.vault
    let vaultTime = try VaultTime(vault, catalog)
    var pointDisks: [PointDisk] = []
    for (position, source) in sources.enumerated() {
      var figures = results[position].figures
      figures.holeByteCount = source.byteCount - figures.readByteCount
      pointDisks.append(
        PointDisk(
          name: source.name, role: disks[position].role, byteCount: source.byteCount,
          source: source.canonicalPath, root: results[position].root, figures: figures))
    }
    return RecoveryPoint(
      id: PointID(time: time, random: UInt32(truncatingIfNeeded: vault.host.randomness.next())),
      machine: machine, session: session.id, sequence: try catalog.nextSequence(of: machine),
      time: time, consistency: isStable ? .crash : .inconsistent,
      evidence: isStable
        ? "no disk was seen to change while it was read"
        : "a disk was written to while it was read",
      disks: pointDisks, parent: parent, previous: catalog.heads(of: machine),
      descriptor: vault.descriptor,
      clock: vaultTime.clock(at: time, previous: catalog.latestByGoodClock(of: machine)?.point))
  }

  private static func clockWarning(_ point: RecoveryPoint) -> String? {
    guard let suspicion = point.clock?.suspicion else { return nil }
    let problem =
      switch suspicion {
      case .behind: "is behind the machine's point before"
      case .ahead: "is far ahead of the vault's time"
      }
    return "the clock \(problem): it says \(point.time.rfc3339); "
      + "the point is marked and fills no place in retention"
  }

  /// Adds what no single disk caused (pack directories, index, the point itself) to the disks'
  /// stored bytes by their share, so that they add up to what the vault grew by.
  private static func shareOverhead(of total: UInt64, among disks: inout [PointDisk]) {
    let records = disks.reduce(0) { $0 + $1.figures.storedByteCount }
    let overhead = total - records
    var left = overhead
    for index in disks.indices.dropFirst() where records > 0 {
      let share = overhead.multipliedFullWidth(by: disks[index].figures.storedByteCount)
      let part = records.dividingFullWidth((share.high, share.low)).quotient
      disks[index].figures.storedByteCount += part
      left -= part
    }
    disks[0].figures.storedByteCount += left
  }
}
