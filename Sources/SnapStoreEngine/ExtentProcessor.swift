internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The chunks of one extent that are new to the vault, as records ready for a pack.
struct RecordBatch: Sendable {
  var buffer: Buffer
  var byteCount: Int
  var entries: [PackDirectoryEntry]
}

/// What computing an extent gave.
struct ProcessedExtent {
  /// The extent's node; nil where it is all zeros.
  var node: ExtentNode?
  var newChunks: RecordBatch?
  /// Only `newByteCount`, `reusedByteCount` and `storedByteCount` are set.
  var figures = BackupFigures()
}

/// The computing stage of a backup: cuts an extent, names its chunks, asks once which of them are
/// new, and compresses those. One a lane; its arrays are used again from extent to extent.
final class ExtentProcessor {
  private let vault: Vault
  private let index: ChunkIndex
  private let cutter: ChunkCutter
  private let encoder: RecordEncoder
  private let outputs: BufferPool
  private var pieces: [ExtentPiece] = []
  private var ids: [ChunkID] = []
  private var fingerprints: [Fingerprint] = []
  private var isNew: [Bool] = []
  private var scratch = [UInt8](repeating: 0, count: FormatLimit.maximumChunk)

  init(vault: Vault, index: ChunkIndex, encoder: RecordEncoder, outputs: BufferPool) {
    self.vault = vault
    self.index = index
    self.encoder = encoder
    self.outputs = outputs
    cutter = ChunkCutter(vault.descriptor.chunking, secrets: vault.secrets)
  }

  func process(_ extent: RawSpan) throws -> ProcessedExtent {
    cutter.cut(extent, into: &pieces)
    ids.removeAll(keepingCapacity: true)
    fingerprints.removeAll(keepingCapacity: true)
    for piece in pieces where !piece.isZero {
      let bytes = extent.extracting(piece.range)
      fingerprints.append(Fingerprint(of: bytes, secrets: vault.secrets))
      ids.append(vault.hasher.id(of: bytes, domain: .chunk))
    }
    guard !ids.isEmpty else { return ProcessedExtent() }
    try index.claim(ids, isNew: &isNew)
    var result = ProcessedExtent(node: makeNode())
    result.newChunks = try encodeNew(extent)
    for (chunk, piece) in pieces.lazy.filter({ !$0.isZero }).enumerated() {
      if isNew[chunk] {
        result.figures.newByteCount += UInt64(piece.length)
      } else {
        result.figures.reusedByteCount += UInt64(piece.length)
      }
    }
    result.figures.storedByteCount = UInt64(result.newChunks?.byteCount ?? 0)
    return result
  }

  private func makeNode() -> ExtentNode {
    var ranges: [MapRange] = []
    ranges.reserveCapacity(pieces.count)
    var chunk = 0
    for piece in pieces {
      if piece.isZero {
        ranges.append(.zeros(length: piece.length))
      } else {
        ranges.append(
          .chunk(length: piece.length, id: ids[chunk], fingerprint: fingerprints[chunk]))
        chunk += 1
      }
    }
    return ExtentNode(ranges: ranges)
  }

  private func encodeNew(_ extent: RawSpan) throws -> RecordBatch? {
    guard isNew.contains(true) else { return nil }
    var batch = RecordBatch(buffer: outputs.take(), byteCount: 0, entries: [])
    try batch.buffer.withMutableBytes { target throws(any Error) in
      var chunk = 0
      for piece in pieces where !piece.isZero {
        defer { chunk += 1 }
        guard isNew[chunk] else { continue }
        let entry = try scratch.withMutableRawSpan { scratch in
          try encoder.encode(
            extent.extracting(piece.range), id: ids[chunk], kind: .chunk,
            fingerprint: fingerprints[chunk], to: &target, at: batch.byteCount, scratch: &scratch)
        }
        batch.byteCount += entry.record.byteCount
        batch.entries.append(entry)
      }
    }
    return batch
  }
}
