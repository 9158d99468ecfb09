internal import SnapStoreFormat
internal import SnapStoreVault

/// Sees how an extent changed since the parent point, from what the backup has computed anyway: the
/// parent's ranges, which of them changed, and how well what is new compressed. How well the chunks
/// of the parent compressed stands in the index; it is asked only where what is there now can't be
/// compressed, which on most days is hardly anywhere.
struct ChangeSignals {
  private let index: ChunkIndex

  init(index: ChunkIndex) {
    self.index = index
  }

  /// The figures of one extent, but for those that only whole disks have. `changed` are its chunks
  /// that the parent does not have at this place, in order; `records` those of them that are new to
  /// the vault, as they were stored; `pieces` the parent's ranges, which are those of `parent`.
  func figures(
    of changed: [ExtentProcessor.Chunk], records: [PackDirectoryEntry], parent: ExtentNode,
    pieces: [ParentPiece]
  ) throws -> PointSignals.Figures {
    var figures = PointSignals.Figures()
    var overlaps: [Overlap] = []
    var first = 0
    for chunk in changed {
      var dataByteCount = 0
      while first < pieces.count, pieces[first].piece.range.upperBound <= chunk.range.lowerBound {
        first += 1
      }
      var next = first
      while next < pieces.count, pieces[next].piece.offset < chunk.range.upperBound {
        let piece = pieces[next].piece
        if case .chunk(_, let id, _) = parent.ranges[next] {
          let count = piece.range.clamped(to: chunk.range).count
          dataByteCount += count
          if !pieces[next].isUnchanged {
            overlaps.append(Overlap(now: chunk.id, before: id, byteCount: UInt64(count)))
          }
        }
        next += 1
      }
      figures.addedByteCount += UInt64(chunk.range.count - dataByteCount)
    }
    figures.replacedByteCount = overlaps.reduce(0) { $0 + $1.byteCount }
    figures.scrambledByteCount = try scrambled(overlaps, records)
    return figures
  }

  /// Bytes of the parent's that another chunk has replaced.
  private struct Overlap {
    var now: ChunkID
    var before: ChunkID
    var byteCount: UInt64
  }

  private func scrambled(
    _ overlaps: [Overlap], _ records: [PackDirectoryEntry]
  ) throws -> UInt64 {
    guard !overlaps.isEmpty else { return 0 }
    var places: [ChunkID: RecordPlace] = [:]
    for entry in records { places[entry.id] = entry.record }
    // What the vault has already may be what a killed run of this backup stored.
    try look(for: overlaps.map(\.now), in: &places)
    let dense = overlaps.filter { overlap in
      places[overlap.now].map { !Self.isCompressible($0) } ?? false
    }
    try look(for: dense.map(\.before), in: &places)
    return dense.reduce(0) { sum, overlap in
      let wasCompressible = places[overlap.before].map(Self.isCompressible) ?? false
      return wasCompressible ? sum + overlap.byteCount : sum
    }
  }

  /// Finds the records that are not yet among `places`, where the index knows them.
  private func look(for ids: [ChunkID], in places: inout [ChunkID: RecordPlace]) throws {
    let unknown = ids.filter { places[$0] == nil }
    guard !unknown.isEmpty else { return }
    for (id, location) in zip(unknown, try index.bestLocations(of: unknown)) {
      if let location { places[id] = location.record }
    }
  }

  /// What encryption leaves has no 3 % to be saved, by any codec; what is hardly compressible
  /// (pictures, archives) says nothing when it changes.
  private static func isCompressible(_ record: RecordPlace) -> Bool {
    UInt64(record.storedLength) * 100 < UInt64(record.rawLength) * 97
  }
}
