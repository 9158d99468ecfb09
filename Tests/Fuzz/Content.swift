import SnapStoreFormat

/// How content is compressed and decoded. The first byte says which: even, the rest is content that
/// must come back; odd, the rest is what is stored, behind the raw length that a record tells.
@Sendable func codec(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let kind = recipe.byte()
  guard kind.isMultiple(of: 2) else {
    let length = recipe.number() * 4 % (FormatLimit.recordPayload + 1)
    let stored = Array(recipe.rest)
    for codec in Codec.allCases { _ = decoded(stored, codec, rawLength: length) }
    return
  }
  let compression = Compression.examples[kind / 2 % Compression.examples.count]
  let repeats = recipe.byte() + 1
  var raw: [UInt8] = []
  for _ in 0..<repeats where raw.count + recipe.rest.count <= FormatLimit.recordPayload {
    raw += recipe.rest
  }
  var target = [UInt8](repeating: 0, count: raw.count)
  let compressed = accepted { () throws(FormatError) in
    try target.withMutableSpan { compression.compress(raw.rawSpan, into: &$0) }
  }
  guard case (let codec, let count)?? = compressed else { return }
  require(count < raw.count, "compressed content is shorter")
  require(
    decoded(Array(target.prefix(count)), codec, rawLength: raw.count) == raw, "content comes back")
}

private let secrets = VaultSecrets(seed: [UInt8](repeating: 7, count: 32))

/// Cutting: the pieces of any content are as the format says, and from any of their boundaries on
/// the rest is cut the same.
@Sendable func cutter(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let kind = recipe.byte()
  let chunking = kind < 128 ? Chunking.aligned : .fixed(FormatLimit.block << (kind % 7))
  let cutter = ChunkCutter(chunking, secrets: secrets)
  let bytes = content(&recipe, blocks: 256)
  var pieces: [ExtentPiece] = []
  cutter.cut(bytes.rawSpan, into: &pieces)
  checkPieces(pieces, of: bytes)
  for (piece, next) in zip(pieces, pieces.dropFirst()) {
    require(!piece.isZero || !next.isZero, "two pieces of zeros follow each other")
  }
  guard chunking == .aligned, let middle = pieces.dropFirst(pieces.count / 2).first else { return }
  var rest: [ExtentPiece] = []
  cutter.cut(bytes.rawSpan.extracting(middle.offset..<bytes.count), into: &rest)
  for index in rest.indices { rest[index].offset += middle.offset }
  require(rest == Array(pieces.dropFirst(pieces.count / 2)), "a cut depends on what is before it")
}

/// Cutting an extent again, with the pieces of what it was before: any content, changed anywhere,
/// and pieces that count as changed though they are not. Gives what cutting all of it gives.
@Sendable func recutter(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let cutter = ChunkCutter(.aligned, secrets: secrets)
  let old = content(&recipe, blocks: 128)
  var new = old
  for _ in 0..<(recipe.byte() % 8) { change(&new, &recipe) }
  var parent: [ExtentPiece] = []
  cutter.cut(old.rawSpan, into: &parent)
  let marked = parent.map { piece in
    let isSame =
      piece.range.upperBound <= new.count && old[piece.range] == new[piece.range]
    return ParentPiece(piece, isUnchanged: isSame && recipe.byte() != 1)
  }
  var (whole, again): ([ExtentPiece], [ExtentPiece]) = ([], [])
  cutter.cut(new.rawSpan, into: &whole)
  cutter.recut(new.rawSpan, parent: marked, into: &again)
  require(again == whole, "cut again: \(again), whole: \(whole)")

  // A hostile map has pieces that no cutter gives. What comes of them must still be an extent.
  let hostile = tiles(&recipe, new)
  cutter.recut(new.rawSpan, parent: hostile, into: &again)
  checkPieces(again, of: new)
}

/// The pieces are the content, in order and without gaps, on blocks; what counts as zeros is.
private func checkPieces(_ pieces: [ExtentPiece], of bytes: [UInt8]) {
  var end = 0
  for piece in pieces {
    require(piece.offset == end && piece.length > 0, "a gap at \(end)")
    end = piece.range.upperBound
    require(end == bytes.count || end.isMultiple(of: FormatLimit.block), "a piece off the grid")
    require(piece.isZero || piece.length <= FormatLimit.maximumChunk, "a chunk is too long")
    require(
      piece.isZero == ChunkCutter.isZero(bytes.rawSpan.extracting(piece.range)), "a zero piece")
  }
  require(end == bytes.count, "pieces end at \(end) of \(bytes.count)")
}

/// Blocks of zeros and noise in runs, and a last one that may be shorter.
private func content(_ recipe: inout Recipe, blocks limit: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  let runs = recipe.byte() % 64
  let tail = recipe.number() % FormatLimit.block
  for _ in 0..<runs {
    let kind = recipe.byte()
    for block in 0..<(recipe.byte() % 24 + 1) where bytes.count < limit * FormatLimit.block {
      bytes += kind < 96 ? zeros : noise[(kind + block) % noise.count]
    }
  }
  if tail > 0 { bytes += noise[tail % noise.count].prefix(tail) }
  return bytes
}

private func change(_ bytes: inout [UInt8], _ recipe: inout Recipe) {
  let kind = recipe.byte()
  let first = min(recipe.byte() * FormatLimit.block, bytes.count)
  let end = min(first + (recipe.byte() % 8 + 1) * FormatLimit.block, bytes.count)
  switch kind % 5 {
  case 0: bytes.replaceSubrange(first..<end, with: repeatElement(0, count: end - first))
  case 1: bytes.replaceSubrange(first..<end, with: noise[kind % 16].prefix(end - first))
  case 2: bytes.removeLast(bytes.count - end)
  case 3: bytes += noise[kind % 16]
  default: if first < end { bytes[first + (end - first) / 2] ^= 1 }
  }
  if bytes.count > FormatLimit.extent { bytes.removeLast(bytes.count - FormatLimit.extent) }
}

/// Ranges as a map may have them: aligned, at most as long as a chunk, some said to be the same.
private func tiles(_ recipe: inout Recipe, _ bytes: [UInt8]) -> [ParentPiece] {
  var pieces: [ParentPiece] = []
  var offset = 0
  while offset < bytes.count {
    let kind = recipe.byte()
    let length = min((kind % 64 + 1) * FormatLimit.block, bytes.count - offset)
    let isZero = ChunkCutter.isZero(
      bytes.rawSpan.extracting(offset..<(offset + length)))
    pieces.append(
      ParentPiece(
        ExtentPiece(offset: offset, length: length, isZero: isZero), isUnchanged: kind < 192))
    offset += length
  }
  return pieces
}

private let zeros = [UInt8](repeating: 0, count: FormatLimit.block)

/// Sixty-four blocks that differ; about four of them end a chunk.
private let noise: [[UInt8]] = (0..<64).map { seed in
  var state = UInt64(seed + 1) &* 0x9E37_79B9_7F4A_7C15
  return (0..<FormatLimit.block).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state >> 32)
  }
}
