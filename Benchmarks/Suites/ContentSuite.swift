internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO

/// What is done to the bytes of disks: cutting, comparing, naming, compressing. One extent each, in
/// chunks of 64 KiB where chunks are what is worked on.
extension MicroSuites {
  private static let chunkByteCount = 64 * 1024
  private static let secrets = VaultSecrets(
    seed: [UInt8](repeating: 7, count: VaultSecrets.seedByteCount))

  static func syntheticExtent(seed: UInt64 = 1) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: FormatLimit.extent)
    var content = SyntheticContent(seed: seed)
    bytes.withMutableRawSpan { content.fill(&$0) }
    return bytes
  }

  private static var chunkRanges: [Range<Int>] {
    stride(from: 0, to: FormatLimit.extent, by: chunkByteCount).map { $0..<($0 + chunkByteCount) }
  }

  static var contentSuite: [MicroBenchmark] {
    cuttingSuite + hashingSuite
      + (Compression.examples + [.zstd(level: 1)]).flatMap(codingSuite)
  }

  private static var cuttingSuite: [MicroBenchmark] {
    [
      MicroBenchmark("cut an extent", .bytes(FormatLimit.extent)) {
        let extent = syntheticExtent()
        let cutter = ChunkCutter(.aligned, secrets: secrets)
        return {
          var pieces: [ExtentPiece] = []
          cutter.cut(extent.rawSpan, into: &pieces)
          try require(pieces.count > 16, "an extent was cut into \(pieces.count) pieces")
        }
      },
      MicroBenchmark("cut an extent with one changed block again", .bytes(FormatLimit.extent)) {
        var extent = syntheticExtent()
        let cutter = ChunkCutter(.aligned, secrets: secrets)
        var before: [ExtentPiece] = []
        cutter.cut(extent.rawSpan, into: &before)
        let changed = FormatLimit.extent / 2
        extent[changed] ^= 1
        let parent = before.map { ParentPiece($0, isUnchanged: !$0.range.contains(changed)) }
        let changedExtent = extent
        return {
          var pieces: [ExtentPiece] = []
          cutter.recut(changedExtent.rawSpan, parent: parent, into: &pieces)
          try require(pieces.count > 16, "an extent was cut into \(pieces.count) pieces")
        }
      },
      MicroBenchmark("scan an extent for zeros", .bytes(FormatLimit.extent)) {
        let zeros = [UInt8](repeating: 0, count: FormatLimit.extent)
        return { try require(ChunkCutter.isZero(zeros.rawSpan), "zeros were not found") }
      },
    ]
  }

  private static var hashingSuite: [MicroBenchmark] {
    [
      MicroBenchmark("fingerprint chunks", .bytes(FormatLimit.extent)) {
        let extent = syntheticExtent()
        let ranges = chunkRanges
        return {
          var sum: UInt64 = 0
          let bytes = extent.rawSpan
          for range in ranges {
            sum ^= Fingerprint(of: bytes.extracting(range), secrets: secrets).low
          }
          try require(sum != 0, "fingerprints that cancel each other")
        }
      }
    ]
      + ChunkHash.allCases.map { algorithm in
        MicroBenchmark(
          "name chunks by \(algorithm.recordedName)", .bytes(FormatLimit.extent)
        ) {
          let extent = syntheticExtent()
          let ranges = chunkRanges
          let namer = OneThread(ChunkNamer(ChunkHasher(algorithm, secrets: secrets)))
          return {
            var ids: [ChunkID] = []
            namer.value.name(ranges, of: extent.rawSpan, into: &ids)
            try require(Set(ids).count == ranges.count, "chunks of one name")
          }
        }
      }
      + [
        // What naming side by side is to be compared with.
        MicroBenchmark("name chunks one by one by sha256", .bytes(FormatLimit.extent)) {
          let extent = syntheticExtent()
          let ranges = chunkRanges
          let hasher = ChunkHasher(.sha256, secrets: secrets)
          return {
            let bytes = extent.rawSpan
            let ids = Set(
              ranges.map { hasher.id(of: bytes.extracting($0), domain: .chunk) })
            try require(ids.count == ranges.count, "chunks of one name")
          }
        }
      ]
  }

  private struct Stored: Sendable {
    var codec: Codec
    var bytes: [UInt8]
  }

  private static func compressed(
    _ extent: [UInt8], _ compression: Compression
  ) throws -> [Stored] {
    var target = [UInt8](repeating: 0, count: chunkByteCount)
    return try chunkRanges.map { range in
      let chunk = Array(extent[range])
      let result = target.withMutableRawSpan { compression.compress(chunk.rawSpan, into: &$0) }
      guard let (codec, count) = result else { throw SuiteError("a chunk did not compress") }
      return Stored(codec: codec, bytes: Array(target[..<count]))
    }
  }

  private static func codingSuite(_ compression: Compression) -> [MicroBenchmark] {
    [
      MicroBenchmark(
        "compress chunks by \(compression.optionName)", .bytes(FormatLimit.extent)
      ) {
        let extent = syntheticExtent()
        let ranges = chunkRanges
        let target = Lock([UInt8](repeating: 0, count: chunkByteCount))
        return {
          try target.withLock { target in
            let bytes = extent.rawSpan
            for range in ranges {
              let chunk = bytes.extracting(range)
              let result = target.withMutableRawSpan { compression.compress(chunk, into: &$0) }
              try require(result != nil, "a chunk did not compress")
            }
          }
        }
      },
      MicroBenchmark(
        "decompress chunks by \(compression.optionName)", .bytes(FormatLimit.extent)
      ) {
        let stored = try compressed(syntheticExtent(), compression)
        let target = Lock([UInt8](repeating: 0, count: chunkByteCount))
        return {
          try target.withLock { target in
            for chunk in stored {
              try target.withMutableRawSpan {
                try chunk.codec.decode(chunk.bytes.rawSpan, into: &$0)
              }
            }
          }
        }
      },
    ]
  }
}
