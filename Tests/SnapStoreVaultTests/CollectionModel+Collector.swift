import SnapStoreFormat
import SnapStoreVault

/// What a collection does in the model: it looks, and `CollectionRound` decides.
extension CollectionModel {
  private static let pointIDs = (0..<16).map {
    PointID(time: Timestamp(seconds: Int64($0)), random: 0)
  }

  private static func id(_ session: Int) -> SessionID { SessionID(high: 0, low: UInt64(session)) }
  private static func number(_ id: SessionID) -> Int { Int(id.low) }

  /// Slot 0 was there at first, each writer has one, and each round of a collector.
  private func name(_ slot: Int) -> SerialName {
    let writers = configuration.writers
    guard slot < Self.slots - 1 else {
      return SerialName(session: Self.id(0), number: UInt64(slot))
    }
    let session = slot <= writers ? slot : 40 + slot - writers - 1
    return SerialName(session: Self.id(session), number: UInt64(slot))
  }

  private func names(_ slots: UInt16) -> Set<SerialName> {
    Set(packs.indices.filter { slots >> UInt16($0) & 1 == 1 }.map(name))
  }

  private func slots(_ names: some Sequence<SerialName>) -> UInt16 {
    names.reduce(0) { $0 | 1 << UInt16($1.number) }
  }

  private func seenSessions() -> [SeenSession] {
    sessions.filter(\.value.isRegistered).map { number, session in
      SeenSession(
        id: Self.id(number), purpose: session.purpose, epoch: session.epoch,
        leansOn: has(.leansIgnored)
          ? [] : Set([session.leansOn].compactMap { $0 }.map { Self.pointIDs[$0] }),
        isAlive: session.isAlive)
    }
  }

  private func withOutcomes() -> Set<SessionID> {
    Set(sessions.filter { $0.value.verdict != .none }.map { Self.id($0.key) })
  }

  private func seenPoints() -> [SeenPoint] {
    points.enumerated().filter(\.element.isThere).map { number, point in
      let outcome: SeenPoint.Outcome =
        switch sessions[point.session]?.verdict ?? .none {
        case .none: .pending
        case .committed: .committed
        case .aborted: .aborted
        }
      return SeenPoint(
        id: Self.pointIDs[number], session: Self.id(point.session), outcome: outcome,
        isFinal: point.state == .final)
    }
  }

  private func chunks(of points: [SeenPoint]) -> UInt8 {
    points.reduce(0) { chunks, point in
      chunks | (Self.pointIDs.firstIndex(of: point.id).map { self.points[$0].chunks } ?? 0)
    }
  }

  func stepCollector(_ number: Int, _ next: inout Steps) {
    let collector = collectors[number]
    let own = 40 + number * configuration.rounds + configuration.rounds - collector.roundsLeft
    func go(_ phase: Collector.Phase, _ change: (inout CollectionModel) -> Void = { _ in }) {
      next.done.append(
        after {
          change(&$0)
          $0.collectors[number].phase = phase
        })
    }
    func ended(isKilled: Bool) -> CollectionModel {
      after {
        $0.collectors[number] = Collector(roundsLeft: collector.roundsLeft - 1)
        $0.sessions[own]?.isAlive = false
        if !isKilled { $0.sessions[own]?.isRegistered = false }
      }
    }
    if case .idle = collector.phase {
      guard collector.roundsLeft > 0 else { return }
      go(.registered) { model in
        model.sessions[own] = Session(purpose: .collect, epoch: epoch.number)
        model.collectors[number].round = CollectionRound(base: baseRecord(), own: Self.id(own))
      }
      return
    }
    guard var round = collector.round else { return }
    switch collector.phase {
    case .idle: return
    case .registered:
      let dead = round.begin(seenSessions(), withOutcomes: withOutcomes())
      if has(.noGate) {
        round = CollectionRound(base: round.base, own: round.own)
        _ = round.begin([], withOutcomes: [])
      }
      go(.begun) { model in
        for session in dead { model.sessions[Self.number(session)]?.verdict = .aborted }
        model.collectors[number].round = round
      }
    case .begun:
      go(.listed) { $0.collectors[number].listed = listing }
    case .listed:
      round.firstLook(withOutcomes: withOutcomes())
      go(.looked) { model in
        model.collectors[number].round = round
        if has(.sessionsBeforePoints) { model.collectors[number].sessions = seenSessions() }
      }
    case .looked:
      let points = seenPoints()
      go(.pointsRead) { model in
        model.collectors[number].points = points
        model.collectors[number].roots = chunks(of: points.filter { round.isRoot($0) })
      }
    case .pointsRead:
      if has(.outcomesAfterPoints) { round.firstLook(withOutcomes: withOutcomes()) }
      round.secondLook(has(.sessionsBeforePoints) ? collector.sessions : seenSessions())
      go(.lookedAgain) { $0.collectors[number].round = round }
    case .lookedAgain:
      mark(number, round, own, go)
    case .marked:
      decide(number, round, go)
      if epoch.number + 1 != round.number { next.done.append(ended(isKilled: false)) }
    case .decided:
      go(.packsDeleted) { $0.listing &= ~slots(collector.deletions?.packs ?? []) }
    case .packsDeleted:
      go(.pointsDeleted) { model in
        for point in collector.deletions?.points ?? [] {
          if let place = Self.pointIDs.firstIndex(of: point) { model.points[place].isThere = false }
        }
      }
    case .pointsDeleted:
      go(.sessionsDeleted) { model in
        for session in collector.deletions?.sessions ?? [] {
          model.sessions[Self.number(session)]?.isRegistered = false
        }
      }
    case .sessionsDeleted:
      var last = ended(isKilled: false)
      next.done.append(last)
      if configuration.merges {
        // Segments over nothing but doomed packs go.
        last.remove(segments: segments.filter { $0 & ~epoch.doomed == 0 })
        next.done.append(last)
      }
    }
    next.killed.append(ended(isKilled: true))
  }

