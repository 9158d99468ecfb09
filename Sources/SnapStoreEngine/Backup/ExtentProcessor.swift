internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The chunks of one extent that are new to the vault, as records ready for a pack.
struct RecordBatch: Sendable {
  var buffer: Buffer
  var byteCount: Int
  var entries: [PackDirectoryEntry]
}

/// What an extent is now.
enum ExtentContent {
  /// All as in the parent point: this reference stands for it.
  case unchanged(MapReference)
  /// All zeros.
  case zeros
  case node(ExtentNode)
}

/// What computing an extent gave.
struct ProcessedExtent {
  var content: ExtentContent
  var newChunks: RecordBatch?
  /// Only `newByteCount`, `reusedByteCount` and `storedByteCount` are set.
  var figures = BackupFigures()
  /// How it differs from the parent's extent.
  var change = PointSignals.Figures()
}

/// The computing stage of a backup: finds what is as in the parent point, cuts the rest into
/// chunks, names those, asks once which of them are new, and compresses these. One a lane; its
/// arrays are used again from extent to extent.
final class ExtentProcessor {
  struct Chunk {
    var range: Range<Int>
    var id: ChunkID
    var fingerprint: Fingerprint
    var isNew = false
  }

  /// Until all chunks of the extent are named together.
  private static let unnamed = ChunkID(0, 0, 0, 0)

  private let vault: Vault
  private let index: ChunkIndex
  private let cutter: ChunkCutter
  private let namer: ChunkNamer
  private let encoder: RecordEncoder
  private let outputs: BufferPool
  private let changes: ChangeSignals
  /// What the vault has lost: not reused, whatever the parent says.
  private let lost: Set<ChunkID>
  private var pieces: [ExtentPiece] = []
  private var parentPieces: [ParentPiece] = []
  private var chunks: [Chunk] = []
  /// The chunks that the parent point does not have at this place, by position in `chunks`, and
  /// what the index says of them.
  private var unknown: [Int] = []
  private var unknownRanges: [Range<Int>] = []
  private var unknownIDs: [ChunkID] = []
  private var isNew: [Bool] = []
  private var scratch = [UInt8](repeating: 0, count: FormatLimit.maximumChunk)

  init(
    vault: Vault, index: ChunkIndex, lost: Set<ChunkID>, encoder: RecordEncoder,
    outputs: BufferPool
  ) {
    self.vault = vault
    self.index = index
    self.encoder = encoder
    self.outputs = outputs
    namer = ChunkNamer(vault.hasher)
    changes = ChangeSignals(index: index)
    self.lost = lost
    cutter = ChunkCutter(vault.descriptor.chunking, secrets: vault.secrets)
  }

  func process(_ extent: RawSpan, parent: ParentMap.Extent?) throws -> ProcessedExtent {
    if let parent {
      if compare(extent, with: parent.node) && !isLost(parent.reference) {
        var result = ProcessedExtent(content: .unchanged(parent.reference))
        result.figures.reusedByteCount = parent.reference.dataByteCount
        return result
      }
      cutter.recut(extent, parent: parentPieces, into: &pieces)
    } else {
      cutter.cut(extent, into: &pieces)
    }
    nameChunks(extent, parent: parent?.node)
    guard !chunks.isEmpty else {
      return ProcessedExtent(content: .zeros, change: try change(from: parent, newChunks: nil))
    }
    try index.claim(unknownIDs, isNew: &isNew)
    for (position, chunk) in unknown.enumerated() { chunks[chunk].isNew = isNew[position] }

    var result = ProcessedExtent(content: .node(makeNode()))
    result.newChunks = try encodeNew(extent)
    result.change = try change(from: parent, newChunks: result.newChunks)
    for chunk in chunks {
      if chunk.isNew {
        result.figures.newByteCount += UInt64(chunk.range.count)
      } else {
        result.figures.reusedByteCount += UInt64(chunk.range.count)
      }
    }
    result.figures.storedByteCount = UInt64(result.newChunks?.byteCount ?? 0)
    return result
  }

