internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// One map node as a record ready for a pack.
struct NodeRecord: Sendable {
  var bytes: [UInt8]
  var entry: PackDirectoryEntry
}

/// Stores map nodes by content: one that the vault has is only referred to.
struct MapNodeStore: Sendable {
  private let vault: Vault
  private let index: ChunkIndex
  private let encoder: RecordEncoder
  private let output: Channel<NodeRecord>

  init(vault: Vault, index: ChunkIndex, encoder: RecordEncoder, output: Channel<NodeRecord>) {
    self.vault = vault
    self.index = index
    self.encoder = encoder
    self.output = output
  }

  /// Returns the node's ID, and how many bytes storing it takes: 0 where the vault has it.
  func store(_ node: [UInt8]) throws -> (id: ChunkID, storedByteCount: Int) {
    let id = vault.hasher.id(of: node.rawSpan, domain: .mapNode)
    var isNew: [Bool] = []
    try index.claim([id], isNew: &isNew)
    guard isNew[0] else { return (id, 0) }
    var record = [UInt8](repeating: 0, count: RecordEncoder.maximumByteCount(node.count))
    var scratch = [UInt8](repeating: 0, count: node.count)
    let entry = try record.withMutableRawSpan { target in
      try scratch.withMutableRawSpan { scratch in
        try encoder.encode(
          node.rawSpan, id: id, kind: .mapNode, to: &target, at: 0, scratch: &scratch)
      }
    }
    record.removeLast(record.count - entry.record.byteCount)
    try output.send(NodeRecord(bytes: record, entry: entry))
    return (id, record.count)
  }
}
