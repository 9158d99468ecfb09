/// Names many chunks at once: gives the IDs that `ChunkHasher` gives, in less time, since the
/// pieces of all of them are hashed side by side. One a lane; its arrays are used again.
package final class ChunkNamer {
  private let hasher: ChunkHasher
  private let batch = DigestBatch()
  private var pieces: [Range<Int>] = []
  private var messages: [Range<Int>] = []
  /// The messages whose SHA-256 are the IDs, one behind the other.
  private var composed: [UInt8] = []
  private var digests: [UInt8] = []

  package init(_ hasher: ChunkHasher) {
    self.hasher = hasher
  }

  /// Replaces what `ids` holds by the IDs of the chunks at `ranges` of `bytes`, in their order.
  package func name(_ ranges: [Range<Int>], of bytes: RawSpan, into ids: inout [ChunkID]) {
    ids.removeAll(keepingCapacity: true)
    guard !ranges.isEmpty else { return }
    guard hasher.algorithm == .sha256 else {
      for range in ranges { ids.append(hasher.id(of: bytes.extracting(range), domain: .chunk)) }
      return
    }
    cut(ranges)
    batch.digest(bytes, pieces, into: &digests)
    composeMessages(ranges)
    batch.digest(composed.rawSpan, messages, into: &digests)
    for number in ranges.indices {
      ids.append(ChunkID(digests.rawSpan, at: number * ChunkHasher.digestByteCount))
    }
  }

  /// Fills `pieces`.
  private func cut(_ ranges: [Range<Int>]) {
    let byteCount = ChunkHasher.pieceByteCount
    pieces.removeAll(keepingCapacity: true)
    for range in ranges {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: byteCount) {
        pieces.append(start..<min(start + byteCount, range.upperBound))
      }
    }
  }

  /// Fills `composed` and `messages` from the digests of the pieces.
  private func composeMessages(_ ranges: [Range<Int>]) {
    messages.removeAll(keepingCapacity: true)
    var end = 0
    for range in ranges {
      let count = (range.count + ChunkHasher.pieceByteCount - 1) / ChunkHasher.pieceByteCount
      let start = end
      end += ChunkHasher.prefixByteCount + count * ChunkHasher.digestByteCount
      messages.append(start..<end)
    }
    composed.grow(to: end)
    var span = composed.mutableSpan
    var target = unsafe span.mutableBytes
    var piece = 0
    for (range, message) in zip(ranges, messages) {
      let start = message.lowerBound
      hasher.storePrefix(.chunk, contentByteCount: range.count, to: &target, at: start)
      let places = stride(
        from: start + ChunkHasher.prefixByteCount, to: message.upperBound,
        by: ChunkHasher.digestByteCount)
      for place in places {
        ChunkID(digests.rawSpan, at: piece * ChunkHasher.digestByteCount)
          .store(to: &target, at: place)
        piece += 1
      }
    }
  }
}
