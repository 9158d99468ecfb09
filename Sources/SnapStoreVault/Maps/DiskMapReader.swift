package import SnapStoreFormat

/// Walks a disk's map from its root to its extents, in order. Holds one node a level.
package struct DiskMapReader: Sendable {
  private let reader: ChunkReader
  private let diskByteCount: UInt64
  private let root: MapReference

  package init(reader: ChunkReader, disk: PointDisk) {
    self.reader = reader
    diskByteCount = disk.byteCount
    root = disk.root
  }

  /// Calls `body` for every extent that is not all hole, in ascending order.
  package func forEachExtent(
    _ body: (_ number: UInt64, _ node: ChunkID, _ dataByteCount: UInt64) throws -> Void
  ) throws {
    try walk(root, level: DiskMap.rootLevel(ofDisk: diskByteCount), number: 0, body)
  }

  private func walk(
    _ reference: MapReference, level: Int, number: UInt64,
    _ body: (UInt64, ChunkID, UInt64) throws -> Void
  ) throws {
    guard case .node(let id, let dataByteCount) = reference else { return }
    if level == 0 {
      try body(number, id, dataByteCount)
      return
    }
    let node = try span(number, level: level, node: id, dataByteCount: dataByteCount)
    let first = number * UInt64(FormatLimit.mapFanOut)
    for (child, reference) in node.children.enumerated() {
      try walk(reference, level: level - 1, number: first + UInt64(child), body)
    }
  }

  /// The span node of this number at its level, to which a reference was found.
  package func span(
    _ number: UInt64, level: Int, node id: ChunkID, dataByteCount: UInt64
  ) throws -> SpanNode {
    let fanOut = UInt64(FormatLimit.mapFanOut)
    let below = DiskMap.nodeCount(ofDisk: diskByteCount, level: level - 1)
    return try decode(id, dataByteCount, \.dataByteCount) { bytes throws(FormatError) in
      try SpanNode(
        decoding: bytes, level: level, childCount: Int(min(fanOut, below - number * fanOut)))
    }
  }

  /// The node of an extent that `forEachExtent` named.
  package func extent(
    _ number: UInt64, node id: ChunkID, dataByteCount: UInt64
  ) throws -> ExtentNode {
    let range = DiskMap.range(ofExtent: number, disk: diskByteCount)
    return try decode(id, dataByteCount, \.dataByteCount) { bytes throws(FormatError) in
      try ExtentNode(decoding: bytes, extentLength: range.count)
    }
  }

  private func decode<Node>(
    _ id: ChunkID, _ dataByteCount: UInt64, _ actual: (Node) -> UInt64,
    _ decode: (RawSpan) throws(FormatError) -> Node
  ) throws -> Node {
    let bytes = try reader.node(id)
    do throws(FormatError) {
      let node = try decode(bytes.rawSpan)
      guard actual(node) == dataByteCount else {
        throw .damaged("has \(actual(node)) bytes of data where \(dataByteCount) were announced")
      }
      return node
    } catch {
      throw VaultError(.damaged, "map node \(id): \(error.problem)")
    }
  }
}
