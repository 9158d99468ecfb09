internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Copies what is needed of some packs to new ones, in the order in which it lies there: each
/// record is checked down to its content, and copied as it is.
///
/// That goes in batches. A batch is durable and indexed before the next begins, so that running out
/// of room costs one of them, and so that what waits for the index is bounded.
struct CollectionCopy {
  /// Victims whose needed records are durable in new packs, and indexed.
  private(set) var done: [SerialName] = []
  private(set) var copiedByteCount: UInt64 = 0
  /// Packs of a batch that came to no end: durable, perhaps not indexed, and of no use.
  private(set) var abandoned: Set<SerialName> = []

  /// A batch has no more records, however small, but for those of its last pack.
  private static let batchRecordCount = 8 * PackWriter.recordsPerPack

  private let session: Session
  private let index: ChunkIndex
  private let marks: LiveMarks
  private let batchByteCount: UInt64
  private let interruption: Interruption
  private let check: PackCheck
  private let buffer = BufferPool(
    capacity: 1, bufferByteCount: Resources.bufferByteCount
  ).take()
  private var batch: Batch

  private struct Batch {
    let chunks: PackWriter
    let nodes: PackWriter
    var victims: [SerialName] = []
    var byteCount: UInt64 = 0
    var recordCount = 0

    init(_ session: Session, _ index: ChunkIndex) {
      let full = PackWriter.fullByteCount
      chunks = PackWriter(session: session, index: index, packByteCount: full)
      nodes = PackWriter(session: session, index: index, packByteCount: full)
    }
  }

  init(
    session: Session, index: ChunkIndex, marks: LiveMarks, batchByteCount: UInt64,
    interruption: Interruption
  ) {
    self.session = session
    self.index = index
    self.marks = marks
    self.batchByteCount = batchByteCount
    self.interruption = interruption
    check = PackCheck(session: session)
    batch = Batch(session, index)
  }

  /// When it returns, all `victims` are `done`. When it throws, those are that it had finished.
  /// `contents` says what lies in those of which the directory does not.
  mutating func run(
    _ victims: [SerialName], _ contents: [SerialName: PackContent]
  ) throws {
    do {
      for victim in victims {
        try copy(victim, try contents[victim]?.told ?? check.directory(of: victim))
        if batch.byteCount >= batchByteCount || batch.recordCount >= Self.batchRecordCount {
          try finishBatch()
        }
      }
      try finishBatch()
    } catch {
      abandoned = Set((batch.chunks.finished + batch.nodes.finished).map(\.name))
      throw error
    }
  }

  private mutating func finishBatch() throws {
    try batch.chunks.finish()
    try batch.nodes.finish()
    try index.writeSegment()
    done += batch.victims
    batch = Batch(session, index)
  }

  private mutating func copy(
    _ victim: SerialName, _ directory: [PackDirectoryEntry]
  ) throws {
    let needed = try directory.filter { try marks.isMarked($0, in: victim) }
    for run in PackCheck.runs(of: victim, needed, byteCount: buffer.byteCount) {
      if interruption.isRaised { throw Interrupted() }
      guard try check.canRead(run, into: buffer) else { throw try unreadable(run) }
      try checkRecords(of: run)
      for entry in run.entries {
        let offset = Int(entry.record.offset - run.bytes.lowerBound)
        var placed = entry
        placed.record.offset = 0
        try (entry.kind == .chunk ? batch.chunks : batch.nodes).append(
          buffer.bytes.extracting(offset..<(offset + entry.record.byteCount)), [placed])
        batch.byteCount += UInt64(entry.record.byteCount)
        batch.recordCount += 1
        copiedByteCount += UInt64(entry.record.byteCount)
      }
    }
    batch.victims.append(victim)
  }

  /// Takes note of what in a run can't be read, so that the next collection finds it before it
  /// copies anything, and the next backup stores it again.
  private func unreadable(_ run: PackCheck.Run) throws -> VaultError {
    let lost = try run.entries.filter { try !check.isWhole($0, in: run.pack) }
    for entry in lost { note(entry, in: run) }
    let place = "pack \(run.pack) can't be read from byte \(run.bytes.lowerBound) on"
    return VaultError(
      .damaged, lost.isEmpty ? place : "\(place); what is lost there is recorded now")
  }

  private func note(_ entry: PackDirectoryEntry, in run: PackCheck.Run) {
    index.found.note(
      entry.id, entry.kind, at: RecordAddress(pack: run.pack, offset: entry.record.offset))
  }

  private func checkRecords(of run: PackCheck.Run) throws {
    try check.check(run, in: buffer.bytes) { entry, verdict in
      guard case .damaged(let problem) = verdict else { return }
      note(entry, in: run)
      throw VaultError(
        .damaged, "pack \(run.pack) at \(entry.record.offset): \(problem); it is recorded now")
    }
  }
}
