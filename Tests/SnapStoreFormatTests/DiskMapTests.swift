import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct DiskMapTests {
  static let extent: UInt64 = 4 << 20

  @Test(
    arguments: [
      (0, 0), (1, 1), ((4 << 20) - 1, 1), (4 << 20, 1), ((4 << 20) + 1, 2), (256 << 20, 64),
      ((256 << 20) + 1, 65), (UInt64(Int64.max), 1 << 41), (UInt64.max, 1 << 42),
    ] as [(UInt64, UInt64)])
  func extents(_ byteCount: UInt64, _ count: UInt64) {
    #expect(DiskMap.extentCount(ofDisk: byteCount) == count)
    #expect(DiskMap.nodeCount(ofDisk: byteCount, level: 0) == count)
  }

  /// The root's level is the lowest that covers the disk: 4 MiB × 64ⁿ.
  @Test func rootLevels() {
    #expect(DiskMap.rootLevel(ofDisk: 0) == 0)
    for level in 0..<DiskMap.maximumLevel {
      let covered = Self.extent << UInt64(6 * level)
      #expect(DiskMap.rootLevel(ofDisk: covered - 1) == level)
      #expect(DiskMap.rootLevel(ofDisk: covered) == level)
      #expect(DiskMap.rootLevel(ofDisk: covered + 1) == level + 1)
    }
    #expect(DiskMap.rootLevel(ofDisk: UInt64(Int64.max)) == DiskMap.maximumLevel)
    #expect(DiskMap.rootLevel(ofDisk: .max) == DiskMap.maximumLevel)
  }

  /// Each level has one node for up to 64 of the level below.
  @Test func levelsFollowFromEachOther() {
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<500 {
      let size = generator.next() >> UInt64.random(in: 1...63, using: &generator)
      let root = DiskMap.rootLevel(ofDisk: size)
      #expect(root <= DiskMap.maximumLevel)
      for level in 1...DiskMap.maximumLevel {
        let below = DiskMap.nodeCount(ofDisk: size, level: level - 1)
        let here = DiskMap.nodeCount(ofDisk: size, level: level)
        #expect(here == (below + 63) / 64, "seed 8, disk of \(size)")
        #expect((here <= 1) == (level >= root), "seed 8, disk of \(size)")
      }
    }
  }

  @Test func extentRangesCoverTheDisk() {
    for size in [1, 4095, Self.extent, Self.extent + 1, 3 * Self.extent - 7] {
      var end: UInt64 = 0
      for index in 0..<DiskMap.extentCount(ofDisk: size) {
        let range = DiskMap.range(ofExtent: index, disk: size)
        #expect(range.lowerBound == end && !range.isEmpty)
        end = range.upperBound
      }
      #expect(end == size)
    }
  }

  @Test func dataBytesAreCounted() {
    #expect(MapReference.hole.dataByteCount == 0)
    #expect(Sample.extentNode.dataByteCount == 16384 + 4097)
    #expect(Sample.spanNode.dataByteCount == 1 << 27)
  }
}

@Suite struct MapNodeTests {
  static let print = Fingerprint(high: 0, low: 0)

  static func chunk(_ length: Int) -> MapRange {
    .chunk(length: length, id: Sample.id(1), fingerprint: print)
  }

  static func extent(_ ranges: [MapRange], length: Int) -> Refusal {
    let bytes = ExtentNode(ranges: ranges).encoded()
    return Refusal.of { () throws(FormatError) in
      _ = try ExtentNode(decoding: bytes.rawSpan, extentLength: length)
    }
  }

  @Test func rangesFillTheExtentExactly() {
    #expect(Self.extent([Self.chunk(4096), .zeros(length: 8192)], length: 12288) == .accepted)
    #expect(Self.extent([Self.chunk(4096), .zeros(length: 8191)], length: 12287) == .accepted)
    #expect(Self.extent([Self.chunk(4096)], length: 4097) == .damaged)
    #expect(Self.extent([Self.chunk(4097)], length: 4096) == .damaged)
    #expect(Self.extent([], length: 1) == .damaged)
  }

  @Test func rangesBeginOnBlocks() {
    #expect(Self.extent([Self.chunk(4095), .zeros(length: 4097)], length: 8192) == .damaged)
    #expect(Self.extent([.zeros(length: 1), Self.chunk(4096)], length: 4097) == .damaged)
  }

