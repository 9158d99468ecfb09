/// A piece of an extent: a chunk, or zeros that are not stored.
package struct ExtentPiece: Equatable, Sendable {
  package var offset: Int
  package var length: Int
  package var isZero: Bool

  package init(offset: Int, length: Int, isZero: Bool) {
    self.offset = offset
    self.length = length
    self.isZero = isZero
  }

  package var range: Range<Int> { offset..<(offset + length) }
}

/// Cuts an extent into chunks and zeros. The result depends on nothing but the extent's bytes, the
/// vault's secret and its chunking (docs/format.md, "Cutting").
///
/// A chunk ends after a 4 KiB block whose keyed XXH3-64 has its low four bits zero, once it has
/// 16 KiB; at 256 KiB; at the extent's end; and before 16 KiB or more of zero blocks, which become
/// one zero piece. Shorter runs of zeros stay inside a chunk, unless it would hold nothing else.
package struct ChunkCutter: Sendable {
  private static let boundaryMask: UInt64 = 0xF

  let chunking: Chunking
  private let secret: [UInt8]

  package init(_ chunking: Chunking, secrets: VaultSecrets) {
    self.chunking = chunking
    secret = secrets.cut
  }

  /// Replaces what `pieces` holds by the pieces of `extent`, in order and without gaps. No two zero
  /// pieces follow each other. `extent` has at most 4 MiB.
  package func cut(_ extent: RawSpan, into pieces: inout [ExtentPiece]) {
    precondition(extent.byteCount <= FormatLimit.extent)
    pieces.removeAll(keepingCapacity: true)
    switch chunking {
    case .aligned: _ = cutByContent(extent, from: 0, into: &pieces) { _ in false }
    case .fixed(let byteCount): cutEvenly(extent, byteCount, into: &pieces)
    }
  }

  /// Appends the pieces from `start` on, which must be a boundary of the whole extent's cut, until
  /// `isEnough` says of a boundary that it is, or the extent ends; returns that boundary. From any
  /// boundary on, cutting depends on nothing before it.
  func cutByContent(
    _ extent: RawSpan, from start: Int, into pieces: inout [ExtentPiece],
    until isEnough: (Int) -> Bool
  ) -> Int {
    var open = OpenChunk(start: start)
    var position = start
    while position < extent.byteCount {
      if position > start, position == open.start, isEnough(position) { return position }
      let zerosEnd = Self.endOfZeros(extent, from: position)
      if zerosEnd - position >= FormatLimit.zeroRun {
        open.close(at: position, into: &pieces)
        if open.start < position, isEnough(position) { return position }
        Self.append(
          ExtentPiece(offset: position, length: zerosEnd - position, isZero: true), to: &pieces)
        open = OpenChunk(start: zerosEnd)
        position = zerosEnd
        continue
      }
      // A short run of zeros is passed over like data; then the block that ended it.
      while position < zerosEnd {
        advance(extent, &position, &open, isZero: true, into: &pieces)
      }
      if position < extent.byteCount {
        advance(extent, &position, &open, isZero: false, into: &pieces)
      }
    }
    open.close(at: position, into: &pieces)
    return position
  }

  /// Takes one block into the open chunk, and closes the chunk where a rule says so.
  private func advance(
    _ extent: RawSpan, _ position: inout Int, _ open: inout OpenChunk, isZero: Bool,
    into pieces: inout [ExtentPiece]
  ) {
    let block = position..<min(position + FormatLimit.block, extent.byteCount)
    position = block.upperBound
    open.hasData = open.hasData || !isZero
    let length = position - open.start
    guard length >= FormatLimit.minimumChunk else { return }
    let hash = XXH3.hash64(extent.extracting(block), secret: secret.rawSpan)
    if hash & Self.boundaryMask == 0 || length == FormatLimit.maximumChunk {
      open.close(at: position, into: &pieces)
      open = OpenChunk(start: position)
    }
  }

  private func cutEvenly(
    _ extent: RawSpan, _ byteCount: Int, into pieces: inout [ExtentPiece]
  ) {
    for start in stride(from: 0, to: extent.byteCount, by: byteCount) {
      let end = min(start + byteCount, extent.byteCount)
      let isZero = Self.isZero(extent.extracting(start..<end))
      Self.append(ExtentPiece(offset: start, length: end - start, isZero: isZero), to: &pieces)
    }
  }

  private struct OpenChunk {
    var start: Int
    var hasData = false

    func close(at end: Int, into pieces: inout [ExtentPiece]) {
      guard end > start else { return }
      ChunkCutter.append(
        ExtentPiece(offset: start, length: end - start, isZero: !hasData), to: &pieces)
    }
  }

  private static func append(_ piece: ExtentPiece, to pieces: inout [ExtentPiece]) {
    if piece.isZero, let last = pieces.last, last.isZero {
      pieces[pieces.count - 1].length += piece.length
    } else {
      pieces.append(piece)
    }
  }

  /// Where the zero blocks that begin at `start` end; `start` itself if there are none.
  private static func endOfZeros(_ bytes: RawSpan, from start: Int) -> Int {
    var position = start
    while position < bytes.byteCount {
      let end = min(position + FormatLimit.block, bytes.byteCount)
      guard isZero(bytes.extracting(position..<end)) else { break }
      position = end
    }
    return position
  }

  /// Whether all bytes are zero.
  package static func isZero(_ bytes: RawSpan) -> Bool {
    var offset = 0
    while offset + 64 <= bytes.byteCount {
      let words = unsafe bytes.unsafeLoadUnaligned(
        fromByteOffset: offset, as: SIMD8<UInt64>.self)
      guard words == .zero else { return false }
      offset += 64
    }
    while offset < bytes.byteCount {
      guard unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self) == 0 else {
        return false
      }
      offset += 1
    }
    return true
  }
}
