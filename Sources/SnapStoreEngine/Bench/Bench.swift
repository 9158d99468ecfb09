package import SnapStoreDisks
internal import SnapStoreFormat
package import SnapStoreIO
internal import SnapStoreVault

/// Measures what each stage of a backup reaches on this machine: the parts of computing one by one,
/// computing as a whole on all jobs, writing and reading in the vault's file system, and reading of
/// a disk where one is given. What was written is gone at the end, however that comes.
package struct Bench: Sendable {
  /// The directory of the file system that is measured; nothing stays there.
  package var directory: String
  /// Disks that are read for measuring; none: reading is not measured.
  package var sources: [SourceDisk] = []
  package var resources = Resources()
  package var interruption = Interruption()
  /// How long each of the about twelve measurements takes; those of the disk take four times that.
  package var secondsPerPart = 0.4
  /// The most that is written to the disk.
  package var maximumWrittenByteCount: UInt64 = 1 << 30

  package init(directory: String) {
    self.directory = directory
  }

  /// How fast something is, in bytes of a disk's data a second unless it says otherwise.
  package struct Rate: Equatable, Sendable {
    package var name: String
    package var threads: Int
    package var bytesPerSecond: Double

    package init(name: String, threads: Int, bytesPerSecond: Double) {
      self.name = name
      self.threads = threads
      self.bytesPerSecond = bytesPerSecond
    }
  }

  package func run(host: HostSystem) throws -> BenchReport {
    let clock = host.clock
    let start = clock.monotonicSeconds()
    let computing = ComputingBench(
      seconds: secondsPerPart, clock: clock, interruption: interruption)
    let parts = try computing.parts()
    let (stage, storedShare) = try computing.newData(jobs: resources.jobs, host: host)
    let unchanged = try computing.unchangedData(jobs: resources.jobs, host: host)
    let disk = DiskBench(
      directory: directory, seconds: 4 * secondsPerPart,
      maximumByteCount: maximumWrittenByteCount, host: host, interruption: interruption)
    let vault = try disk.measure(writers: resources.packLanes, readers: resources.readLanes)
    let source = try sources.isEmpty ? nil : disk.read(sources, lanes: resources.readLanes)
    return BenchReport(
      jobs: resources.jobs, parts: parts, newData: stage, storedShare: storedShare,
      unchangedData: unchanged, writing: vault.writing, readingBack: vault.reading,
      syncsPerSecond: vault.syncsPerSecond, reading: source,
      seconds: clock.monotonicSeconds() - start)
  }
}

/// What a bench measured, and what follows for a backup.
package struct BenchReport: Sendable {
  package enum Stage: String, Equatable, Sendable {
    case reading, computing, writing
  }

  /// What bounds some kind of work, and how fast it can be for that.
  package struct Estimate: Equatable, Sendable {
    package var bytesPerSecond: Double
    package var bound: Stage

    package init(bytesPerSecond: Double, bound: Stage) {
      self.bytesPerSecond = bytesPerSecond
      self.bound = bound
    }
  }

  package var jobs: Int
  /// Of computing, on one thread each.
  package var parts: [Bench.Rate]
  /// Cutting, naming, compressing and checking of data that is new, on all jobs.
  package var newData: Bench.Rate
  /// What is stored of each byte of new data, for content like that of Debian systems.
  package var storedShare: Double
  /// Comparing of data that has not changed, on all jobs.
  package var unchangedData: Bench.Rate
  /// Of stored bytes, in the vault's file system, until they are durable.
  package var writing: Bench.Rate
  package var readingBack: Bench.Rate
  /// 4 KiB written and made durable, one after the other.
  package var syncsPerSecond: Double
  /// Of the disks that were given.
  package var reading: Bench.Rate?
  package var seconds: Double

  package init(
    jobs: Int, parts: [Bench.Rate], newData: Bench.Rate, storedShare: Double,
    unchangedData: Bench.Rate, writing: Bench.Rate, readingBack: Bench.Rate,
    syncsPerSecond: Double, reading: Bench.Rate?, seconds: Double
  ) {
    self.jobs = jobs
    self.parts = parts
    self.newData = newData
    self.storedShare = storedShare
    self.unchangedData = unchangedData
    self.writing = writing
    self.readingBack = readingBack
    self.syncsPerSecond = syncsPerSecond
    self.reading = reading
    self.seconds = seconds
  }

  /// The stages work at the same time, so the slowest says how fast all is. That they share
  /// processors is not taken into account: no backup is faster than this.
  package var firstBackup: Estimate {
    slowest([
      (.computing, newData.bytesPerSecond),
      (.writing, writing.bytesPerSecond / max(storedShare, 1e-9)),
    ])
  }

  package var unchanged: Estimate { slowest([(.computing, unchangedData.bytesPerSecond)]) }

  private func slowest(_ stages: [(Stage, Double)]) -> Estimate {
    let all = stages + (reading.map { [(.reading, $0.bytesPerSecond)] } ?? [])
    let least = all.min { $0.1 < $1.1 }
    return Estimate(bytesPerSecond: least?.1 ?? 0, bound: least?.0 ?? .computing)
  }
}