  private func change(
    from parent: ParentMap.Extent?, newChunks: RecordBatch?
  ) throws -> PointSignals.Figures {
    guard let parent else { return PointSignals.Figures() }
    return try changes.figures(
      of: unknown.map { chunks[$0] }, records: newChunks?.entries ?? [], parent: parent.node,
      pieces: parentPieces)
  }

  private func isLost(_ reference: MapReference) -> Bool {
    guard case .node(let id, _) = reference else { return false }
    return lost.contains(id)
  }

  /// Fills `parentPieces`; true if nothing has changed. A chunk that is lost counts as changed, so
  /// that it is stored again.
  private func compare(_ extent: RawSpan, with node: ExtentNode) -> Bool {
    parentPieces.removeAll(keepingCapacity: true)
    var offset = 0
    var isUnchanged = true
    for range in node.ranges {
      let piece: ExtentPiece
      var isSame = offset + range.length <= extent.byteCount
      switch range {
      case .zeros(let length):
        piece = ExtentPiece(offset: offset, length: length, isZero: true)
        isSame = isSame && ChunkCutter.isZero(extent.extracting(piece.range))
      case .chunk(let length, let id, let fingerprint):
        piece = ExtentPiece(offset: offset, length: length, isZero: false)
        isSame =
          isSame && !lost.contains(id)
          && Fingerprint(of: extent.extracting(piece.range), secrets: vault.secrets) == fingerprint
      }
      parentPieces.append(ParentPiece(piece, isUnchanged: isSame))
      isUnchanged = isUnchanged && isSame
      offset += range.length
    }
    return isUnchanged && offset == extent.byteCount
  }

  /// Fills `chunks`: what is unchanged takes its name from the parent, the rest is computed and
  /// noted in `unknown`.
  private func nameChunks(_ extent: RawSpan, parent: ExtentNode?) {
    chunks.removeAll(keepingCapacity: true)
    unknown.removeAll(keepingCapacity: true)
    unknownRanges.removeAll(keepingCapacity: true)
    var next = 0
    for piece in pieces where !piece.isZero {
      if let parent {
        while next < parentPieces.count, parentPieces[next].piece.offset < piece.offset {
          next += 1
        }
        if next < parentPieces.count, parentPieces[next] == ParentPiece(piece, isUnchanged: true),
          case .chunk(_, let id, let fingerprint) = parent.ranges[next]
        {
          chunks.append(Chunk(range: piece.range, id: id, fingerprint: fingerprint))
          continue
        }
      }
      unknown.append(chunks.count)
      unknownRanges.append(piece.range)
      let bytes = extent.extracting(piece.range)
      chunks.append(
        Chunk(
          range: piece.range, id: Self.unnamed,
          fingerprint: Fingerprint(of: bytes, secrets: vault.secrets)))
    }
    namer.name(unknownRanges, of: extent, into: &unknownIDs)
    for (position, chunk) in unknown.enumerated() { chunks[chunk].id = unknownIDs[position] }
  }

  private func makeNode() -> ExtentNode {
    var ranges: [MapRange] = []
    ranges.reserveCapacity(pieces.count)
    var next = 0
    for piece in pieces {
      if piece.isZero {
        ranges.append(.zeros(length: piece.length))
      } else {
        let chunk = chunks[next]
        ranges.append(
          .chunk(length: piece.length, id: chunk.id, fingerprint: chunk.fingerprint))
        next += 1
      }
    }
    return ExtentNode(ranges: ranges)
  }

  private func encodeNew(_ extent: RawSpan) throws -> RecordBatch? {
    guard isNew.contains(true) else { return nil }
    var batch = RecordBatch(buffer: outputs.take(), byteCount: 0, entries: [])
    try batch.buffer.withMutableBytes { target throws(any Error) in
      for chunk in chunks where chunk.isNew {
        let entry = try scratch.withMutableRawSpan { scratch in
          try encoder.encode(
            extent.extracting(chunk.range), id: chunk.id, kind: .chunk,
            fingerprint: chunk.fingerprint, to: &target, at: batch.byteCount, scratch: &scratch)
        }
        batch.byteCount += entry.record.byteCount
        batch.entries.append(entry)
      }
    }
    return batch
  }
}
