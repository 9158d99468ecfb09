import Foundation
import SnapStoreTestSupport
import Testing

/// Explores the protocol of collection: all that can happen in small vaults, and by seed what can
/// happen in larger ones.
@Suite struct CollectionModelTests {
  struct Exploration {
    var stateCount = 0
    var violation: String?
  }

  static let isSoak = ProcessInfo.processInfo.environment["SNAPSTORE_SOAK"] != nil

  /// Every state that can be reached, up to `limit` of them.
  static func explore(
    _ configuration: CollectionModel.Configuration, limit: Int
  ) -> Exploration {
    let start = CollectionModel(configuration)
    var seen: Set<CollectionModel> = [start]
    var queue = [start]
    var found = Exploration()
    while let state = queue.popLast() {
      found.stateCount += 1
      for actor in state.actors {
        let steps = state.steps(of: actor)
        for next in steps.done + steps.killed where seen.insert(next).inserted {
          if let violation = next.violation {
            found.violation = violation
            return found
          }
          queue.append(next)
        }
      }
      if found.stateCount >= limit { break }
    }
    return found
  }

  /// Random walks to their ends. Who made a step mostly makes the next one too, so that what takes
  /// many steps comes to its end while others wait in the middle of theirs.
  static func walk(
    _ configuration: CollectionModel.Configuration, seed: UInt64, walks: Int
  ) -> Exploration {
    var generator = SeededGenerator(seed: seed)
    var found = Exploration()
    for _ in 0..<walks {
      var state = CollectionModel(configuration)
      var actors = state.actors
      var last = actors[0]
      while !actors.isEmpty {
        let goesOn = Int.random(in: 0..<8, using: &generator) != 0 && actors.contains(last)
        let actor = goesOn ? last : actors.randomElement(using: &generator) ?? last
        let steps = state.steps(of: actor)
        let isKilled = Int.random(in: 0..<64, using: &generator) == 0
        let choice = isKilled && !steps.killed.isEmpty ? steps.killed : steps.done
        guard let next = choice.randomElement(using: &generator) else {
          actors.removeAll { $0 == actor }
          continue
        }
        last = actor
        state = next
        found.stateCount += 1
        if let violation = state.violation {
          found.violation = violation
          return found
        }
      }
    }
    return found
  }

  private static let ours = [
    CollectionModel.Configuration(writers: 1, collectors: 1, rounds: 3),
    CollectionModel.Configuration(writers: 1, collectors: 2, rounds: 2),
    CollectionModel.Configuration(
      writers: 0, readers: 1, collectors: 1, rounds: 4, sharesPack: true, copies: true),
    CollectionModel.Configuration(writers: 2, collectors: 1, rounds: 3),
    CollectionModel.Configuration(
      writers: 1, collectors: 1, rounds: 3, sharesPack: true, copies: true, merges: true),
    CollectionModel.Configuration(
      writers: 1, readers: 1, collectors: 1, rounds: 4, sharesPack: true, copies: true),
    CollectionModel.Configuration(writers: 2, collectors: 2, rounds: 2, merges: true),
  ]

  @Test("nothing is lost on random ways through the protocol", arguments: ours.indices)
  func random(_ number: Int) {
    let seed = UInt64(number)
    let found = Self.walk(Self.ours[number], seed: seed, walks: Self.isSoak ? 200_000 : 400)
    #expect(found.violation == nil, "configuration \(number), seed \(seed)")
    #expect(found.stateCount > 5_000)
  }

  /// Small enough to be explored whole, or, in `make soak`, with millions of states.
  @Test("nothing is lost on any way through the protocol")
  func exhaustive() {
    var small = CollectionModel.Configuration(writers: 1, collectors: 1, rounds: 2, deletions: 1)
    small.merges = false
    let found = Self.explore(small, limit: Self.isSoak ? 20_000_000 : 40_000)
    #expect(found.violation == nil)
    print("explored \(found.stateCount) states")
  }

