internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Copies what is needed of some packs to new ones, in the order in which it lies there: each
/// record is checked down to its content, and copied as it is.
struct CollectionCopy {
  let session: Session
  let index: ChunkIndex
  let marks: LiveMarks
  let interruption: Interruption
  private(set) var copiedByteCount: UInt64 = 0
  /// The new packs, durable and known to the index.
  private(set) var packs: [CoveredPack] = []

  init(session: Session, index: ChunkIndex, marks: LiveMarks, interruption: Interruption) {
    self.session = session
    self.index = index
    self.marks = marks
    self.interruption = interruption
  }

  /// When it returns, packs and the index segment over them are durable. When it throws, some packs
  /// may be: those are in `packs`.
  mutating func run(_ victims: [SerialName]) throws {
    guard !victims.isEmpty else { return }
    let full = PackWriter.fullByteCount
    let chunks = PackWriter(session: session, index: index, packByteCount: full)
    let nodes = PackWriter(session: session, index: index, packByteCount: full)
    defer { packs = chunks.finished + nodes.finished }
    let check = PackCheck(session: session)
    let buffer = BufferPool(capacity: 1, bufferByteCount: Resources.bufferByteCount).take()
    for victim in victims {
      let needed = try check.directory(of: victim).filter {
        try marks.isMarked($0, in: victim)
      }
      for run in PackCheck.runs(of: victim, needed, byteCount: buffer.byteCount) {
        if interruption.isRaised { throw Interrupted() }
        guard try check.read(run, into: buffer) else {
          throw VaultError(.damaged, "pack \(victim) is shorter than it was")
        }
        try checkRecords(of: run, in: buffer, check)
        for entry in run.entries {
          let offset = Int(entry.record.offset - run.bytes.lowerBound)
          var placed = entry
          placed.record.offset = 0
          try (entry.kind == .chunk ? chunks : nodes).append(
            buffer.bytes.extracting(offset..<(offset + entry.record.byteCount)), [placed])
          copiedByteCount += UInt64(entry.record.byteCount)
        }
      }
    }
    try chunks.finish()
    try nodes.finish()
    try index.writeSegment()
  }

  private func checkRecords(
    of run: PackCheck.Run, in buffer: Buffer, _ check: PackCheck
  ) throws {
    let records = run.entries.map { entry in
      (entry: entry, offset: Int(entry.record.offset - run.bytes.lowerBound))
    }
    try check.check(records, in: buffer.bytes) { entry, verdict in
      guard case .damaged(let problem) = verdict else { return }
      index.found.note(
        entry.id, entry.kind, at: RecordAddress(pack: run.pack, offset: entry.record.offset))
      throw VaultError(
        .damaged, "pack \(run.pack) at \(entry.record.offset): \(problem); it is recorded now")
    }
  }
}
