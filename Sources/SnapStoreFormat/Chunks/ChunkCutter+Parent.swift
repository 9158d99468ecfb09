/// A range of an extent as the machine's parent point has it, and whether it is the same now.
package struct ParentPiece: Equatable, Sendable {
  package var piece: ExtentPiece
  /// The extent has the same bytes there as the parent point had.
  package var isUnchanged: Bool

  package init(_ piece: ExtentPiece, isUnchanged: Bool) {
    self.piece = piece
    self.isUnchanged = isUnchanged
  }
}

extension ChunkCutter {
  /// Cuts an extent of which much is as in the parent point: replaces what `pieces` holds by just
  /// the pieces that `cut` would give, but looks at few of the unchanged bytes.
  ///
  /// `parent` are the pieces of the parent's extent, cut by this cutter, in order. Why cutting may
  /// begin at the start of the chunk before a change, passing over a run of zeros between: a cut is
  /// decided by the bytes before it, and by zeros that follow. That chunk has a byte that is not
  /// zero, so no run of zeros reaches from its start to the change. Cutting stops where it meets a
  /// boundary of the parent behind the change, since from a boundary on it depends on nothing
  /// before.
  package func recut(
    _ extent: RawSpan, parent: [ParentPiece], into pieces: inout [ExtentPiece]
  ) {
    guard case .aligned = chunking, var parent = Optional(parent), let last = parent.last else {
      return cut(extent, into: &pieces)
    }
    if last.piece.range.upperBound != extent.byteCount {
      // The end of an extent is a boundary only there.
      parent[parent.count - 1].isUnchanged = false
    }
    pieces.removeAll(keepingCapacity: true)
    var next = 0
    while next < parent.count {
      guard let changed = parent[next...].firstIndex(where: { !$0.isUnchanged }) else { break }
      let restart = max(next, Self.restart(before: changed, in: parent))
      for piece in parent[next..<restart] { pieces.append(piece.piece) }
      let start = next < parent.count ? parent[restart].piece.offset : 0
      let end = cutByContent(extent, from: start, into: &pieces) { boundary in
        boundary > parent[changed].piece.offset
          && Self.index(ofBoundary: boundary, in: parent).map { parent[$0].isUnchanged } ?? false
      }
      guard end < extent.byteCount, let met = Self.index(ofBoundary: end, in: parent) else {
        return
      }
      next = met
    }
    for piece in parent[next...] { pieces.append(piece.piece) }
  }

  /// The chunk before a changed piece, or the changed piece if there is none.
  private static func restart(before changed: Int, in parent: [ParentPiece]) -> Int {
    var index = changed
    while index > 0 {
      index -= 1
      if !parent[index].piece.isZero { return index }
    }
    return 0
  }

  /// The piece that begins at a boundary.
  private static func index(ofBoundary boundary: Int, in parent: [ParentPiece]) -> Int? {
    var low = 0
    var high = parent.count
    while low < high {
      let middle = (low + high) / 2
      if parent[middle].piece.offset < boundary { low = middle + 1 } else { high = middle }
    }
    return low < parent.count && parent[low].piece.offset == boundary ? low : nil
  }
}
