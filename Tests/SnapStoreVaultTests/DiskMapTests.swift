import SnapStoreFormat
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Building disk maps")
struct DiskMapTests {
  /// Stores nodes in a dictionary under invented IDs.
  private struct Nodes {
    var nodes: [ChunkID: SpanNode] = [:]

    mutating func store(_ node: SpanNode) -> MapReference {
      let id = ChunkID(UInt64(nodes.count), 1, 2, 3)
      nodes[id] = node
      return .node(id, dataByteCount: node.dataByteCount)
    }

    /// The extents below a reference, by number.
    func extents(_ reference: MapReference, level: Int, number: UInt64 = 0) -> [UInt64: ChunkID] {
      guard case .node(let id, _) = reference else { return [:] }
      guard level > 0, let node = nodes[id] else { return [number: id] }
      var result: [UInt64: ChunkID] = [:]
      for (child, reference) in node.children.enumerated() {
        let below = extents(reference, level: level - 1, number: number * 64 + UInt64(child))
        result.merge(below) { $1 }
      }
      return result
    }
  }

  private static let extent = UInt64(FormatLimit.extent)

  @Test(
    "every extent is found where it was put",
    arguments: [1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000] as [UInt64], [1, 2, 3] as [UInt64])
  func places(extents: UInt64, seed: UInt64) throws {
    let byteCount = (extents - 1) * Self.extent + 1
    let random = SeededRandomness(seed: seed)
    var chosen: [UInt64: ChunkID] = [:]
    for _ in 0..<min(extents, 200) {
      let number = random.next() % extents
      chosen[number] = ChunkID(number, 9, 9, 9)
    }
    var nodes = Nodes()
    var builder = DiskMapBuilder(diskByteCount: byteCount)
    for (number, id) in chosen.sorted(by: { $0.key < $1.key }) {
      builder.append(extent: number, .node(id, dataByteCount: 7)) { nodes.store($0) }
    }
    let root = builder.finish { nodes.store($0) }
    let level = DiskMap.rootLevel(ofDisk: byteCount)
    #expect(nodes.extents(root, level: level) == chosen)
    #expect(root.dataByteCount == UInt64(7 * chosen.count))
    for node in nodes.nodes.values {
      let bytes = node.encoded()
      let decoded = try SpanNode(
        decoding: bytes.rawSpan, level: node.level, childCount: node.children.count)
      #expect(decoded == node)
    }
  }

  @Test("a disk without data has no nodes", arguments: [0, 1, 5 << 20, 1 << 42] as [UInt64])
  func hole(byteCount: UInt64) {
    var builder = DiskMapBuilder(diskByteCount: byteCount)
    let root = builder.finish { _ in
      Issue.record("a node was stored")
      return .hole
    }
    #expect(root == .hole)
  }
}
