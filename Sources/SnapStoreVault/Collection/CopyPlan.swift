package import SnapStoreFormat

/// Which packs a collection writes anew, so that what is dead in them goes: a decision on sizes
/// alone.
package enum CopyPlan {
  package struct Pack: Sendable {
    package var name: SerialName
    package var byteCount: UInt64
    /// Bytes of its records, needed or not, and of those that are needed; heads and entries in the
    /// directory counted.
    package var recordByteCount: UInt64
    package var liveByteCount: UInt64
    package var recordCount: Int
    /// Whether it can't be used again: it is condemned, or its directory is damaged.
    package var isUnfit: Bool
    /// Whether it holds map nodes: they are kept apart from chunks.
    package var holdsNodes: Bool

    package init(
      name: SerialName, byteCount: UInt64, recordByteCount: UInt64, liveByteCount: UInt64,
      recordCount: Int, isUnfit: Bool, holdsNodes: Bool
    ) {
      self.name = name
      self.byteCount = byteCount
      self.recordByteCount = recordByteCount
      self.liveByteCount = liveByteCount
      self.recordCount = recordCount
      self.isUnfit = isUnfit
      self.holdsNodes = holdsNodes
    }

    package var deadByteCount: UInt64 {
      recordByteCount - min(recordByteCount, liveByteCount)
    }
    /// Whether it has room for more: one that ended at its number of records would be copied again
    /// by each collection, and be as small again.
    fileprivate var isSmall: Bool {
      byteCount < CopyPlan.smallByteCount && recordCount < PackWriter.recordsPerPack / 2
    }
    fileprivate var deadShare: Double { Double(deadByteCount) / Double(max(1, recordByteCount)) }
  }

  /// So many small packs of a tier are worth one.
  package static let packsPerTier = 8
  /// Smaller packs than this are small.
  package static let smallByteCount: UInt64 = 8 << 20

  /// The packs whose needed records are to be copied, in the order in which they lie: unfit ones;
  /// the worst of the others, until at most `maximumDeadPercent` of what is left is dead; and with
  /// `mergingSmall` small ones, where there are many.
  package static func victims(
    of packs: [Pack], maximumDeadPercent: Int, mergingSmall: Bool = true
  ) -> [SerialName] {
    let reached = packs.filter { $0.liveByteCount > 0 }
    var victims = Set(reached.filter(\.isUnfit).map(\.name))
    let others = reached.filter { !$0.isUnfit }
    var total = others.reduce(0) { $0 + $1.byteCount }
    var dead = others.reduce(0) { $0 + $1.deadByteCount }
    for pack in others.sorted(by: { ($0.deadShare, $1.name) > ($1.deadShare, $0.name) }) {
      guard dead > 0, Double(dead) * 100 > Double(maximumDeadPercent) * Double(total) else { break }
      victims.insert(pack.name)
      dead -= pack.deadByteCount
      total -= pack.deadByteCount
    }
    guard mergingSmall else { return victims.sorted() }
    let small = others.filter { !victims.contains($0.name) && $0.isSmall }
    for (_, tier) in Dictionary(grouping: small, by: Tier.init) where tier.count >= packsPerTier {
      victims.formUnion(tier.map(\.name))
    }
    return victims.sorted()
  }

  /// Small packs of about a size, so that a record is copied again at most once a tier.
  private struct Tier: Hashable {
    var holdsNodes: Bool
    var size: Int

    init(_ pack: Pack) {
      holdsNodes = pack.holdsNodes
      size = [64 << 10, 512 << 10, 4 << 20].count { pack.byteCount >= $0 }
    }
  }
}