  @Test func lengthsAreBounded() {
    #expect(Self.extent([Self.chunk(262_144)], length: 262_144) == .accepted)
    #expect(Self.extent([Self.chunk(262_144 + 4096)], length: 262_144 + 4096) == .damaged)
    #expect(Self.extent([.zeros(length: 4 << 20)], length: 4 << 20) == .accepted)
    #expect(Self.extent([.zeros(length: 0), Self.chunk(1)], length: 1) == .damaged)
    #expect(Self.extent([Self.chunk(0), Self.chunk(1)], length: 1) == .damaged)
    for length in [.max, 1 << 63, 1 << 32, (4 << 20) + 1] as [UInt64] {
      var bytes = ExtentNode(ranges: [.zeros(length: 4096)]).encoded()
      bytes.put(length, at: 17)
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try ExtentNode(decoding: bytes.rawSpan, extentLength: 4096)
      }
      #expect(refusal == .damaged)
    }
  }

  @Test func anExtentOfSingleBlocks() {
    let ranges = [MapRange](repeating: Self.chunk(4096), count: 1024)
    #expect(Self.extent(ranges, length: 4 << 20) == .accepted)
  }

  @Test(arguments: [0, 2, 1024, 1025, 1 << 32, 1 << 63, UInt64.max])
  func hostileNumbersOfRanges(_ count: UInt64) {
    var bytes = ExtentNode(ranges: [Self.chunk(4096)]).encoded()
    bytes.put(count, at: 8)
    let refusal = Refusal.of { () throws(FormatError) in
      _ = try ExtentNode(decoding: bytes.rawSpan, extentLength: 4096)
    }
    #expect(refusal == .damaged)
  }

  @Test func unknownTagsAreRefused() {
    for tag in UInt8(2)...255 {
      var extent = ExtentNode(ranges: [.zeros(length: 4096)]).encoded()
      extent[16] = tag
      var span = SpanNode(level: 1, children: [.hole]).encoded()
      span[16] = tag
      for bytes in [extent, span] {
        let refusal = Refusal.of { () throws(FormatError) in
          if bytes == extent {
            _ = try ExtentNode(decoding: bytes.rawSpan, extentLength: 4096)
          } else {
            _ = try SpanNode(decoding: bytes.rawSpan, level: 1, childCount: 1)
          }
        }
        #expect(refusal == .damaged)
      }
    }
  }

  static func span(_ node: SpanNode, level: Int, childCount: Int) -> Refusal {
    let bytes = node.encoded()
    return Refusal.of { () throws(FormatError) in
      let decoded = try SpanNode(decoding: bytes.rawSpan, level: level, childCount: childCount)
      _ = decoded.dataByteCount
    }
  }

  @Test func aSpanHasTheLevelAndChildrenOfItsPlace() {
    let node = SpanNode(level: 3, children: [.hole, .hole])
    #expect(Self.span(node, level: 3, childCount: 2) == .accepted)
    #expect(Self.span(node, level: 2, childCount: 2) == .damaged)
    #expect(Self.span(node, level: 0, childCount: 2) == .damaged)
    #expect(Self.span(node, level: 3, childCount: 1) == .damaged)
    #expect(Self.span(node, level: 3, childCount: 3) == .damaged)
    let full = SpanNode(level: 1, children: Array(repeating: .hole, count: 64))
    #expect(Self.span(full, level: 1, childCount: 64) == .accepted)
    let more = SpanNode(level: 1, children: Array(repeating: .hole, count: 65))
    #expect(Self.span(more, level: 1, childCount: 65) == .damaged)
  }

  @Test func anExtentNodeIsNoSpanNode() {
    let bytes = Sample.extentNode.encoded()
    let refusal = Refusal.of { () throws(FormatError) in
      _ = try SpanNode(decoding: bytes.rawSpan, level: 0, childCount: 3)
    }
    #expect(refusal == .damaged)
  }

  /// Children that announce more data than there can be must not make the sum overflow.
  @Test func hostileDataCountsDoNotCrash() {
    for count in [.max, 1 << 63] as [UInt64] {
      let children = [MapReference](
        repeating: .node(Sample.id(1), dataByteCount: count), count: 64)
      for level in 1...DiskMap.maximumLevel {
        let node = SpanNode(level: level, children: children)
        #expect(Self.span(node, level: level, childCount: 64) == .damaged)
      }
    }
  }

  @Test func aNodeWithoutDataIsRefused() {
    let node = SpanNode(level: 1, children: [.node(Sample.id(1), dataByteCount: 0)])
    #expect(Self.span(node, level: 1, childCount: 1) == .damaged)
  }

  @Test func aChildHasNoMoreDataThanItsSpan() {
    for level in 1...DiskMap.maximumLevel {
      let most = UInt64(4 << 20) << UInt64(6 * (level - 1))
      for (count, expected) in [(most, .accepted), (most + 1, .damaged)] as [(UInt64, Refusal)] {
        let node = SpanNode(level: level, children: [.node(Sample.id(1), dataByteCount: count)])
        #expect(Self.span(node, level: level, childCount: 1) == expected, "level \(level)")
      }
    }
  }

  @Test func childrenTogetherHaveNoMoreDataThanADiskCan() {
    let level = DiskMap.maximumLevel
    let most = UInt64(4 << 20) << UInt64(6 * (level - 1))
    for (count, expected) in [(31, .accepted), (32, .damaged), (64, .damaged)] as [(Int, Refusal)] {
      let child = MapReference.node(Sample.id(1), dataByteCount: most)
      let node = SpanNode(level: level, children: Array(repeating: child, count: count))
      #expect(Self.span(node, level: level, childCount: count) == expected, "\(count) children")
    }
  }
}
