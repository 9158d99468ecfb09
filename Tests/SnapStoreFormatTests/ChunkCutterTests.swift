import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct ChunkCutterTests {
  static let cutter = ChunkCutter(.aligned, secrets: Sample.secrets)

  static func cut(_ extent: [UInt8], _ cutter: ChunkCutter = cutter) -> [ExtentPiece] {
    // What the array held before must not matter.
    var pieces = [ExtentPiece(offset: 7, length: 9, isZero: true)]
    cutter.cut(extent.rawSpan, into: &pieces)
    return pieces
  }

  /// Extents of every kind; the sizes are seldom whole.
  static func extent(_ seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    let count = 1 << Int.random(in: 0...20, using: &generator)
    return DiskImage.varied(
      seed: seed, byteCount: count + Int.random(in: 0..<count, using: &generator)
    ).bytes
  }

  /// What holds of every cut extent, whatever the chunking.
  static func check(_ pieces: [ExtentPiece], of extent: [UInt8], _ comment: Comment) {
    var end = 0
    var wasZero = false
    for piece in pieces {
      #expect(piece.offset == end, comment)
      #expect(piece.length > 0, comment)
      end += piece.length
      #expect(end.isMultiple(of: FormatLimit.block) || end == extent.count, comment)
      guard end <= extent.count else { break }
      let isZero = extent[piece.range].allSatisfy { $0 == 0 }
      #expect(piece.isZero == isZero, comment)
      #expect(!(piece.isZero && wasZero), comment)
      #expect(piece.isZero || piece.length <= FormatLimit.maximumChunk, comment)
      wasZero = piece.isZero
    }
    #expect(end == extent.count, comment)
  }

  @Test(arguments: 0..<80 as Range<UInt64>) func piecesCoverTheExtent(_ seed: UInt64) {
    let extent = Self.extent(seed)
    let pieces = Self.cut(extent)
    Self.check(pieces, of: extent, "seed \(seed)")
    for (piece, next) in zip(pieces, pieces.dropFirst())
    where !piece.isZero && piece.length < FormatLimit.minimumChunk {
      // Shorter than the minimum only before zeros, or at the end.
      #expect(next.isZero, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<80 as Range<UInt64>) func agreesWithTheNaiveRules(_ seed: UInt64) {
    let extent = Self.extent(seed)
    #expect(Self.cut(extent) == Naive.cut(extent, seed: Sample.seed), "seed \(seed)")
  }

  @Test(arguments: [4095, 4096, 8192, 12288, 12289, 16383, 16384, 16385, 20480, 1 << 20])
  func zerosAreSplitOutFrom16KiBOn(_ zeros: Int) {
    for before in [0, 4096, 40960] {
      for after in [0, 1, 4096, 40960] {
        let extent = DiskImage(
          seed: 5, [.noise(before), .zeros((zeros + 4095) / 4096 * 4096), .noise(after)]
        ).bytes
        let cutEnd = after == 0 ? before + zeros : extent.count
        let cut = Array(extent.prefix(cutEnd))
        let pieces = Self.cut(cut)
        Self.check(pieces, of: cut, "\(before), \(zeros), \(after)")
        #expect(pieces == Naive.cut(cut, seed: Sample.seed))
        let run = after == 0 ? zeros : (zeros + 4095) / 4096 * 4096
        let zeroBytes = pieces.filter(\.isZero).map(\.length)
        if run >= FormatLimit.zeroRun {
          #expect(zeroBytes == [run])
        } else if before == 0 && after == 0 {
          #expect(zeroBytes == [run], "an extent of nothing else")
        } else if after == 4096 {
          #expect(zeroBytes.isEmpty, "a short run stays inside: \(before), \(zeros)")
        }
      }
    }
  }

  @Test func anEmptyExtentHasNoPieces() {
    #expect(Self.cut([]).isEmpty)
  }

  @Test func oneByte() {
    #expect(Self.cut([1]) == [ExtentPiece(offset: 0, length: 1, isZero: false)])
    #expect(Self.cut([0]) == [ExtentPiece(offset: 0, length: 1, isZero: true)])
  }

  @Test func allZerosAreOnePiece() {
    for count in [4096, 100_000, FormatLimit.extent] {
      let extent = [UInt8](repeating: 0, count: count)
      #expect(Self.cut(extent) == [ExtentPiece(offset: 0, length: count, isZero: true)])
    }
  }

  /// The same blocks again and again have a boundary in each or in none.
  @Test(arguments: 0..<8 as Range<UInt64>) func repeatedBlocksAreCutEvenly(_ seed: UInt64) {
    let extent = DiskImage(seed: seed, [.repeats(1 << 20, period: 4096)]).bytes
    let lengths = Set(Self.cut(extent).map(\.length))
    #expect(lengths == [16384] || lengths == [262_144], "seed \(seed)")
  }

  @Test(arguments: 0..<12 as Range<UInt64>) func nothingAroundAChunkMatters(_ seed: UInt64) {
    // A block that differs at the front leaves the pieces from the next boundary on as they are.
    let tail = DiskImage(seed: seed, [.noise(600_000), .zeros(65536), .noise(100_000)]).bytes
    let alone = Self.cut(tail)
    let front = DiskImage(seed: seed + 1000, [.noise(300 * 1024)]).bytes
    let moved = Self.cut(front + tail).map {
      ExtentPiece(offset: $0.offset - front.count, length: $0.length, isZero: $0.isZero)
    }
    let common = Set(alone.map(\.offset)).intersection(moved.map(\.offset))
    let first = common.min() ?? tail.count
    #expect(first < 600_000, "the cuts meet again, seed \(seed)")
    #expect(alone.filter { $0.offset >= first } == moved.filter { $0.offset >= first })
  }

  @Test(arguments: 0..<12 as Range<UInt64>) func cuttingMayBeginAtAnyCut(_ seed: UInt64) {
    let extent = DiskImage.varied(seed: seed, byteCount: 700_001).bytes
    let whole = Self.cut(extent)
    for piece in whole {
      let rest = Self.cut(Array(extent[piece.offset...])).map {
        ExtentPiece(offset: $0.offset + piece.offset, length: $0.length, isZero: $0.isZero)
      }
      #expect(rest == whole.filter { $0.offset >= piece.offset }, "seed \(seed), \(piece)")
    }
  }

  @Test func anotherSecretCutsElsewhere() {
    let extent = DiskImage(seed: 1, [.noise(1 << 20)]).bytes
    let other = ChunkCutter(
      .aligned, secrets: VaultSecrets(seed: [UInt8](repeating: 1, count: 32)))
    let cuts = Set(Self.cut(extent).map(\.offset))
    let otherCuts = Set(Self.cut(extent, other).map(\.offset))
    #expect(cuts.intersection(otherCuts).count < cuts.count / 2)
  }

  @Test func noiseIsCutNearTheExpectedSize() {
    // From 16 KiB on every sixteenth block: 12 KiB and sixteen blocks of 4 KiB.
    let extent = DiskImage(seed: 2, [.noise(FormatLimit.extent)]).bytes
    let count = Self.cut(extent).count
    #expect((38...76).contains(count), "\(count)")
  }

  @Test(arguments: [4096, 8192, 65536, 262_144], 0..<6 as Range<UInt64>)
  func fixedChunksAreEqual(_ byteCount: Int, _ seed: UInt64) {
    let extent = Self.extent(seed + 14) + [1]
    let pieces = Self.cut(extent, ChunkCutter(.fixed(byteCount), secrets: Sample.secrets))
    Self.check(pieces, of: extent, "seed \(seed)")
    for piece in pieces {
      #expect(piece.offset.isMultiple(of: byteCount))
      #expect(
        piece.isZero || piece.length == byteCount || piece.range.upperBound == extent.count)
    }
  }

  @Test func whichFixedSizesTheFormatAllows() {
    let sizes = (0...20).map { 1 << $0 } + [0, -4096, 12288, 4097, 20480]
    let allowed = sizes.filter { Chunking.isValidFixedSize($0) }
    #expect(allowed == [4096, 8192, 16384, 32768, 65536, 131_072, 262_144])
  }

  /// `#expect` takes no spans.
  static func isZero(_ bytes: [UInt8]) -> Bool { ChunkCutter.isZero(bytes.rawSpan) }

  @Test(arguments: [0, 1, 7, 8, 63, 64, 65, 127, 128, 4096])
  func isZeroSeesEveryByte(_ count: Int) {
    var bytes = [UInt8](repeating: 0, count: count)
    #expect(Self.isZero(bytes))
    for place in 0..<count {
      bytes[place] = 0x80
      #expect(!Self.isZero(bytes), "\(place) of \(count)")
      bytes[place] = 0
    }
  }

  /// The cut points of a seeded extent, for ever.
  @Test func goldenCuts() throws {
    let extent = DiskImage(
      seed: 42,
      [
        .noise(500_000), .zeros(100_000), .compressible(300_001), .zeros(16384 + 4096),
        .repeats(400_000, period: 4096), .noise(300_000), .zeros(5000), .noise(33),
      ]
    ).bytes
    var writer = ByteWriter()
    for piece in Self.cut(extent) {
      writer.append(UInt64(piece.offset))
      writer.append(UInt32(piece.length))
      writer.append(UInt32(piece.isZero ? 1 : 0))
    }
    try expectGolden(writer.bytes, "cuts")
  }
}
