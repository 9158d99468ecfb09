internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// How much of the machine a run may use. Everything that grows with the work is bounded by it.
package struct Resources: Sendable {
  package static let defaultMemoryByteCount = 256 * 1024 * 1024
  package static let minimumMemoryByteCount = 64 * 1024 * 1024

  /// Dispatch runs at most 255 lanes at once: a stage that computes must leave some to those that
  /// it waits for, or nobody ever takes what it sends.
  static let maximumJobs = 128

  /// What buffers, caches and tables may take together; the program itself is on top.
  package var memoryByteCount: Int
  /// How many threads compute at once.
  package var jobs: Int

  /// `jobs` nil: as many as there are processors. Fewer where the memory has no buffers for
  /// them, and never more than `maximumJobs`.
  package init(memoryByteCount: Int = defaultMemoryByteCount, jobs: Int? = nil) {
    self.memoryByteCount = max(memoryByteCount, Self.minimumMemoryByteCount)
    let pairs = self.memoryByteCount / 2 / (2 * Self.bufferByteCount)
    self.jobs = max(1, min(jobs ?? HostSystem.processorCount, pairs - 1, Self.maximumJobs))
  }

  /// One size for all buffers: an extent, or the records of an extent none of which compresses.
  static let bufferByteCount = (ChunkReader.fetchByteCount + 4095) / 4096 * 4096

  /// Buffers before and after the stage that computes, each: one a job, and some on their way. Few,
  /// so that they stay in the processor's caches.
  var buffersPerStage: Int {
    max(jobs + 1, min(2 * jobs + 4, memoryByteCount / 2 / (2 * Self.bufferByteCount)))
  }

  /// Threads that wait for disks, so that more requests than processors are under way.
  var readLanes: Int { min(4, buffersPerStage) }
  /// Packs that are written at once: while one is synchronized, another takes data.
  var packLanes: Int { 2 }

  /// Cached index pages and filters.
  package var indexByteCount: Int { memoryByteCount / 4 }
}

/// How far a run is, for whoever shows it: counted by the lanes, read at any time.
package final class Progress: Sendable {
  package struct State: Equatable, Sendable {
    /// Bytes of the disks that are done, of `totalByteCount`; holes count as done when passed.
    package var doneByteCount: UInt64 = 0
    package var totalByteCount: UInt64 = 0
  }

  private let state = Lock(State())

  package init() {}

  package var current: State { state.withLock { $0 } }

  func begin(total: UInt64) {
    state.withLock { $0 = State(totalByteCount: total) }
  }

  /// Wraps: a hostile vault may say that it has more than there is, and this is for people only.
  func add(_ byteCount: UInt64) {
    state.withLock { $0.doneByteCount &+= byteCount }
  }
}