  /// Each variant, and where it loses data.
  private static let broken: [(CollectionModel.Variant, Int)] = [
    (.noSecondLook, 2), (.noGate, 0), (.noCompare, 1), (.condemnedReused, 0),
    (.writerRemovesItself, 4), (.deleteFirst, 1), (.doomedForgotten, 4),
  ]

  @Test("a protocol that lacks one of its parts loses data", arguments: broken.indices)
  func variants(_ number: Int) {
    let (variant, place) = Self.broken[number]
    var configuration = Self.ours[place]
    configuration.variant = variant
    let found = Self.walk(configuration, seed: 2, walks: 8000)
    #expect(found.violation != nil, "\(variant)")
  }

  /// A way through the protocol that chance hardly takes: who makes how many steps, one after the
  /// other. A round of a collection has twelve.
  struct Way: Sendable {
    var variant: CollectionModel.Variant
    var configuration: CollectionModel.Configuration
    var turns: [(actor: CollectionModel.Actor, steps: Int)]
  }

  /// Random choices of what each step may lead to.
  static func follow(_ way: Way, breaking: Bool, seed: UInt64, walks: Int) -> Exploration {
    var generator = SeededGenerator(seed: seed)
    var found = Exploration()
    var configuration = way.configuration
    configuration.variant = breaking ? way.variant : nil
    for _ in 0..<walks {
      var state = CollectionModel(configuration)
      for (actor, count) in way.turns {
        for _ in 0..<count {
          guard let next = state.steps(of: actor).done.randomElement(using: &generator) else {
            break
          }
          state = next
          found.stateCount += 1
          found.violation = found.violation ?? state.violation
        }
      }
      if found.violation != nil { break }
    }
    return found
  }

  /// What is deleted at first is found by a writer, and condemned before that has made its point;
  /// so the point lies in a condemned pack that nothing was known to need.
  private static let condemnedPoint: [(actor: CollectionModel.Actor, steps: Int)] = [
    (.theOperator, 1), (.writer(0), 6), (.collector(0), 12), (.writer(0), 2),
  ]

  private static let ways = [
    // The gate of the second round was passed when the reader came and the point went.
    Way(
      variant: .leansIgnored, configuration: .init(writers: 1, readers: 1),
      turns: condemnedPoint + [
        (.collector(0), 2), (.reader(0), 5), (.theOperator, 1), (.collector(0), 7),
      ]),
    // The reader comes behind the only look at the sessions.
    Way(
      variant: .sessionsBeforePoints, configuration: .init(writers: 1, readers: 1),
      turns: condemnedPoint + [
        (.collector(0), 4), (.reader(0), 5), (.theOperator, 1), (.collector(0), 5),
      ]),
    // The point of a child is pending when points are listed, and its session ended when those are.
    Way(
      variant: .outcomesAfterPoints, configuration: .init(writers: 2),
      turns: condemnedPoint + [
        (.writer(1), 7), (.theOperator, 1), (.collector(0), 5), (.writer(1), 1),
        (.collector(0), 4),
      ]),
    // While it is read the chunk is stored again: then nothing needs the pack, since now.
    Way(
      variant: .reachedKeepsDate,
      configuration: .init(writers: 2, readers: 1, rounds: 3, deletions: 1),
      turns: condemnedPoint + [
        (.collector(0), 12), (.reader(0), 5), (.writer(1), 6), (.collector(0), 9),
      ]),
    // Packs that were listed are deleted and forgotten before the epoch is read.
    Way(
      variant: .epochReadOnce, configuration: .init(writers: 1, rounds: 3, merges: true),
      turns: [
        (.theOperator, 2), (.collector(0), 20), (.writer(0), 4), (.collector(0), 12),
        (.writer(0), 4),
      ]),
  ]

  @Test(
    "on a way that chance hardly takes it loses data, and ours does not", arguments: ways.indices)
  func narrow(_ number: Int) {
    let way = Self.ways[number]
    #expect(
      Self.follow(way, breaking: true, seed: 3, walks: 4000).violation != nil, "\(way.variant)")
    let found = Self.follow(way, breaking: false, seed: 3, walks: 1000)
    #expect(found.violation == nil, "\(way.variant)")
  }
}
