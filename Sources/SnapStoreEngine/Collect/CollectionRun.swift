internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// One round of a collection: looks, marks, decides, deletes. `CollectionRound` says what follows
/// from what is seen; the steps are those of docs/format.md, "Collection".
struct CollectionRun {
  enum End {
    /// Nothing is left that could be done now.
    case done
    case goOn
    /// Another collection decided meanwhile.
    case superseded
  }

  let vault: Vault
  let options: Collect
  private(set) var report = Collect.Report()
  /// Whether packs were left for the next round since there was no room for more.
  private var isLimited = false
  /// Whether it has made packs that neither a segment nor a decision names yet.
  private var hasUnnamedPacks = false
  var end = End.done
  private var number: UInt64?
  private var own: SessionID?
  private var epochTime: Timestamp?
  private var isTimeNews = false
  /// The records of damage that were there before the looks: of what came later, whether it is
  /// gone or needed can't be told by them.
  private var damage: [SerialName] = []

  /// Whether there is more room now for packs that were left for the next round.
  var hasMadeRoom: Bool { isLimited && report.deletedPackCount > 0 }

  init(vault: Vault, options: Collect) {
    self.vault = vault
    self.options = options
  }

  /// Whether there is a decision now that this round did not know, and did not make.
  func isSuperseded() throws -> Bool {
    guard let number, try vault.newestEpochNumber() >= number else { return false }
    // Its own decision, too, may be there although making it durable failed.
    do {
      return try vault.newestEpoch().map { $0.session != own } ?? false
    } catch {
      guard DamageReport.cause(of: error) != nil else { throw error }
      return true
    }
  }

  mutating func run() throws {
    let look = VaultLook(vault)
    let base = try vault.newestEpoch()
    if let base, base.number == EpochName.maximumNumber {
      throw VaultError(
        .damaged, "no decision of a collection can follow epochs/\(EpochName(base.number))",
        hint: "while no snapstore runs, remove the vault's folder epochs")
    }
    var round = CollectionRound(base: base)
    number = round.number
    let catalog = try PointCatalog(vault)
    if !options.isDryRun { try restoreOutcomes(catalog, look) }
    try declareTheDead(&round, look, catalog)
    let over = try finishSoftDeletes(catalog)
    let candidates = try vault.listPacks()
    damage = try vault.listDamage()
    let points = try findRoots(&round, look, over: Set(over))

    // Registered, and so listing the packs, only now: what the points need is in that listing. What
    // was not there before the looks is left alone.
    let session =
      options.isDryRun
      ? try Session.beginReading(vault, leaningOn: []) : try Session.beginCollecting(vault)
    // A session whose packs no segment covers looks like one whose segments are lost, unless its
    // record says that it came to no end.
    defer { if !hasUnnamedPacks { session.end() } }
    round.own = session.id
    own = session.id
    let index = try ChunkIndex(session: session, memory: options.resources.indexByteCount)
    do {
      try collect(round, points, session, index, candidates: Set(candidates.keys))
    } catch {
      if try !options.isDryRun && !isSuperseded() { index.recordDamage() }
      throw error
    }
  }

  /// Makes final what was deleted long enough ago.
  private mutating func finishSoftDeletes(_ catalog: PointCatalog) throws -> [PointID] {
    let now = vault.now()
    let vaultTime = try VaultTime(vault, catalog)
    let over = try PointDeletion(vault, at: vaultTime.recordTime(at: now)).finishSoftDeletes(
      at: vaultTime.expiryTime(at: now), isDry: options.isDryRun)
    epochTime = vaultTime.time(at: now)
    // Where a machine is backed up no more, only collections move the vault's time.
    let isWaitedFor = catalog.deleted.contains { !over.contains($0.point.id) }
    isTimeNews = isWaitedFor && vaultTime.isWorthRecording(at: now)
    return over
  }

  /// Before any session is taken for one that died without an outcome.
  private mutating func restoreOutcomes(_ catalog: PointCatalog, _ look: VaultLook) throws {
    let count = try look.restoreOutcomes(catalog)
    guard count > 0 else { return }
    let points = count == 1 ? "a point" : "\(count) points"
    report.warnings.append(
      "the outcome of \(points) was lost, and is made again: a copy or a later point tells it")
  }

  /// Steps 2 and 3. Where outcomes were lost, a session that has a whole point counts as committed:
  /// a point too many costs less than one too few.
  private mutating func declareTheDead(
    _ round: inout CollectionRound, _ look: VaultLook, _ catalog: PointCatalog
  ) throws {
    let (sessions, records) = try look.sessions()
    let outcomes = try look.outcomes()
    for dead in round.begin(sessions, withOutcomes: outcomes) where !options.isDryRun {
      try look.end(dead, catalog.isDoubtful(dead) ? .committed : .aborted)
    }
    report.waitingFor = sessions.filter {
      $0.isAlive && $0.purpose != .collect && !outcomes.contains($0.id)
    }.compactMap { records[$0.id] }
  }

