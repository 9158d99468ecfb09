/// The shape of a disk map: a Merkle tree from the disk's root over spans down to chunks.
///
/// An extent node (level 0) describes 4 MiB; a node of level `n` has up to 64 children of level
/// `n - 1` and describes 4 MiB × 64ⁿ. The root's level is the lowest that covers the whole disk.
package enum DiskMap {
  package static let maximumLevel = 7

  package static func extentCount(ofDisk byteCount: UInt64) -> UInt64 {
    let extent = UInt64(FormatLimit.extent)
    return byteCount / extent + (byteCount % extent == 0 ? 0 : 1)
  }

  /// The level of the root of a disk of so many bytes.
  package static func rootLevel(ofDisk byteCount: UInt64) -> Int {
    var level = 0
    while nodeCount(ofDisk: byteCount, level: level) > 1 { level += 1 }
    return level
  }

  /// How many nodes a level of the disk's map has, holes counted.
  package static func nodeCount(ofDisk byteCount: UInt64, level: Int) -> UInt64 {
    let extents = extentCount(ofDisk: byteCount)
    let perNode = UInt64(1) << UInt64(6 * level)
    return extents / perNode + (extents % perNode == 0 ? 0 : 1)
  }

  /// The bytes of extent `index` on a disk of so many bytes.
  package static func range(ofExtent index: UInt64, disk byteCount: UInt64) -> Range<UInt64> {
    let start = index * UInt64(FormatLimit.extent)
    return start..<min(start + UInt64(FormatLimit.extent), byteCount)
  }
}

/// A reference to a node of a disk map, or to nothing: a part of the disk that is all zeros.
package enum MapReference: Equatable, Sendable {
  case hole
  /// `dataByteCount` is how many bytes below are in chunks, so that space can be checked early.
  case node(ChunkID, dataByteCount: UInt64)

  package var dataByteCount: UInt64 {
    switch self {
    case .hole: 0
    case .node(_, let count): count
    }
  }

  /// One byte 0 for a hole; one byte 1, the ID (32) and the data bytes (8) for a node.
  package func encode(to writer: inout ByteWriter) {
    switch self {
    case .hole: writer.append(UInt8(0))
    case .node(let id, let count):
      writer.append(UInt8(1))
      id.encode(to: &writer)
      writer.append(count)
    }
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    let start = reader.offset
    switch try reader.uint8() {
    case 0: self = .hole
    case 1:
      let id = try ChunkID(from: &reader)
      let dataByteCount = try reader.uint64()
      // Else a small hostile map could lead a reader through any number of empty extents.
      guard dataByteCount > 0 else {
        throw .damaged("a map reference leads to a node without data", at: start)
      }
      self = .node(id, dataByteCount: dataByteCount)
    case let tag: throw .damaged("a map reference has tag \(tag)", at: start)
    }
  }
}

/// A range of an extent: a chunk with its name and fingerprint, or zeros.
package enum MapRange: Equatable, Sendable {
  case zeros(length: Int)
  case chunk(length: Int, id: ChunkID, fingerprint: Fingerprint)

  package var length: Int {
    switch self {
    case .zeros(let length), .chunk(let length, _, _): length
    }
  }
}

/// An extent node: the ranges of one extent, in order and without gaps.
///
/// Bytes: level (1) = 0, zero (7), number of ranges (8), then per range: tag (1: 0 zeros, 1 chunk),
/// length (8), and for a chunk ID (32) and fingerprint (16).
package struct ExtentNode: Equatable, Sendable {
  package var ranges: [MapRange]

  package init(ranges: [MapRange]) {
    self.ranges = ranges
  }

  package var dataByteCount: UInt64 {
    ranges.reduce(0) { sum, range in
      if case .chunk(let length, _, _) = range { sum + UInt64(length) } else { sum }
    }
  }

  package func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 16 + ranges.count * 57)
    writer.append(UInt64(0))
    writer.append(UInt64(ranges.count))
    for range in ranges {
      switch range {
      case .zeros(let length):
        writer.append(UInt8(0))
        writer.append(UInt64(length))
      case .chunk(let length, let id, let fingerprint):
        writer.append(UInt8(1))
        writer.append(UInt64(length))
        id.encode(to: &writer)
        fingerprint.encode(to: &writer)
      }
    }
    return writer.bytes
  }

  /// Decodes a node for an extent of `extentLength` bytes, which the ranges must fill exactly.
  package init(decoding bytes: RawSpan, extentLength: Int) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.uint64() == 0 else { throw .damaged("is no extent node", at: 0) }
    let count = try reader.length(
      limit: FormatLimit.extent / FormatLimit.block, of: "the number of ranges")
    ranges = []
    ranges.reserveCapacity(count)
    var position = 0
    for _ in 0..<count {
      let range = try Self.range(from: &reader)
      position += range.length
      let aligned = position.isMultiple(of: FormatLimit.block)
      guard position <= extentLength, aligned || position == extentLength else {
        throw .damaged("a range does not fit its extent", at: reader.offset)
      }
      ranges.append(range)
    }
    guard position == extentLength else { throw .damaged("the ranges do not fill the extent") }
    try reader.finish()
  }

  private static func range(from reader: inout ByteReader) throws(FormatError) -> MapRange {
    let start = reader.offset
    let tag = try reader.uint8()
    let limit = tag == 1 ? FormatLimit.maximumChunk : FormatLimit.extent
    let length = try reader.length(limit: limit, of: "a range's length")
    guard length > 0 else { throw .damaged("a range has no bytes", at: start) }
    switch tag {
    case 0: return .zeros(length: length)
    case 1:
      let id = try ChunkID(from: &reader)
      return .chunk(length: length, id: id, fingerprint: try Fingerprint(from: &reader))
    default: throw .damaged("a range has tag \(tag)", at: start)
    }
  }
}

/// A span node: references to the nodes one level below, in order.
///
/// Bytes: level (1) = 1 to 7, zero (7), number of children (8), then the references.
package struct SpanNode: Equatable, Sendable {
  package var level: Int
  package var children: [MapReference]

  package init(level: Int, children: [MapReference]) {
    self.level = level
    self.children = children
  }

  package var dataByteCount: UInt64 {
    children.reduce(0) { $0 + $1.dataByteCount }
  }

  package func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 16 + children.count * 41)
    writer.append(UInt64(level))
    writer.append(UInt64(children.count))
    for child in children { child.encode(to: &writer) }
    return writer.bytes
  }

  /// Decodes a node of a level with so many children; both follow from its place in the map.
  package init(decoding bytes: RawSpan, level: Int, childCount: Int) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard level > 0, try reader.uint64() == UInt64(level) else {
      throw .damaged("is no span node of level \(level)", at: 0)
    }
    guard try reader.uint64() == UInt64(childCount), childCount <= FormatLimit.mapFanOut else {
      throw .damaged("has not the number of children that its place asks for", at: 8)
    }
    self.level = level
    children = []
    let span = UInt64(FormatLimit.extent) << UInt64(6 * (level - 1))
    // Whoever adds up the children's bytes shall not overflow.
    var room = UInt64(Int64.max)
    for _ in 0..<childCount {
      let child = try MapReference(from: &reader)
      guard child.dataByteCount <= min(span, room) else {
        throw .damaged("a child has more data than its span has bytes", at: reader.offset)
      }
      room -= child.dataByteCount
      children.append(child)
    }
    try reader.finish()
  }
}
