package import SnapStoreFormat

/// Which index segments are merged into one: a decision on names and sizes alone.
///
/// Segments of a size are a tier, each tier eight times the one below. A tier with eight segments
/// is merged, and its entries go to a tier above; so a vault has at most seven segments a tier,
/// five tiers, and the full ones, of 2 to 4 million entries, which are left alone. An entry is
/// written again once a tier, but for the smallest, which is too small to matter.
package struct MergePolicy: Sendable {
  package struct Segment: Equatable, Sendable {
    package var name: SerialName
    package var entryCount: UInt64

    package init(name: SerialName, entryCount: UInt64) {
      self.name = name
      self.entryCount = entryCount
    }
  }

  package static let segmentsPerTier = 8
  /// No merged segment has more: the filter of so many entries has 6 MiB.
  package static let maximumEntries: UInt64 = 1 << 22
  /// Bounds the open files and the buffers of a merge.
  package static let maximumInputs = 64

  /// The tier of a segment, nil for a full one. A merge in the highest tier always makes a full
  /// one: it takes what fits, and what does not fit is smaller than half.
  package static func tier(entries: UInt64) -> Int? {
    guard entries < maximumEntries / 2 else { return nil }
    var tier = 0
    var limit: UInt64 = 1 << 10
    while entries >= limit, tier < 4 {
      tier += 1
      limit *= UInt64(segmentsPerTier)
    }
    return tier
  }

  /// The segments to merge next, of the lowest tier that has enough; empty where nothing is to do.
  package static func nextGroup(of segments: [Segment]) -> [SerialName] {
    let tiers = Dictionary(grouping: segments.filter { tier(entries: $0.entryCount) != nil }) {
      tier(entries: $0.entryCount) ?? 0
    }
    for (_, members) in tiers.sorted(by: { $0.key < $1.key })
    where members.count >= segmentsPerTier {
      var group: [SerialName] = []
      var sum: UInt64 = 0
      for member in members.sorted(by: { ($0.entryCount, $0.name) < ($1.entryCount, $1.name) }) {
        guard group.count < maximumInputs, sum + member.entryCount <= maximumEntries else { break }
        sum += member.entryCount
        group.append(member.name)
      }
      return group
    }
    return []
  }
}