  private func baseRecord() -> EpochRecord? {
    guard epoch.number > 0 else { return nil }
    return EpochRecord(
      number: epoch.number, session: Self.id(0), time: Timestamp(seconds: 0),
      condemned: epoch.condemned.enumerated().compactMap { slot, since in
        since.map { .init(pack: name(slot), unreachedSince: $0 == 0 ? nil : $0) }
      }, doomed: Array(names(epoch.doomed)))
  }

  /// The points again, then one copy of each chunk that a root needs; and copies of what lies in
  /// condemned packs or packs that are half dead, or not.
  private func mark(
    _ number: Int, _ round: CollectionRound, _ own: Int,
    _ go: (Collector.Phase, (inout CollectionModel) -> Void) -> Void
  ) {
    let collector = collectors[number]
    let points = seenPoints()
    let roots = collector.roots | chunks(of: points.filter { round.isRootOfOpenSession($0) })
    let condemned = slots(round.base?.condemned.map(\.pack) ?? [])
    let doomed = slots(round.base?.doomed ?? [])
    var marks = [UInt8](repeating: 0, count: packs.count)
    for chunk in Self.chunks where roots & chunk != 0 {
      let there = packs.indices.filter {
        (listing & ~doomed) >> UInt16($0) & 1 == 1 && packs[$0] & chunk != 0
      }
      guard let slot = there.first(where: { condemned >> UInt16($0) & 1 == 0 }) ?? there.first
      else {
        if epoch.number + 1 == round.number { go(.marked) { $0.isStuck = true } }
        return
      }
      marks[slot] |= chunk
    }
    let reached = marks.indices.reduce(0) { marks[$1] == 0 ? $0 : $0 | UInt16(1) << UInt16($1) }
    let known = Set(points).union(collector.points)
    func goOn(_ copied: UInt16) {
      go(.marked) { model in
        model.collectors[number].points = Array(known)
        model.collectors[number].reached = reached
        model.collectors[number].copied = copied
        guard copied != 0 else { return }
        let slot = configuration.writers + 1 + own - 40
        model.packs[slot] = marks.indices.reduce(0) {
          copied >> UInt16($1) & 1 == 1 ? $0 | marks[$1] : $0
        }
        model.listing |= 1 << UInt16(slot)
        model.segments.append(1 << UInt16(slot))
      }
    }
    goOn(0)
    guard configuration.copies else { return }
    let worth = marks.indices.reduce(UInt16(0)) { found, slot in
      let bit = UInt16(1) << UInt16(slot)
      let isWorth = marks[slot] != 0 && (condemned & bit != 0 || marks[slot] != packs[slot])
      let isOld = collector.listed & bit != 0 && !round.open.contains(name(slot).session)
      return isWorth && isOld ? found | bit : found
    }
    if worth != 0 { goOn(worth) }
  }

  private func decide(
    _ number: Int, _ round: CollectionRound,
    _ go: (Collector.Phase, (inout CollectionModel) -> Void) -> Void
  ) {
    let collector = collectors[number]
    guard epoch.number + 1 == round.number || has(.noCompare) else { return }
    var verdict = round.decide(
      .init(
        listed: names(collector.listed), reached: names(collector.reached),
        copied: names(collector.copied), covered: names(segments.reduce(0, |))))
    if has(.reachedKeepsDate) {
      let before = round.base?.condemned ?? []
      verdict.condemned = verdict.condemned.map { entry in
        before.first { $0.pack == entry.pack && entry.unreachedSince == nil } ?? entry
      }
    }
    if has(.doomedForgotten) {
      verdict.doomed.removeAll {
        (listing | segments.reduce(0, |)) >> UInt16($0.number) & 1 == 0
      }
    }
    let deletions = round.deletions(
      verdict, listed: names(collector.listed), points: collector.points)
    if has(.deleteFirst) && listing & slots(deletions.packs) != 0 {
      go(.marked) { $0.listing &= ~slots(deletions.packs) }
    }
    go(.decided) { model in
      model.epoch.number = max(epoch.number + 1, round.number)
      model.epoch.condemned = model.epoch.condemned.indices.map { slot in
        verdict.condemned.first { $0.pack.number == UInt64(slot) }.map { $0.unreachedSince ?? 0 }
      }
      model.epoch.doomed = slots(verdict.doomed)
      model.collectors[number].deletions = deletions
    }
  }
}
