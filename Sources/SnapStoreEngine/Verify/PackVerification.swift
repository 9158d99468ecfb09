internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The first part of verifying a vault: every pack from its first byte to its last, in the order of
/// their names, each record in the order in which it lies there.
///
///     directory, read runs ─▶ check records
///
/// What is wrong goes to the report; what is right, to the witnesses.
final class PackVerification: Sendable {
  private struct ReadRun: Sendable {
    var run: PackCheck.Run
    var buffer: Buffer
    /// False where the run could not be read in one piece: each record is read by itself.
    var isRead: Bool
  }

  private struct State {
    var left: ArraySlice<SerialName>
    var indexCheck: IndexCheck
    var chunkCount: UInt64 = 0
  }

  private let session: Session
  private let index: ChunkIndex
  private let report: DamageReport
  private let resources: Resources
  private let progress: Progress
  private let witnesses: WitnessSet?
  private let state: Lock<State>
  private let work: ParallelWork
  private let runs: Channel<ReadRun>
  private let buffers: BufferPool

  /// `witnesses` nil: of the records, only map nodes are read.
  init(
    session: Session, index: ChunkIndex, report: DamageReport, witnesses: WitnessSet?,
    resources: Resources, progress: Progress, interruption: Interruption
  ) {
    self.session = session
    self.index = index
    self.report = report
    self.witnesses = witnesses
    self.resources = resources
    self.progress = progress
    state = Lock(
      State(
        left: session.packs.keys.sorted()[...],
        indexCheck: IndexCheck(
          session: session, index: index, report: report, interruption: interruption)))
    work = ParallelWork(interruption: interruption)
    runs = work.channel(capacity: resources.buffersPerStage)
    buffers = BufferPool(
      capacity: resources.buffersPerStage, bufferByteCount: Resources.bufferByteCount)
  }

  /// Returns how many chunks the packs hold, once they and the index segments are checked.
  func run() throws -> UInt64 {
    work.run("read", lanes: resources.readLanes) { [self] _ in
      let check = PackCheck(session: session)
      while let pack = state.withLock({ $0.left.popFirst() }) { try read(pack, check) }
    } then: { [self] in
      runs.finish()
    }
    work.run("check", lanes: resources.jobs) { [self] _ in
      let check = PackCheck(session: session)
      while let run = try runs.receive() { try verify(run, check) }
    }
    try work.wait()
    witnesses?.seal()
    let finished = state.withLock { $0 }
    try finished.indexCheck.run()
    return finished.chunkCount
  }

  private func read(_ pack: SerialName, _ check: PackCheck) throws {
    let directory = try directory(of: pack, check)
    let entries = witnesses == nil ? directory.filter { $0.kind == .mapNode } : directory
    let packByteCount = session.packs[pack] ?? 0
    var done: UInt64 = 0
    for run in PackCheck.runs(of: pack, entries, byteCount: buffers.bufferByteCount) {
      let buffer = buffers.take()
      let isRead = try check.canRead(run, into: buffer)
      try runs.send(ReadRun(run: run, buffer: buffer, isRead: isRead))
      let part = min(UInt64(run.bytes.count), packByteCount - done)
      progress.add(part)
      done += part
    }
    progress.add(packByteCount - done)
  }

  /// What a pack holds: by its own directory; where that is damaged, by the index.
  private func directory(
    of pack: SerialName, _ check: PackCheck
  ) throws -> [PackDirectoryEntry] {
    do {
      let directory = try check.directory(of: pack)
      state.withLock { state in
        state.indexCheck.add(pack, directory)
        state.chunkCount += UInt64(directory.count { $0.kind == .chunk })
      }
      return directory
    } catch {
      guard let damage = DamageReport.cause(of: error) else { throw error }
      if try session.hasGone(pack) { return [] }
      report.add(pack: pack, at: damage.offset, damage.problem)
      return try index.entries(of: pack)
    }
  }

  private func verify(_ read: ReadRun, _ check: PackCheck) throws {
    guard read.isRead else { return try verifyEach(read, check) }
    check.check(read.run, in: read.buffer.bytes) { take($1, of: $0, in: read.run.pack) }
  }

  private func verifyEach(_ read: ReadRun, _ check: PackCheck) throws {
    for entry in read.run.entries {
      let alone = PackCheck.runs(of: read.run.pack, [entry], byteCount: buffers.bufferByteCount)
      if try check.canRead(alone[0], into: read.buffer) {
        check.check(alone[0], in: read.buffer.bytes) { take($1, of: $0, in: read.run.pack) }
      } else if try !session.hasGone(read.run.pack) {
        note(entry, in: read.run.pack, "the record can't be read")
      }
    }
  }

  private func take(
    _ verdict: PackCheck.Verdict, of entry: PackDirectoryEntry, in pack: SerialName
  ) {
    switch verdict {
    case .chunk(let fingerprint): witnesses?.insert(entry.id, fingerprint)
    case .mapNode: break
    case .damaged(let problem): note(entry, in: pack, problem)
    }
  }

  private func note(_ entry: PackDirectoryEntry, in pack: SerialName, _ problem: String) {
    let address = RecordAddress(pack: pack, offset: entry.record.offset)
    index.found.note(entry.id, entry.kind, at: address)
    report.add(record: .init(id: entry.id, kind: entry.kind, address: address), problem)
  }
}
