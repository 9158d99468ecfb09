internal import SnapStoreFormat
internal import SnapStoreIO

/// A bounded cache of checked index pages, direct-mapped: a page has one place where it can be, and
/// pushes out what is there. In shards, so that lanes seldom wait for each other.
final class PageCache: Sendable {
  /// Which page: the segment's number in this run, and the page's in the segment.
  struct Key: Equatable, Sendable {
    var segment: UInt32
    var page: UInt32
  }

  private struct Shard {
    var keys: [Key?]
    /// One page a slot, made when first used.
    var pages: [[UInt8]]
  }

  private static let shardCount = 16
  private let shards: [Lock<Shard>]
  private let slotsPerShard: Int

  /// `byteCount` is rounded to whole pages, at least one a shard.
  init(byteCount: Int) {
    let slots = max(1, byteCount / IndexPage.byteCount / Self.shardCount)
    slotsPerShard = slots
    shards = (0..<Self.shardCount).map { _ in
      Lock(
        Shard(
          keys: [Key?](repeating: nil, count: slots),
          pages: [[UInt8]](repeating: [], count: slots)))
    }
  }

  /// Lends a page to `body`, after `load` filled it if it was not there. `body` runs under the
  /// shard's lock: it searches the page and does nothing else.
  func withPage<Result>(
    _ key: Key, load: (inout MutableRawSpan) throws -> Void, body: (RawSpan) throws -> Result
  ) throws -> Result {
    let hash = Int(key.page &* 0x9E37_79B1 ^ key.segment &* 0x85EB_CA6B)
    let shard = shards[hash % Self.shardCount]
    let slot = hash / Self.shardCount % slotsPerShard
    return try shard.withLock { shard in
      if shard.keys[slot] != key {
        shard.keys[slot] = nil
        if shard.pages[slot].isEmpty {
          shard.pages[slot] = [UInt8](repeating: 0, count: IndexPage.byteCount)
        }
        try shard.pages[slot].withMutableRawSpan(load)
        shard.keys[slot] = key
      }
      return try shard.pages[slot].withRawSpan(body)
    }
  }
}