  /// Steps 8 to 10.
  private mutating func collect(
    _ round: CollectionRound, _ points: Roots, _ session: Session, _ index: ChunkIndex,
    candidates: Set<SerialName>
  ) throws {
    if !options.isDryRun { try index.writeSegment() }
    let contents = try PackContent.ofAll(
      session: session, index: index, resources: options.resources,
      interruption: options.interruption)
    // Over what damaged ones covered.
    if !options.isDryRun { try index.writeSegment() }
    // Not before: what segments say of how much they hold has been compared with what they hold.
    let marks = LiveMarks(index: index)
    try CollectionMarking(
      session: session, index: index, marks: marks, resources: options.resources,
      progress: options.progress, interruption: options.interruption
    ).mark(points.roots)

    let lives = marks.lives
    let plan = session.packs.map { name, byteCount in
      CopyPlan.Pack(
        name: name, byteCount: byteCount, recordByteCount: contents[name]?.recordByteCount ?? 0,
        liveByteCount: lives[name]?.byteCount ?? 0, recordCount: contents[name]?.recordCount ?? 0,
        isUnfit: session.condemned.contains(name) || contents[name]?.told != nil,
        holdsNodes: contents[name]?.holdsNodes ?? false)
    }
    // Of a pack of which neither it nor the index tells anything, nothing is known but this: all
    // that is needed was found elsewhere. Who is under way may have seen more of it.
    let candidates = candidates.filter {
      contents[$0]?.told?.isEmpty != true || round.isAlone
        || session.condemned.condemned.contains($0)
    }
    let victims = try fittingVictims(
      of: plan.filter {
        candidates.contains($0.name) && !round.open.contains($0.name.session)
      })
    var packs = CollectionRound.Packs(
      listed: Set(session.packs.keys).union(session.doomedPacks.keys).intersection(candidates),
      reached: Set(lives.keys), copied: Set(victims), covered: index.coveredPacks)
    if round.isAlone { packs.gone = try index.gonePacks() }
    if !options.isDryRun && !victims.isEmpty {
      let copy = try copy(victims, contents, marks, session, index)
      packs.copied = Set(copy.done)
      packs.abandoned = copy.abandoned
    }
    let verdict = round.decide(packs)
    let deletions = round.deletions(
      verdict, listed: packs.listed, points: points.seen.seen,
      areAllKnown: points.seen.unreadable.isEmpty)
    tell(plan, verdict)
    if options.isDryRun {
      tellDry(plan, verdict, deletions, packs.copied)
      return
    }
    try act(round, verdict, deletions, points.seen, session, index)
  }

  private mutating func copy(
    _ victims: [SerialName], _ contents: [SerialName: PackContent], _ marks: LiveMarks,
    _ session: Session, _ index: ChunkIndex
  ) throws -> CollectionCopy {
    let lives = marks.lives
    let needed = victims.reduce(0) { $0 &+ (lives[$1]?.byteCount ?? 0) }
    var copy = CollectionCopy(
      session: session, index: index, marks: marks,
      batchByteCount: max(options.batchByteCount, needed / Self.maximumBatches),
      interruption: options.interruption)
    hasUnnamedPacks = true
    do {
      try copy.run(victims, contents)
      hasUnnamedPacks = false
    } catch let error as IOError {
      guard error.reason == .noSpace else { throw error }
      // What is dead already can go without room; then there is some for the next round.
      report.warnings.append(Self.noRoom)
    }
    report.copiedByteCount = copy.copiedByteCount
    return copy
  }

  /// Each batch leaves an index segment, if not more, which is open until the end.
  private static let maximumBatches: UInt64 = 64
  private static let noRoom = "there is no room to copy what is needed out of packs half dead"

  /// Victims whose needed records fit in half of the room that there is: the rest is for who else
  /// writes here. Where not all do, small packs are left alone, and what is left of the others
  /// comes with the next round, when the first are gone.
  private mutating func fittingVictims(of packs: [CopyPlan.Pack]) throws -> [SerialName] {
    let lives = Dictionary(uniqueKeysWithValues: packs.map { ($0.name, $0.liveByteCount) })
    let all = CopyPlan.victims(of: packs, maximumDeadPercent: options.maximumDeadPercent)
    guard !options.isDryRun, let available = try vault.store.availableByteCount(),
      all.reduce(0, { $0 &+ (lives[$1] ?? 0) }) > available / 2
    else { return all }
    let victims = CopyPlan.victims(
      of: packs, maximumDeadPercent: options.maximumDeadPercent, mergingSmall: false)
    var room = available / 2
    let fitting = victims.filter { victim in
      guard let byteCount = lives[victim], byteCount <= room else { return false }
      room -= byteCount
      return true
    }
    isLimited = fitting.count < victims.count
    if isLimited && fitting.isEmpty { report.warnings.append(Self.noRoom) }
    return fitting
  }

