internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Puts the extents of one disk, which lanes finish in any order, back in order, and builds the
/// disk's map and figures from them.
final class DiskAssembly: Sendable {
  private struct State: Sendable {
    var builder: DiskMapBuilder
    /// Finished extents whose predecessors are not, by ordinal.
    var waiting: [Int: (number: UInt64, reference: MapReference)] = [:]
    var nextOrdinal = 0
    var figures = BackupFigures()
  }

  private let state: Lock<State>
  private let nodes: MapNodeStore

  init(diskByteCount: UInt64, nodes: MapNodeStore) {
    state = Lock(State(builder: DiskMapBuilder(diskByteCount: diskByteCount)))
    self.nodes = nodes
  }

  /// Takes a finished extent. `figures` are added to the disk's.
  func complete(
    _ ordinal: Int, number: UInt64, _ reference: MapReference, _ figures: BackupFigures
  ) throws {
    try state.withLock { state in
      state.figures = state.figures + figures
      state.waiting[ordinal] = (number, reference)
      while let extent = state.waiting.removeValue(forKey: state.nextOrdinal) {
        state.nextOrdinal += 1
        try state.builder.append(extent: extent.number, extent.reference) { node in
          try store(node, &state.figures)
        }
      }
    }
  }

  /// The map's root and the disk's figures, once all extents are complete.
  func finish() throws -> (root: MapReference, figures: BackupFigures) {
    try state.withLock { state in
      precondition(state.waiting.isEmpty, "an extent is missing")
      let root = try state.builder.finish { node in try store(node, &state.figures) }
      return (root, state.figures)
    }
  }

  private func store(_ node: SpanNode, _ figures: inout BackupFigures) throws -> MapReference {
    let stored = try nodes.store(node.encoded())
    figures.storedByteCount += UInt64(stored.storedByteCount)
    return .node(stored.id, dataByteCount: node.dataByteCount)
  }
}
