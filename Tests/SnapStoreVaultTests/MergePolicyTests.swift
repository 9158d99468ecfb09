import SnapStoreFormat
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Which index segments are merged")
struct MergePolicyTests {
  private static let session = SessionID(high: 1, low: 2)

  private static func segments(_ counts: [UInt64]) -> [MergePolicy.Segment] {
    counts.enumerated().map {
      .init(name: SerialName(session: session, number: UInt64($0 + 1)), entryCount: $1)
    }
  }

  private static func numbers(_ counts: [UInt64]) -> [UInt64] {
    MergePolicy.nextGroup(of: segments(counts)).map(\.number)
  }

  @Test("seven of a size are left, eight are merged, the smallest first")
  func eight() {
    #expect(Self.numbers([]) == [])
    #expect(Self.numbers(Array(repeating: 5, count: 7)) == [])
    #expect(Self.numbers([8, 7, 6, 5, 4, 3, 2, 1]) == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(Self.numbers(Array(repeating: 5, count: 7) + [5000]) == [])
    #expect(Self.numbers([5000] + Array(repeating: 5, count: 8)) == Array(2...9))
  }

  @Test("tiers are eight times as large as the one below")
  func tiers() {
    let limits: [UInt64] = [1 << 10, 1 << 13, 1 << 16, 1 << 19, 1 << 21]
    for (tier, limit) in limits.enumerated() {
      #expect(MergePolicy.tier(entries: limit - 1) == tier)
      #expect(MergePolicy.tier(entries: limit) == (tier < 4 ? tier + 1 : nil))
    }
    #expect(MergePolicy.tier(entries: 0) == 0)
    #expect(MergePolicy.tier(entries: .max) == nil)
  }

  @Test("no more entries than the limit, no more inputs than may be open; full ones are left")
  func limits() {
    #expect(Self.numbers(Array(repeating: 1 << 20, count: 8)) == [1, 2, 3, 4])
    #expect(Self.numbers(Array(repeating: 1 << 21, count: 80)) == [])
    #expect(Self.numbers(Array(repeating: 3, count: 300)).count == MergePolicy.maximumInputs)
  }

  /// Adds segments one by one and merges after each; returns what is left, how many entries were
  /// written again, and the most segments that there were at once.
  private static func simulate(
    _ counts: some Sequence<UInt64>
  ) -> (left: [UInt64], rewritten: UInt64, most: Int) {
    var segments: [MergePolicy.Segment] = []
    var rewritten: UInt64 = 0
    var number: UInt64 = 0
    var most = 0
    func add(_ count: UInt64) {
      number += 1
      segments.append(
        .init(name: SerialName(session: session, number: number), entryCount: count))
    }
    for count in counts {
      add(count)
      while true {
        let group = Set(MergePolicy.nextGroup(of: segments))
        guard !group.isEmpty else { break }
        #expect(group.count > 1)
        let sum = segments.filter { group.contains($0.name) }.reduce(0) { $0 + $1.entryCount }
        #expect(sum <= MergePolicy.maximumEntries)
        rewritten += sum
        segments.removeAll { group.contains($0.name) }
        add(sum)
      }
      most = max(most, segments.count)
    }
    return (segments.map(\.entryCount), rewritten, most)
  }

  @Test("thousands of backups of one size leave a few segments, for little work")
  func manyBackups() {
    for count in [1, 10, 700, 2000, 40_000] as [UInt64] {
      let backups = 2000
      let (left, rewritten, most) = Self.simulate(repeatElement(count, count: backups))
      let total = count * UInt64(backups)
      #expect(left.reduce(0, +) == total)
      let full = Int(total / (MergePolicy.maximumEntries / 2))
      #expect(most <= 5 * (MergePolicy.segmentsPerTier - 1) + full, "\(count)")
      // Once a tier; the lowest is written again up to 1024 entries every seven backups.
      #expect(rewritten <= 5 * total + UInt64(backups / 7 * 1100), "\(count)")
    }
  }

  @Test("and so do backups of any size", arguments: 1...20 as ClosedRange<UInt64>)
  func anySize(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let counts = (0..<1000).map { _ in
      UInt64.random(in: 0...(1 << UInt64.random(in: 0...20, using: &random)), using: &random)
    }
    let (left, _, most) = Self.simulate(counts)
    let total = counts.reduce(0, +)
    #expect(left.reduce(0, +) == total)
    let full = Int(total / (MergePolicy.maximumEntries / 2))
    #expect(most <= 5 * (MergePolicy.segmentsPerTier - 1) + full, "seed \(seed)")
  }
}
