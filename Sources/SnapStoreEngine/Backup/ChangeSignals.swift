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
      let added = UInt64(chunk.range.count - dataByteCount)
      if added > 0 { overlaps.append(Overlap(now: chunk.id, before: nil, byteCount: added)) }
    }
    for overlap in overlaps {
      if overlap.before == nil {
        figures.addedByteCount += overlap.byteCount
      } else {
        figures.replacedByteCount += overlap.byteCount
      }
    }
    try addDense(overlaps, records, to: &figures)
    return figures
  }

  /// Bytes of a chunk that are of one of the parent's, or of its zeros: nil.
  private struct Overlap {
    var now: ChunkID
    var before: ChunkID?
    var byteCount: UInt64
  }

  private func addDense(
    _ overlaps: [Overlap], _ records: [PackDirectoryEntry], to figures: inout PointSignals.Figures
  ) throws {
    guard !overlaps.isEmpty else { return }
    var places: [ChunkID: RecordPlace] = [:]
    for entry in records { places[entry.id] = entry.record }
    // What the vault has already may be what a killed run of this backup stored.
    try look(for: overlaps.map(\.now), in: &places)
    let dense = overlaps.filter { overlap in
      Self.percent(places[overlap.now]) ?? 0 >= Self.densePercent
    }
    try look(for: dense.compactMap(\.before), in: &places)
    for overlap in dense {
      guard let before = overlap.before else {
        figures.addedDenseByteCount += overlap.byteCount
        continue
      }
      if Self.percent(places[before]) ?? 100 < Self.compressiblePercent {
        figures.scrambledByteCount += overlap.byteCount
      }
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

  /// No codec saves anything of what is encrypted, but a chunk has the ends of files in it too,
  /// which are zeros up to the next block: a tenth, where files have 20 KB on average.
  private static let densePercent: UInt64 = 90
  /// What was hardly compressible before (pictures, archives) says nothing when it changes.
  private static let compressiblePercent: UInt64 = 85

  /// How much of a record's length is left when it is stored.
  private static func percent(_ record: RecordPlace?) -> UInt64? {
    record.map { UInt64($0.storedLength) * 100 / max(1, UInt64($0.rawLength)) }
  }
}
