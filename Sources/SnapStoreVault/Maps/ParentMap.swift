internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// The disk map of a machine's parent point, asked for single extents in about ascending order by
/// any number of lanes. Keeps one node a level, so that neighbours cost one node each.
package final class ParentMap: Sendable {
  /// An extent of the parent: its ranges, and the reference that stands for all of it.
  package struct Extent: Sendable {
    package var node: ExtentNode
    package var reference: MapReference

    package init(node: ExtentNode, reference: MapReference) {
      self.node = node
      self.reference = reference
    }
  }

  private struct Step: Sendable {
    var number: UInt64
    var node: SpanNode
  }

  private let reader: DiskMapReader
  private let disk: PointDisk
  private let log: Logger
  /// The span node last used of levels 1 and up, by level - 1.
  private let path: Lock<[Step?]>

  package init(vault: Vault, index: ChunkIndex, disk: PointDisk) {
    self.disk = disk
    log = vault.log
    reader = DiskMapReader(reader: ChunkReader(vault: vault, index: index), disk: disk)
    path = Lock([Step?](repeating: nil, count: DiskMap.rootLevel(ofDisk: disk.byteCount)))
  }

  /// How many bytes of the parent's disk are in chunks.
  package var dataByteCount: UInt64 { disk.root.dataByteCount }

  /// The parent's extent of this number; nil where the parent's disk did not reach so far, or its
  /// map is damaged there: then the extent is backed up like a new one.
  package func extent(_ number: UInt64) throws -> Extent? {
    guard number < DiskMap.extentCount(ofDisk: disk.byteCount) else { return nil }
    do {
      let reference = try reference(number)
      guard case .node(let id, let dataByteCount) = reference else {
        let length = DiskMap.range(ofExtent: number, disk: disk.byteCount).count
        return Extent(node: ExtentNode(ranges: [.zeros(length: length)]), reference: .hole)
      }
      let node = try reader.extent(number, node: id, dataByteCount: dataByteCount)
      return Extent(node: node, reference: reference)
    } catch let error as VaultError where error.code == .damaged {
      log.warning("disk \(disk.name): the parent's map can't be used: \(error.message)")
      return nil
    }
  }

  /// Walks down from the root, through the nodes that are kept where they are the right ones.
  private func reference(_ number: UInt64) throws -> MapReference {
    try path.withLock { path in
      var reference = disk.root
      for level in path.indices.reversed().map({ $0 + 1 }) {
        let nodeNumber = number >> UInt64(6 * level)
        if path[level - 1]?.number != nodeNumber {
          guard case .node(let id, let dataByteCount) = reference else { return .hole }
          path[level - 1] = Step(
            number: nodeNumber,
            node: try reader.span(
              nodeNumber, level: level, node: id, dataByteCount: dataByteCount))
        }
        guard let step = path[level - 1] else { return .hole }
        reference = step.node.children[Int(number >> UInt64(6 * (level - 1)) & 63)]
      }
      return reference
    }
  }
}
