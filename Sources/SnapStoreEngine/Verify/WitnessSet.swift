package import SnapStoreFormat
internal import SnapStoreIO

/// Which chunks a verification has seen whole: ID and fingerprint of the content as read from a
/// pack, as one number of 64 bits each. Bounded; a chunk that is not in it is read again by who
/// needs it, so what does not fit costs time and nothing else.
///
/// Filled by any number of lanes, then sealed, then asked by any number.
package final class WitnessSet: Sendable {
  /// By the highest byte of the number, so that lanes seldom wait for each other and growing one
  /// shard does not hold all of the memory twice.
  private let shards: [Lock<[UInt64]>]
  private let capacity: Int

  /// `byteCount` of memory for `expected` chunks.
  package init(byteCount: Int, expected: UInt64) {
    capacity = byteCount / 8 / 256
    let room = Int(clamping: expected / 256 + expected / 2048 + 16)
    let reserved = min(capacity, room)
    shards = (0..<256).map { _ in
      var shard: [UInt64] = []
      shard.reserveCapacity(reserved)
      return Lock(shard)
    }
  }

  package func insert(_ id: ChunkID, _ fingerprint: Fingerprint) {
    let number = Self.number(id, fingerprint)
    shards[Int(number >> 56)].withLock { shard in
      if shard.count < capacity { shard.append(number) }
    }
  }

  /// No insertion comes after it.
  package func seal() {
    for shard in shards { shard.withLock { $0.sort() } }
  }

  package func contains(_ id: ChunkID, _ fingerprint: Fingerprint) -> Bool {
    let number = Self.number(id, fingerprint)
    return shards[Int(number >> 56)].withLock { shard in
      var low = 0
      var high = shard.count
      while low < high {
        let middle = (low + high) / 2
        if shard[middle] < number { low = middle + 1 } else { high = middle }
      }
      return low < shard.count && shard[low] == number
    }
  }

  /// Both are hashes under the vault's keys or SHA-256; a multiplication keeps the fingerprint's
  /// bits from meeting those of the ID where an `xxh3-128` ID is made of the same function.
  private static func number(_ id: ChunkID, _ fingerprint: Fingerprint) -> UInt64 {
    let mixed = (id.words.0 ^ fingerprint.high) &* 0x9E37_79B9_7F4A_7C15
    return mixed ^ (mixed >> 29) ^ (id.words.1 &+ fingerprint.low)
  }
}
