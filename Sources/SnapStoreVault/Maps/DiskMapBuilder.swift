package import SnapStoreFormat

/// Builds a disk's map from the references of its extents, which come in ascending order; those
/// left out are holes. Only one open node a level is in memory, whatever the disk's size.
package struct DiskMapBuilder {
  private struct OpenNode {
    var number: UInt64
    var children: [MapReference]
  }

  private let rootLevel: Int
  /// How many nodes each level has; level 0 are the extents.
  private let nodeCounts: [UInt64]
  /// The open node of levels 1 and up, by level - 1.
  private var open: [OpenNode?]
  private var root = MapReference.hole

  package init(diskByteCount: UInt64) {
    rootLevel = DiskMap.rootLevel(ofDisk: diskByteCount)
    nodeCounts = (0...rootLevel).map { DiskMap.nodeCount(ofDisk: diskByteCount, level: $0) }
    open = [OpenNode?](repeating: nil, count: rootLevel)
  }

  /// `store` stores a finished span node and returns the reference to it.
  package mutating func append(
    extent number: UInt64, _ reference: MapReference,
    store: (SpanNode) throws -> MapReference
  ) rethrows {
    try place(reference, level: 0, number: number, store)
  }

  /// Closes what is open and returns the root.
  package mutating func finish(
    store: (SpanNode) throws -> MapReference
  ) rethrows -> MapReference {
    for level in 0..<rootLevel { try close(level + 1, store) }
    return root
  }

  private mutating func place(
    _ reference: MapReference, level: Int, number: UInt64,
    _ store: (SpanNode) throws -> MapReference
  ) rethrows {
    guard level < rootLevel else {
      root = reference
      return
    }
    let fanOut = UInt64(FormatLimit.mapFanOut)
    let parent = number / fanOut
    if let node = open[level], node.number != parent {
      precondition(node.number < parent, "extents must come in ascending order")
      try close(level + 1, store)
    }
    if open[level] == nil {
      let count = min(fanOut, nodeCounts[level] - parent * fanOut)
      open[level] = OpenNode(
        number: parent, children: [MapReference](repeating: .hole, count: Int(count)))
    }
    open[level]?.children[Int(number % fanOut)] = reference
  }

  private mutating func close(
    _ level: Int, _ store: (SpanNode) throws -> MapReference
  ) rethrows {
    guard let node = open[level - 1] else { return }
    open[level - 1] = nil
    let isHole = node.children.allSatisfy { $0 == .hole }
    let reference =
      try isHole ? .hole : store(SpanNode(level: level, children: node.children))
    try place(reference, level: level, number: node.number, store)
  }
}
