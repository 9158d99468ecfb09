import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// One run, and at any of its calls to the store the whole of another: whatever comes between,
/// nothing that is kept is lost, and nothing sound is taken for damaged.
@Suite("A collection and all that may come between its steps")
struct CollectInterleavingTests {
  private static let isSoak = ProcessInfo.processInfo.environment["SNAPSTORE_SOAK"] != nil

  enum Work: String, CaseIterable, Sendable {
    case collect, backup, backupOfDeleted, restore, deleteAndCollect, deleteParentAndCollect
    case verify
    /// A verification of a vault in which packs are condemned, and not deleted yet.
    case verifyCondemned
  }

  private static let contents = (0..<3).map { TestContent.mixed(400_000, seed: UInt64(40 + $0)) }

  /// Points `old` and `kept` of one machine, which share half of their content, and `other`; `old`
  /// is deleted for ever.
  private struct Place {
    let fixture: EngineFixture
    var kept: PointID
    var other: PointID

    init(for work: Work) throws {
      fixture = try EngineFixture()
      let contents = CollectInterleavingTests.contents
      let half = Array(contents[0].prefix(200_000)) + contents[1].suffix(200_000)
      let old = try fixture.backup(try fixture.image("disk", contents[0]), machine: "a").point.id
      kept = try fixture.backup(try fixture.image("disk", half), machine: "a").point.id
      other = try fixture.backup(try fixture.image("other", contents[2]), machine: "b").point.id
      try fixture.delete(old)
      guard work == .verifyCondemned else { return }
      // Beside a reader that began before, a collection can only condemn.
      let reader = try Session.beginReading(try fixture.vault(), leaningOn: [kept])
      try fixture.collect(maximumDeadPercent: 0)
      reader.end()
    }

    func run(_ work: Work) throws {
      switch work {
      case .collect: try fixture.collect(maximumDeadPercent: 0)
      case .backup:
        // A day later: some of it is new.
        let changed = CollectInterleavingTests.contents[0].prefix(250_000)
        try fixture.backup(
          try fixture.image("disk", changed + TestContent.noise(90_000, seed: 8)), machine: "a")
      case .backupOfDeleted:
        try fixture.backup(
          try fixture.image("again", CollectInterleavingTests.contents[0]), machine: "c")
      case .restore:
        _ = try fixture.restore(kept.text, to: "between")
      case .deleteAndCollect:
        try fixture.delete(other)
        try fixture.collect(maximumDeadPercent: 0)
      case .deleteParentAndCollect:
        try fixture.delete(kept)
        try fixture.collect(maximumDeadPercent: 0)
      case .verify, .verifyCondemned:
        let damaged = try fixture.verify().damaged.map { "\($0.object) \($0.problem)" }
        #expect(damaged.isEmpty, "\(damaged)")
      }
    }

    /// All that is kept restores, and verifies; also after one more collection.
    func expectSound(_ comment: Comment) throws {
      fixture.wrap = { $0 }
      for round in 0..<2 {
        #expect(try fixture.verify().damaged.map(\.problem) == [], comment)
        for entry in try PointCatalog(try fixture.vault()).entries {
          let name = "check-\(round)-\(entry.point.id)"
          _ = try fixture.restore(entry.point.id.text, to: name)
        }
        if round == 0 { try fixture.collect(maximumDeadPercent: 0) }
      }
    }
  }

  private static let pairs: [(Work, Work)] = [
    (.collect, .collect), (.collect, .backup), (.collect, .backupOfDeleted), (.collect, .restore),
    (.collect, .deleteAndCollect), (.backup, .deleteParentAndCollect),
    (.backupOfDeleted, .collect), (.restore, .deleteParentAndCollect),
    (.verify, .deleteAndCollect), (.verify, .collect), (.verifyCondemned, .collect),
  ]

  /// The calls of a run at which others come between: each listing and each new object, and some
  /// of the rest.
  private static func calls(of work: Work) throws -> [Int] {
    let place = try Place(for: work)
    let events = Lock<[ObservedStore.Event]>([])
    place.fixture.wrap = { store in
      ObservedStore(store) { event in events.withLock { $0.append(event) } }
    }
    try place.run(work)
    return events.withLock { $0 }.enumerated().filter { number, event in
      switch event {
      case .list, .finish: true
      default: isSoak || number % 40 == 0
      }
    }.map(\.offset)
  }

  @Test(arguments: pairs.indices)
  func between(_ number: Int) throws {
    let (work, intruder) = Self.pairs[number]
    let calls = try Self.calls(of: work)
    #expect(calls.count > 10)
    for call in calls {
      let place = try Place(for: work)
      let made = Lock(0)
      let failure = Lock<(any Error)?>(nil)
      place.fixture.wrap = { store in
        ObservedStore(store) { _ in
          let isNow = made.withLock { made in
            made += 1
            return made == call + 1
          }
          guard isNow else { return }
          place.fixture.wrap = { $0 }
          do {
            try place.run(intruder)
          } catch {
            failure.withLock { $0 = error }
          }
        }
      }
      let comment: Comment = "\(work.rawValue), and at call \(call) \(intruder.rawValue)"
      do {
        try place.run(work)
      } catch let error as VaultError where error.code == .notThere && work == .restore {
        // The point was deleted before the restore was registered.
      } catch {
        Issue.record(error, comment)
      }
      if let error = failure.withLock({ $0 }) { Issue.record(error, comment) }
      try place.expectSound(comment)
    }
  }
}
