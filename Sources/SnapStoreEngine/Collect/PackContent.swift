internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What a collection knows of a pack from its directory.
struct PackContent: Sendable {
  let recordCount: Int
  let recordByteCount: UInt64
  let holdsNodes: Bool
  /// What the index tells of a pack whose own directory is damaged, nothing where it was not asked;
  /// nil for all others.
  let told: [PackDirectoryEntry]?

  init(_ directory: [PackDirectoryEntry], isTold: Bool) {
    recordCount = directory.count
    holdsNodes = directory.first?.kind == .mapNode
    recordByteCount = directory.reduce(0) { $0 + LiveMarks.Life.byteCount(of: $1.record) }
    told = isTold ? directory : nil
  }

  /// Of so many packs with damaged directories the index is asked, which is read for each, and what
  /// it tells is kept. The others are left alone: they come with the next collection.
  private static let maximumTold = 16

  /// Reads the directories of all packs, and checks the segments against them: the index is a hint,
  /// and nothing may be thrown away on a hint. Of a pack whose directory is damaged the segments
  /// tell what they know, and a segment that is damaged is replaced.
  static func ofAll(
    session: Session, index: ChunkIndex, resources: Resources, interruption: Interruption
  ) throws -> [SerialName: PackContent] {
    let report = DamageReport(limit: 16)
    struct State {
      var left: ArraySlice<SerialName>
      var check: IndexCheck
      var contents: [SerialName: PackContent] = [:]
    }
    let state = Lock(
      State(
        left: session.packs.keys.sorted()[...],
        check: IndexCheck(
          session: session, index: index, report: report, replacesDamaged: true,
          interruption: interruption)))
    let work = ParallelWork(interruption: interruption)
    work.run("directories", lanes: resources.readLanes) { _ in
      let check = PackCheck(session: session)
      while let pack = state.withLock({ $0.left.popFirst() }) {
        if work.isCancelled { return }
        let directory: [PackDirectoryEntry]
        do {
          directory = try check.directory(of: pack)
        } catch {
          guard let cause = DamageReport.cause(of: error) else { throw error }
          session.vault.log.warning("pack \(pack) is damaged: \(cause.problem)")
          let count = state.withLock { $0.contents.values.count { $0.told?.isEmpty == false } }
          let entries = count < maximumTold ? try index.entries(of: pack) : []
          let told = PackContent(entries, isTold: true)
          state.withLock { $0.contents[pack] = told }
          continue
        }
        let content = PackContent(directory, isTold: false)
        state.withLock { state in
          state.check.add(pack, directory)
          state.contents[pack] = content
        }
      }
    }
    try work.wait()
    let finished = state.withLock { $0 }
    try finished.check.run()
    if let damage = report.damages().first {
      throw VaultError(.damaged, "\(damage.object) \(damage.problem)")
    }
    return finished.contents
  }
}
