package import SnapStoreFormat

/// A session's record as a collection sees it, and whether its process lives.
package struct SeenSession: Hashable, Sendable {
  package var id: SessionID
  package var purpose: SessionRecord.Purpose
  package var epoch: UInt64
  package var leansOn: Set<PointID>
  package var isAlive: Bool

  package init(
    id: SessionID, purpose: SessionRecord.Purpose, epoch: UInt64, leansOn: Set<PointID>,
    isAlive: Bool
  ) {
    self.id = id
    self.purpose = purpose
    self.epoch = epoch
    self.leansOn = leansOn
    self.isAlive = isAlive
  }
}

/// A point as a collection sees it.
package struct SeenPoint: Hashable, Sendable {
  package enum Outcome: Hashable, Sendable {
    case committed
    case aborted
    /// Its session has no outcome (yet).
    case pending
    /// It can't be read, or was lost.
    case unknown
  }

  package var id: PointID
  package var session: SessionID
  package var outcome: Outcome
  /// Whether its newest tombstone says that it is deleted for ever.
  package var isFinal: Bool

  package init(id: PointID, session: SessionID, outcome: Outcome, isFinal: Bool) {
    self.id = id
    self.session = session
    self.outcome = outcome
    self.isFinal = isFinal
  }
}

/// Decides what one round of a collection may do (docs/format.md, "Collection"): told what is seen,
/// in the order of the looks, it says what follows. A plain value: who looks, waits and deletes is
/// `Collect`; the tests explore the protocol with this same code.
package struct CollectionRound: Hashable, Sendable {
  /// The newest epoch when the round began; nil where there is none.
  package let base: EpochRecord?
  /// The round's own session, once it is registered.
  package var own: SessionID?
  /// The lowest epoch of a session that lives, writes or reads, and has no outcome.
  private var oldestUser = UInt64.max
  /// The same of all sessions that may still write an index segment.
  private var oldestRegistered = UInt64.max
  /// Readers and collections that have died.
  private var ended: Set<SessionID> = []
  private var settled: Set<SessionID> = []
  /// Sessions that were under way at the second look, by what was known at the first.
  package private(set) var open: Set<SessionID> = []
  /// Whether nobody was, who may go by a pack that is gone, or by what is said to be lost.
  package var isAlone: Bool { open.isEmpty }
  package private(set) var leanedOn: Set<PointID> = []
  private var registered: Set<SessionID> = []
  private var alive: Set<SessionID> = []

  /// Step 1: the epoch is read before anything else.
  package init(base: EpochRecord?, own: SessionID? = nil) {
    self.base = base
    self.own = own
  }

  /// The number of the epoch that this round may make.
  package var number: UInt64 { (base?.number ?? 0) + 1 }

  /// Steps 2 and 3: the dead and the gate. Returns the writers that are to get the outcome
  /// `aborted`, where they have none, before the first look.
  package mutating func begin(
    _ sessions: [SeenSession], withOutcomes: Set<SessionID>
  ) -> [SessionID] {
    var dead: [SessionID] = []
    for session in sessions where session.id != own {
      let isSettled = withOutcomes.contains(session.id)
      if session.isAlive {
        // Segments are merged behind the outcome too.
        oldestRegistered = min(oldestRegistered, session.epoch)
        // Another collection relies on nothing that it does not check, and decides nothing unless
        // it is the next to decide.
        if !isSettled && session.purpose != .collect {
          oldestUser = min(oldestUser, session.epoch)
        }
      } else if session.purpose != .write {
        ended.insert(session.id)
      } else if !isSettled {
        dead.append(session.id)
      }
    }
    return dead
  }

  /// Whether nobody is left who could rely on a condemned pack without being seen as a root.
  package func hasPassedGate(_ pack: EpochRecord.Condemned) -> Bool {
    pack.unreachedSince.map { oldestUser >= $0 } ?? false
  }

  /// Whether everybody who is under way began with this round's epoch or a later one: what the
  /// round condemns, the next one may doom.
  package var isGateOpenForNext: Bool { oldestUser >= number }

  /// Step 5: the sessions that have outcomes.
  package mutating func firstLook(withOutcomes: Set<SessionID>) {
    settled = withOutcomes
  }

  /// Step 6: whether a point is a root, whoever made it.
  package func isRoot(_ point: SeenPoint) -> Bool {
    switch point.outcome {
    case .committed, .unknown: !point.isFinal
    case .pending, .aborted: false
    }
  }

  /// Step 7: the sessions that are registered now.
  package mutating func secondLook(_ sessions: [SeenSession]) {
    registered = Set(sessions.map(\.id))
    alive = Set(sessions.filter(\.isAlive).map(\.id))
    let open = sessions.filter {
      $0.id != own && !settled.contains($0.id) && !ended.contains($0.id)
    }
    self.open = Set(open.map(\.id))
    leanedOn = open.reduce(into: []) { $0.formUnion($1.leansOn) }
  }

  /// Step 7, once the points were listed again: whether one is a root for the sake of a session
  /// that is under way.
  package func isRootOfOpenSession(_ point: SeenPoint) -> Bool {
    open.contains(point.session) || leanedOn.contains(point.id)
  }

  /// Which packs were found how, for the decision.
  package struct Packs: Sendable {
    /// The listing of step 4.
    package var listed: Set<SerialName>
    /// Those in which something is marked.
    package var reached: Set<SerialName>
    /// Those of them whose marked records lie in new packs now, durable and indexed.
    package var copied: Set<SerialName>
    /// Those that an index segment covers.
    package var covered: Set<SerialName>
    /// Packs of this round that turned out to be of no use.
    package var abandoned: Set<SerialName> = []
    /// Those that a segment covers and that are not in the store any more, where all that is needed
    /// was found elsewhere.
    package var gone: Set<SerialName> = []

    package init(
      listed: Set<SerialName>, reached: Set<SerialName>, copied: Set<SerialName> = [],
      covered: Set<SerialName>
    ) {
      self.listed = listed
      self.reached = reached
      self.copied = copied
      self.covered = covered
    }
  }

  /// What an epoch says of packs.
  package struct Verdict: Equatable, Sendable {
    package var condemned: [EpochRecord.Condemned] = []
    package var doomed: [SerialName] = []
  }

  /// What holds of packs where nothing is decided.
  package var baseVerdict: Verdict {
    Verdict(condemned: base?.condemned ?? [], doomed: base?.doomed ?? [])
  }

  /// Step 9: what the next epoch says. It has room for `limit` packs, condemned or doomed each:
  /// what was named before goes first, and what has no room is for the rounds to come.
  package func decide(_ packs: Packs, limit: Int = EpochRecord.maximumPacks) -> Verdict {
    var verdict = Verdict()
    // A name is kept while something may still tell of the pack: the pack itself, a segment, or a
    // segment that a session is about to write which began before the pack was doomed.
    let isSeenByAll = oldestRegistered >= number - 1
    verdict.doomed = (base?.doomed ?? []).filter {
      packs.listed.contains($0) || packs.covered.contains($0) || !isSeenByAll
    }
    // Of what is gone and needed by nobody, the segments are to say no more that it is missing.
    for pack in packs.gone.subtracting(verdict.doomed).sorted()
    where verdict.doomed.count < limit && !open.contains(pack.session) {
      verdict.doomed.append(pack)
    }
    for pack in base?.condemned ?? [] where packs.listed.contains(pack.pack) {
      if packs.reached.contains(pack.pack) {
        let isCopied = packs.copied.contains(pack.pack)
        verdict.condemned.append(
          .init(pack: pack.pack, unreachedSince: isCopied ? number : nil))
      } else if hasPassedGate(pack), verdict.doomed.count < limit {
        verdict.doomed.append(pack.pack)
      } else {
        verdict.condemned.append(
          .init(pack: pack.pack, unreachedSince: pack.unreachedSince ?? number))
      }
    }
    let known = Set((base?.condemned ?? []).map(\.pack)).union(base?.doomed ?? [])
    let useless = packs.listed.subtracting(known).filter { pack in
      pack.session != own && !open.contains(pack.session)
        && (!packs.reached.contains(pack) || packs.copied.contains(pack))
    }
    for pack in useless.union(packs.abandoned).sorted() where verdict.condemned.count < limit {
      verdict.condemned.append(.init(pack: pack, unreachedSince: number))
    }
    verdict.condemned.sort { $0.pack < $1.pack }
    verdict.doomed.sort()
    return verdict
  }

  /// What may be deleted once the decision is durable, in this order.
  package struct Deletions: Hashable, Sendable {
    package var packs: [SerialName] = []
    package var points: [PointID] = []
    package var sessions: [SessionID] = []
    package var outcomes: [SessionID] = []

    package var isEmpty: Bool {
      packs.isEmpty && points.isEmpty && sessions.isEmpty && outcomes.isEmpty
    }
  }

  /// Step 10. `points`: all that were listed in steps 6 and 7. `areAllKnown`: false where one can't
  /// be read, so that it is not known which sessions have points.
  package func deletions(
    _ verdict: Verdict, listed packs: Set<SerialName>, points: [SeenPoint],
    areAllKnown: Bool = true
  ) -> Deletions {
    var deletions = Deletions()
    deletions.packs = verdict.doomed.filter(packs.contains)
    let gone = points.filter { point in
      switch point.outcome {
      case .committed, .unknown: point.isFinal && !leanedOn.contains(point.id)
      case .aborted: settled.contains(point.session)
      case .pending: false
      }
    }
    deletions.points = gone.map(\.id).sorted()
    deletions.sessions = registered.intersection(settled.union(ended)).subtracting(alive).sorted()
    if areAllKnown {
      let kept = Set(points).subtracting(gone)
      deletions.outcomes = settled.subtracting(kept.map(\.session))
        .subtracting(registered.subtracting(deletions.sessions)).sorted()
    }
    return deletions
  }
}
