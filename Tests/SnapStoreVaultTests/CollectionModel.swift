import SnapStoreFormat
import SnapStoreVault

/// A tiny vault and everybody who works on it, as one value: the protocol of docs/format.md,
/// "Collection", with the program's own decisions (`CollectionRound`) and everything else reduced
/// to single looks and single objects. `CollectionModel+Steps.swift` has the steps.
///
/// Chunks are bits; a pack is the chunks it holds, in a slot that is its name.
struct CollectionModel: Hashable {
  /// How a protocol that is not ours would differ: each loses data, and the tests see that it does.
  enum Variant: String, CaseIterable {
    /// A session does not look again, after it registered, whether its point is there.
    case noSecondLook
    /// A collection looks at the sessions only once, before it lists the points: at the second
    /// look it takes what it saw at the first.
    case sessionsBeforePoints
    /// It learns only after the points which sessions have outcomes.
    case outcomesAfterPoints
    /// Whatever is condemned and not reached is doomed, whoever is under way.
    case noGate
    /// A decision is made although another one was made since, and takes its place.
    case noCompare
    /// Chunks in condemned packs are used for deduplication.
    case condemnedReused
    /// A writer removes its own record when it has committed.
    case writerRemovesItself
    /// What is deleted is deleted before the decision is durable.
    case deleteFirst
    /// A condemned pack that is reached keeps the epoch since which it was not.
    case reachedKeepsDate
    /// Points that sessions lean on are deleted, and no roots.
    case leansIgnored
    /// Names of doomed packs are dropped as soon as pack and segments are gone.
    case doomedForgotten
    /// A session that registered reads the epoch only after it listed the packs.
    case epochReadOnce
  }

  struct Configuration: Hashable {
    var writers = 1
    var readers = 0
    var collectors = 1
    var rounds = 2
    /// How often the operator deletes, brings back, or deletes for ever.
    var deletions = 2
    /// Both points in one pack, so that the death of one makes it half dead.
    var sharesPack = false
    var copies = false
    var merges = false
    var variant: Variant?
  }

  struct Session: Hashable {
    var purpose: SessionRecord.Purpose
    var epoch: UInt64
    var leansOn: Int?
    var isAlive = true
    var isRegistered = true
    var verdict = Verdict.none

    enum Verdict: Hashable { case none, committed, aborted }
  }

  struct Point: Hashable {
    var session: Int
    var chunks: UInt8
    var isThere = true
    var state: State = .whole

    enum State: Hashable { case whole, deleted, final }
  }

  struct Epoch: Hashable {
    var number: UInt64 = 0
    /// By slot: nil for packs that are not condemned; 0 for those that were reached.
    var condemned: [UInt64?]
    var doomed: UInt16 = 0
  }

  enum Writer: Hashable {
    case idle
    case chosen(parent: Int?, epoch: UInt64)
    case registered(parent: Int?)
    case informed(parent: Int?, condemned: UInt16, doomed: UInt16)
    case listed(parent: Int?, packs: UInt16, condemned: UInt16)
    case ready(parent: Int?, packs: UInt16, condemned: UInt16)
    case stored(chunks: UInt8, doomed: UInt16)
    case pending(doomed: UInt16)
    case committed(doomed: UInt16)
    case merging(inputs: [UInt16], output: UInt16)
    case merged(inputs: [UInt16])
    case ended
  }

  enum Reader: Hashable {
    case idle
    case chosen(point: Int, epoch: UInt64)
    case registered(point: Int)
    case informed(point: Int, doomed: UInt16)
    case listed(point: Int, packs: UInt16)
    case reading(point: Int, packs: UInt16)
    case ended
  }

  struct Collector: Hashable {
    var roundsLeft: Int
    var phase = Phase.idle
    var round: CollectionRound?
    var listed: UInt16 = 0
    /// Sessions as they were at the first look, for a variant.
    var sessions: [SeenSession] = []
    var points: [SeenPoint] = []
    var roots: UInt8 = 0
    var copied: UInt16 = 0
    var reached: UInt16 = 0
    var deletions: CollectionRound.Deletions?

    enum Phase: Hashable {
      case idle, registered, begun, listed, looked, pointsRead, lookedAgain, marked, decided
      case packsDeleted, pointsDeleted, sessionsDeleted
    }
  }

  static let slots = 8
  /// The chunks that there are.
  static let chunks: [UInt8] = [1, 2]

  let configuration: Configuration
  /// What each pack holds, or held.
  var packs: [UInt8]
  /// The packs that are there.
  var listing: UInt16
  /// The packs that each index segment covers.
  var segments: [UInt16]
  var epoch = Epoch(condemned: [UInt64?](repeating: nil, count: slots))
  /// By number; 0 is the one that made what is there at first.
  var sessions: [Int: Session] = [
    0: Session(
      purpose: .write, epoch: 0, isAlive: false, isRegistered: false, verdict: .committed)
  ]
  /// Two points, each with a chunk.
  var points = [Point(session: 0, chunks: 1), Point(session: 0, chunks: 2)]
  var writers: [Writer]
  var readers: [Reader]
  var collectors: [Collector]
  var deletionsLeft: Int
  /// A collection did not find what a root needs, though nobody decided meanwhile.
  var isStuck = false

  init(_ configuration: Configuration) {
    self.configuration = configuration
    packs = [UInt8](repeating: 0, count: Self.slots)
    packs[0] = configuration.sharesPack ? 3 : 1
    packs[Self.slots - 1] = configuration.sharesPack ? 0 : 2
    listing = configuration.sharesPack ? 1 : 1 | 1 << UInt16(Self.slots - 1)
    segments = [listing]
    writers = Array(repeating: .idle, count: configuration.writers)
    readers = Array(repeating: .idle, count: configuration.readers)
    collectors = Array(
      repeating: Collector(roundsLeft: configuration.rounds), count: configuration.collectors)
    deletionsLeft = configuration.deletions
  }

  func has(_ variant: Variant) -> Bool { configuration.variant == variant }

  /// The chunks in these packs, there or not.
  func chunks(in packs: UInt16) -> UInt8 {
    self.packs.indices.reduce(0) { packs >> UInt16($1) & 1 == 1 ? $0 | self.packs[$1] : $0 }
  }

  var condemned: UInt16 {
    epoch.condemned.indices.reduce(0) { epoch.condemned[$1] == nil ? $0 : $0 | 1 << UInt16($1) }
  }

  func isVisible(_ point: Int) -> Bool {
    let point = points[point]
    return point.isThere && point.state == .whole && sessions[point.session]?.verdict == .committed
  }

  /// What is wrong, if anything is.
  var violation: String? {
    for (number, point) in points.enumerated()
    where point.state != .final && sessions[point.session]?.verdict == .committed {
      guard point.isThere, chunks(in: listing & ~epoch.doomed) & point.chunks == point.chunks
      else { return "point \(number) has lost data" }
    }
    for case .reading(let point, let packs) in readers
    where chunks(in: packs & listing) & points[point].chunks != points[point].chunks {
      return "a reader of point \(point) can't find what it needs"
    }
    if isStuck { return "a collection takes a sound vault for damaged" }
    let covered = segments.reduce(0, |)
    guard covered & ~listing & ~epoch.doomed == 0 else { return "a pack looks lost" }
    return nil
  }
}
