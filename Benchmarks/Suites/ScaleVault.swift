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

  /// What looking up reached, on one thread.
  package struct Lookups: Sendable {
    package var openSeconds: Double
    package var hitsPerSecond: Double
    package var missesPerSecond: Double
  }

  /// Opens the index, and looks for `count` chunks that are there, in no order, and as many that
  /// are not.
  package func lookUp(count: Int) throws -> Lookups {
    let vault = try vault(LinuxSystemCalls())
    let clock = vault.host.clock
    let start = clock.monotonicSeconds()
    let session = try Session.beginReading(vault, leaningOn: [])
    defer { session.end() }
    let index = try ChunkIndex(session: session, memory: resources.indexByteCount)
    let opened = clock.monotonicSeconds()

    let hits = chunkIDs(count, vault)
    let hitsPerSecond = try rate(hits, clock) { id in
      try require(try !index.locations(of: id).isEmpty, "a chunk was not found")
    }
    var state: UInt64 = 99
    let misses = (0..<count).map { _ in
      ChunkID(
        SyntheticContent.next(&state), SyntheticContent.next(&state),
        SyntheticContent.next(&state), SyntheticContent.next(&state))
    }
    let missesPerSecond = try rate(misses, clock) { id in
      try require(try index.locations(of: id).isEmpty, "a chunk was found that is not there")
    }
    return Lookups(
      openSeconds: opened - start, hitsPerSecond: hitsPerSecond, missesPerSecond: missesPerSecond)
  }

  /// The IDs of chunks of the first day, chosen at random by a seed.
  private func chunkIDs(_ count: Int, _ vault: Vault) -> [ChunkID] {
    let disks = disks(day: 0)
    let chunksPerDisk = chunkCount / UInt64(diskCount)
    var chunk = [UInt8](repeating: 0, count: chunkByteCount)
    var state: UInt64 = 1
    return (0..<count).map { _ in
      let disk = disks[Int(SyntheticContent.next(&state) % UInt64(diskCount))]
      let offset = SyntheticContent.next(&state) % chunksPerDisk * UInt64(chunkByteCount)
      chunk.withMutableRawSpan { disk.fill(&$0, at: offset) }
      return vault.hasher.id(of: chunk.rawSpan, domain: .chunk)
    }
  }

  private func rate(
    _ ids: [ChunkID], _ clock: any Clock, _ body: (ChunkID) throws -> Void
  ) throws -> Double {
    let start = clock.monotonicSeconds()
    for id in ids { try body(id) }
    return Double(ids.count) / max(clock.monotonicSeconds() - start, 1e-9)
  }
}
