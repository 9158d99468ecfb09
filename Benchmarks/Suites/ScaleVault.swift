internal import Glibc
internal import Logging
internal import SnapStoreDisks
package import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// A vault of very many chunks, made by real backups of disks that lie nowhere.
package struct ScaleVault: Sendable {
  package var path: String
  /// All disks together.
  package var chunkCount: UInt64
  package var chunkByteCount: Int
  package var diskCount: Int
  package var resources = Resources()
  package var churnRunByteCount: UInt64 = 4 << 20

  package init(path: String, chunkCount: UInt64, chunkByteCount: Int, diskCount: Int) {
    self.path = path
    self.chunkCount = chunkCount
    self.chunkByteCount = chunkByteCount
    self.diskCount = diskCount
  }

  private static let quiet = Logger(label: "scale", factory: { _ in SwiftLogNoOpLogHandler() })

  package func disks(day: UInt64) -> [SyntheticDisk] {
    (0..<diskCount).map { number in
      SyntheticDisk(
        byteCount: chunkCount / UInt64(diskCount) * UInt64(chunkByteCount),
        number: UInt64(number), day: day, churnRunByteCount: churnRunByteCount)
    }
  }

  private func vault(_ calls: any SystemCalls) throws -> Vault {
    var host = HostSystem.current()
    host.calls = calls
    if try existingPath("\(path)/vault", calls: calls) != nil {
      return try Vault.open(
        LocalObjectStore.open(path, host: host), host: host, log: Self.quiet)
    }
    var parameters = Vault.Parameters()
    parameters.chunking = .fixed(chunkByteCount)
    return try Vault.create(
      in: LocalObjectStore.create(path, host: host), parameters, host: host, log: Self.quiet)
  }

  /// Backs the disks up as they are on a day.
  package func backUp(day: UInt64) throws -> Backup.Report {
    let disks = disks(day: day)
    let vault = try vault(SyntheticDiskCalls(disks))
    let requests = try disks.map { disk in
      guard let name = Name("disk-\(disk.number)") else { throw SuiteError("no name") }
      return Backup.DiskRequest(name: name, role: .data, path: disk.path)
    }
    guard let machine = Name("scale") else { throw SuiteError("no name") }
    var backup = Backup(machine: machine, disks: requests)
    backup.resources = resources
    let sources = try backup.openSources(vaultPath: nil, host: vault.host)
    return try backup.run(sources, to: vault)
  }

  /// What looking up reached, on one thread: the opening by the clock, lookups a second of the
  /// processor.
  package struct Lookups: Sendable {
    package var openSeconds: Double
    /// Single chunks, in no order.
    package var hitsPerSecond: Double
    /// All chunks of an extent together, extents in no order.
    package var neighborsPerSecond: Double
    package var missesPerSecond: Double
  }

  /// Opens the index, and looks for `count` chunks that are there, in no order, for as many an
  /// extent at a time, and for as many that are not.
  package func lookUp(count: Int) throws -> Lookups {
    let vault = try vault(LinuxSystemCalls())
    let clock = vault.host.clock
    let start = clock.monotonicSeconds()
    let session = try Session.beginReading(vault, leaningOn: [])
    defer { session.end() }
    let index = try ChunkIndex(session: session, memory: resources.indexByteCount)
    let opened = clock.monotonicSeconds()

    let hits = chunkIDs(count, inRunsOf: 1, vault)
    let hitsPerSecond = try rate(hits) { id in
      try require(try !index.locations(of: id).isEmpty, "a chunk was not found")
    }
    let perExtent = min(count, FormatLimit.extent / chunkByteCount)
    let neighbors = chunkIDs(count / perExtent * perExtent, inRunsOf: perExtent, vault)
    let extents = stride(from: 0, to: neighbors.count, by: perExtent).map {
      Array(neighbors[$0..<($0 + perExtent)])
    }
    let extentsPerSecond = try rate(extents) { ids in
      try require(try !index.bestLocations(of: ids).contains(nil), "a chunk was not found")
    }
    var state: UInt64 = 99
    let misses = extents.map {
      $0.map { _ in
        ChunkID(
          SyntheticContent.next(&state), SyntheticContent.next(&state),
          SyntheticContent.next(&state), SyntheticContent.next(&state))
      }
    }
    let missesPerSecond = try rate(misses) { ids in
      let found = try index.bestLocations(of: ids).contains { $0 != nil }
      try require(!found, "a chunk was found that is not there")
    }
    return Lookups(
      openSeconds: opened - start, hitsPerSecond: hitsPerSecond,
      neighborsPerSecond: extentsPerSecond * Double(perExtent),
      missesPerSecond: missesPerSecond * Double(perExtent))
  }

  /// The IDs of chunks of the first day: runs of `length` that lie one behind the other, aligned,
  /// chosen at random by a seed.
  private func chunkIDs(_ count: Int, inRunsOf length: Int, _ vault: Vault) -> [ChunkID] {
    let disks = disks(day: 0)
    let runsPerDisk = max(1, chunkCount / UInt64(diskCount) / UInt64(length))
    var chunk = [UInt8](repeating: 0, count: chunkByteCount)
    var state: UInt64 = 1
    var ids: [ChunkID] = []
    while ids.count < count {
      let disk = disks[Int(SyntheticContent.next(&state) % UInt64(diskCount))]
      let first = SyntheticContent.next(&state) % runsPerDisk * UInt64(length)
      for number in first..<(first + UInt64(length)) {
        chunk.withMutableRawSpan { disk.fill(&$0, at: number * UInt64(chunkByteCount)) }
        ids.append(vault.hasher.id(of: chunk.rawSpan, domain: .chunk))
      }
    }
    return ids
  }

  /// A second of the processor: what others do on the machine does not count.
  private func rate<Element>(
    _ elements: [Element], _ body: (Element) throws -> Void
  ) throws -> Double {
    let start = processorSeconds()
    for element in elements { try body(element) }
    return Double(elements.count) / max(processorSeconds() - start, 1e-9)
  }

  /// What this thread has used.
  private func processorSeconds() -> Double {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    precondition(result == 0)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
