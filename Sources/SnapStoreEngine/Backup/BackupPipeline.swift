internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The stages through which extents flow on a backup, each with lanes of its own:
///
///     read ─▶ compute ─▶ write chunk packs
///                  └───▶ write map packs
///
/// Channels between them are bounded, and so are the buffers that travel through them. The first
/// error anywhere ends all of it.
final class BackupPipeline: Sendable {
  private struct ReadExtent: Sendable {
    var item: ExtentSchedule.Item
    var buffer: Buffer
    var readByteCount: UInt64
    var parent: ParentMap.Extent?
  }

  private let disks: [SourceDisk]
  /// The parent point's map of each disk, where there is one.
  private let parents: [ParentMap?]
  private let session: Session
  private let index: ChunkIndex
  /// What the vault had lost when the backup began; one set for all lanes.
  private let lost: Set<ChunkID>
  private let resources: Resources
  private let progress: Progress
  private let encoder: RecordEncoder
  private let work: ParallelWork
  private let inputs: BufferPool
  private let outputs: BufferPool
  private let extents: Channel<ReadExtent>
  private let batches: Channel<RecordBatch>
  private let nodes: Channel<NodeRecord>
  /// What was seen of changes, of all extents that were read.
  private let seen = Lock(PointSignals.Figures())

  init(
    disks: [SourceDisk], parents: [ParentMap?], session: Session, index: ChunkIndex,
    resources: Resources, encoder: RecordEncoder, progress: Progress, interruption: Interruption
  ) {
    precondition(parents.count == disks.count)
    self.disks = disks
    self.parents = parents
    self.session = session
    self.index = index
    lost = index.lost
    self.resources = resources
    self.progress = progress
    work = ParallelWork(interruption: interruption)
    self.encoder = encoder
    let buffers = resources.buffersPerStage
    inputs = BufferPool(capacity: buffers, bufferByteCount: FormatLimit.extent)
    outputs = BufferPool(capacity: buffers, bufferByteCount: Resources.bufferByteCount)
    extents = work.channel(capacity: buffers)
    batches = work.channel(capacity: buffers)
    nodes = work.channel(capacity: 64)
  }

  /// Stores all disks; when it returns, every pack is durable and known to the index. The roots and
  /// figures come in the order of the disks.
  func run() throws -> [(root: MapReference, figures: BackupFigures)] {
    let store = MapNodeStore(
      vault: session.vault, index: index, encoder: encoder, output: nodes)
    let assemblies = disks.map { DiskAssembly(diskByteCount: $0.byteCount, nodes: store) }
    let results = Lock<[(root: MapReference, figures: BackupFigures)]>([])
    startReading()
    work.run("compute", lanes: resources.jobs) { [self] _ in
      try compute(assemblies, store)
    } then: { [self] in
      let finished = try assemblies.map { try $0.finish() }
      results.withLock { $0 = finished }
      batches.finish()
      nodes.finish()
    }
    work.run("pack", lanes: resources.packLanes) { [self] _ in try writeChunks() }
    work.run("map", lanes: 1) { [self] _ in try writeNodes() }
    try work.wait()
    return results.withLock { $0 }
  }

  /// How the disks changed since the parent point, once `run` has returned; nil where there was
  /// none to compare with.
  func change(
    to results: [(root: MapReference, figures: BackupFigures)]
  ) -> PointSignals.Figures? {
    guard parents.contains(where: { $0 != nil }) else { return nil }
    var change = seen.withLock { $0 }
    var nowByteCount: UInt64 = 0
    for (parent, result) in zip(parents, results) {
      guard let parent else { continue }
      change.dataByteCount += parent.dataByteCount
      nowByteCount += result.root.dataByteCount
    }
    // Extents that are holes now are not read.
    let (before, after) = (change.dataByteCount + change.addedByteCount, nowByteCount)
    change.removedByteCount = before > after ? before - after : 0
    return change
  }

  // MARK: Stages

  private func startReading() {
    let schedule = Lock(ExtentSchedule(disks))
    work.run("read", lanes: resources.readLanes) { [self] _ in
      while let item = try schedule.withLock({ try $0.next() }) {
        try extents.send(try read(item))
      }
    } then: { [self] in
      extents.finish()
    }
  }

  /// Reads the extent's data and fills its holes with zeros: cutting depends on content alone.
  private func read(_ item: ExtentSchedule.Item) throws -> ReadExtent {
    let buffer = inputs.take()
    let disk = disks[item.disk]
    let start = item.plan.range.lowerBound
    var readByteCount: UInt64 = 0
    try buffer.withMutableBytes { bytes throws(any Error) in
      var position = 0
      for data in item.plan.data {
        let target = Int(data.lowerBound - start)..<Int(data.upperBound - start)
        bytes.zero(position..<target.lowerBound)
        try bytes.withBytes(target) { part throws(any Error) in
          try disk.read(data, into: &part)
        }
        position = target.upperBound
        readByteCount += UInt64(data.count)
      }
      bytes.zero(position..<item.plan.range.count)
    }
    return ReadExtent(
      item: item, buffer: buffer, readByteCount: readByteCount,
      parent: try parents[item.disk]?.extent(item.plan.number))
  }

  private func compute(_ assemblies: [DiskAssembly], _ store: MapNodeStore) throws {
    let processor = ExtentProcessor(
      vault: session.vault, index: index, lost: lost, encoder: encoder, outputs: outputs)
    while let extent = try extents.receive() {
      let plan = extent.item.plan
      let result = try processor.process(
        extent.buffer.bytes.extracting(0..<plan.range.count), parent: extent.parent)
      var figures = result.figures
      figures.readByteCount = extent.readByteCount
      seen.withLock { $0 = $0 + result.change }
      if let batch = result.newChunks { try batches.send(batch) }
      let reference: MapReference
      switch result.content {
      case .unchanged(let parent): reference = parent
      case .zeros: reference = .hole
      case .node(let node):
        let stored = try store.store(node.encoded())
        figures.storedByteCount += UInt64(stored.storedByteCount)
        reference = .node(stored.id, dataByteCount: node.dataByteCount)
      }
      try assemblies[extent.item.disk].complete(
        extent.item.ordinal, number: plan.number, reference, figures)
      progress.add(UInt64(plan.range.count))
    }
  }

  private func writeChunks() throws {
    let writer = PackWriter(session: session, index: index)
    while let batch = try batches.receive() {
      try writer.append(
        batch.buffer.bytes.extracting(0..<batch.byteCount), batch.entries)
    }
    try writer.finish()
  }

  private func writeNodes() throws {
    let writer = PackWriter(session: session, index: index)
    while let node = try nodes.receive() {
      try node.bytes.withRawSpan { try writer.append($0, [node.entry]) }
    }
    try writer.finish()
  }
}