  private typealias Roots = (roots: [RecoveryPoint], seen: VaultLook.Points)

  /// Steps 5 to 7.
  private func findRoots(
    _ round: inout CollectionRound, _ look: VaultLook, over: Set<PointID>
  ) throws -> Roots {
    round.firstLook(withOutcomes: try look.outcomes())
    var seen = try look.points()
    // What a dry run does not make final would be.
    for place in seen.seen.indices where over.contains(seen.seen[place].id) && options.isDryRun {
      seen.seen[place].isFinal = true
    }
    let first = seen.seen.filter(round.isRoot).map(\.id)
    round.secondLook(try look.sessions().seen)
    let again = try look.points()
    let second = again.seen.filter(round.isRootOfOpenSession).map(\.id)
    let known = Set(seen.seen.map(\.id))
    seen.seen += again.seen.filter { !known.contains($0.id) }
    seen.points.merge(again.points) { old, _ in old }
    seen.hashes.merge(again.hashes) { old, _ in old }
    let roots = Set(first + second).sorted().compactMap { seen.points[$0] }
    return (roots, seen)
  }

  /// Steps 9 and 10.
  private mutating func act(
    _ round: CollectionRound, _ verdict: CollectionRound.Verdict,
    _ deletions: CollectionRound.Deletions, _ points: VaultLook.Points, _ session: Session,
    _ index: ChunkIndex
  ) throws {
    let isNews = verdict != round.baseVerdict || !deletions.isEmpty || isTimeNews
    if isNews {
      let epoch = EpochRecord(
        number: round.number, session: session.id, time: vault.now(),
        condemned: verdict.condemned, doomed: verdict.doomed, vaultTime: epochTime)
      guard try vault.decide(epoch) else {
        end = .superseded
        return
      }
      hasUnnamedPacks = false
    }
    number = nil  // what follows can't be superseded
    let sizes = session.packs.merging(session.doomedPacks) { first, _ in first }
    var cleaning = CollectionCleaning(vault: vault, interruption: options.interruption)
    try cleaning.delete(deletions, packSizes: sizes)
    try cleaning.deleteUnreadable(
      points.unreadable.filter { !round.leanedOn.contains($0) })
    // Of its own record, too, all that is needed was found since.
    try cleaning.deleteWhatIsObsolete(
      damage: damage + (index.unknownLoss.map { [$0] } ?? []),
      packs: Set(session.packs.keys).subtracting(verdict.doomed), isAlone: round.isAlone)
    if round.isAlone { try index.deleteUnreadSegments() }
    report.freedByteCount &+= cleaning.freedByteCount
    report.deletedPackCount = deletions.packs.count
    report.deletedPointCount = deletions.points.count + points.unreadable.count
    IndexMerge(session: session, doomed: verdict.doomed, interruption: options.interruption)
      .run(rewritingDoomed: true)

    let isWaiting = verdict.condemned.contains { $0.unreachedSince != nil }
    end = isNews && isWaiting && round.isGateOpenForNext || hasMadeRoom ? .goOn : .done
  }

  /// The figures of what is left.
  private mutating func tell(_ plan: [CopyPlan.Pack], _ verdict: CollectionRound.Verdict) {
    let condemned = Set(verdict.condemned.map(\.pack))
    let doomed = Set(verdict.doomed)
    for pack in plan where !doomed.contains(pack.name) {
      report.liveByteCount &+= pack.liveByteCount
      if condemned.contains(pack.name) {
        report.waitingByteCount &+= pack.byteCount
      } else {
        report.deadByteCount &+= pack.deadByteCount
      }
    }
  }

  private mutating func tellDry(
    _ plan: [CopyPlan.Pack], _ verdict: CollectionRound.Verdict,
    _ deletions: CollectionRound.Deletions, _ copied: Set<SerialName>
  ) {
    let going = Set(verdict.condemned.map(\.pack)).union(verdict.doomed)
    for pack in plan where going.contains(pack.name) {
      report.freedByteCount &+= pack.byteCount
      if copied.contains(pack.name) {
        report.copiedByteCount &+= pack.liveByteCount
        report.freedByteCount -= min(report.freedByteCount, pack.liveByteCount)
      }
      report.deletedPackCount += 1
    }
    report.deletedPointCount = deletions.points.count
  }
}
