import Foundation
import Logging
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// A vault in a temporary directory, and disks beside it: what most tests of the engine need.
final class EngineFixture: @unchecked Sendable {
  // Sendable, because tests change `host` and `wrap` before they start other lanes.
  let directory: TemporaryDirectory
  var host: HostSystem
  /// Puts another store around the local one; what tests use to make it fail.
  var wrap: (any ObjectStore) -> any ObjectStore = { $0 }

  init(
    parameters: Vault.Parameters = Vault.Parameters(), calls: any SystemCalls = LinuxSystemCalls()
  )
    throws
  {
    directory = try TemporaryDirectory()
    host = .forTests(calls: calls, clock: SteppingClock())
    let store = try LocalObjectStore.create(vaultPath, host: host)
    _ = try Vault.create(in: store, parameters, host: host, log: Self.log)
  }

  static let log: Logger = {
    var log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    log.logLevel = .critical
    return log
  }()

  var vaultPath: String { "\(directory.path)/vault" }

  func vault() throws -> Vault {
    try Vault.open(
      wrap(LocalObjectStore.open(vaultPath, host: host)), host: host, log: Self.log)
  }

  /// Writes a disk image and returns its path.
  func image(_ name: String, _ bytes: [UInt8]) throws -> String {
    try directory.write(bytes, to: "\(name).img")
  }

  /// Backs up files, each a data disk named like its file.
  @discardableResult
  func backup(
    _ paths: String..., machine: String = "vm", resources: Resources = Resources(jobs: 2),
    compression: Compression? = nil
  ) throws -> Backup.Report {
    try backup(paths, machine: machine, resources: resources, compression: compression)
  }

  func backup(
    _ paths: [String], machine: String = "vm", resources: Resources = Resources(jobs: 2),
    compression: Compression? = nil
  ) throws -> Backup.Report {
    let disks = try paths.map { path in
      let base = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      return Backup.DiskRequest(name: try #require(Name(base)), role: .data, path: path)
    }
    var backup = Backup(machine: try #require(Name(machine)), disks: disks)
    backup.resources = resources
    backup.compression = compression
    let sources = try backup.openSources(vaultPath: vaultPath, host: host)
    return try backup.run(sources, to: try vault())
  }

  /// Restores to a new directory of that name.
  func restore(
    _ point: String = "latest", machine: String? = nil, to name: String = "restored"
  ) throws -> Restore.Report {
    let vault = try vault()
    let entry = try PointCatalog(vault).resolve(
      point, machine: try machine.map { try #require(Name($0)) })
    return try Restore(entry.point, disks: [], to: "\(directory.path)/\(name)").run(from: vault)
  }

  func restored(_ disk: String, in name: String = "restored") throws -> [UInt8] {
    try directory.read("\(name)/\(disk).img")
  }

  /// Verifies the whole vault, or the point of this name.
  func verify(_ point: String? = nil, isQuick: Bool = false) throws -> Verify.Report {
    let vault = try vault()
    var verify = Verify(
      try point.map { try PointCatalog(vault).resolve($0, machine: nil).point })
    verify.isQuick = isQuick
    verify.resources = Resources(jobs: 2)
    return try verify.run(on: vault)
  }

  /// The vault's packs, the largest first; the smallest of a backup holds its map nodes.
  func packsBySize() throws -> [String] {
    let sized = try objects("packs").map { path in
      (path, try Data(contentsOf: URL(fileURLWithPath: path)).count)
    }
    return sized.sorted { $0.1 > $1.1 }.map(\.0)
  }

  /// What the directory of the pack in a file says.
  func directory(ofPackAt path: String) throws -> [PackDirectoryEntry] {
    let name = try #require(SerialName(URL(fileURLWithPath: path).lastPathComponent))
    let session = try Session.beginReading(try vault(), leaningOn: [])
    defer { session.end() }
    return try PackCheck(session: session).directory(of: name)
  }

  /// The paths of the vault's objects of a folder.
  func objects(_ folder: String) throws -> [String] {
    let path = "\(vaultPath)/\(folder)"
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
      .map { "\(path)/\($0)" }
  }

  /// The paths of the vault's files, below its own.
  func fileNames() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: vaultPath).filter { name in
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(vaultPath)/\(name)")
      return attributes[.type] as? FileAttributeType == .typeRegular
    }
  }

  /// The vault's files, by these paths.
  func files() throws -> [String: Data] {
    try Dictionary(
      uniqueKeysWithValues: fileNames().map { name in
        (name, try Data(contentsOf: URL(fileURLWithPath: "\(vaultPath)/\(name)")))
      })
  }

  /// Does something once, when the first object of a folder is about to get its name, with the
  /// store as it is; says whether it has.
  func beforeFirst(
    of folder: String, _ body: @escaping @Sendable () throws -> Void
  ) -> Lock<Bool> {
    let hasHappened = Lock(false)
    wrap = { [self] store in
      ObservedStore(store) { [self] event in
        guard case .finish(let name) = event, name.folder == folder,
          !hasHappened.withLock({ $0 })
        else { return }
        hasHappened.withLock { $0 = true }
        wrap = { $0 }
        try body()
      }
    }
    return hasHappened
  }

  /// A backup that fails before it has written its index segment; returns the packs that it leaves.
  func backupWithoutSegment(_ path: String, machine: String = "vm") throws -> Set<String> {
    let known = Set(try objects("packs"))
    wrap = { store in
      ObservedStore(store) { event in
        guard case .create(let name) = event, name.folder == VaultFolder.index else { return }
        throw StoreError(.notAnObject, "as if it had been killed")
      }
    }
    #expect(throws: StoreError.self) { try self.backup(path, machine: machine) }
    wrap = { $0 }
    return Set(try objects("packs")).subtracting(known)
  }

  /// Backs up a disk, and again with its second half new, and deletes the first point for ever: of
  /// its packs half is dead. Returns what the disk has then.
  @discardableResult
  func leaveHalfDead(
    _ content: [UInt8], disk: String = "disk", machine: String = "vm", seed: UInt64
  ) throws -> [UInt8] {
    let first = try backup(try image(disk, content), machine: machine).point.id
    let count = content.count / 2
    let half = content.prefix(content.count - count) + TestContent.noise(count, seed: seed)
    try backup(try image(disk, Array(half)), machine: machine)
    try delete(first)
    return Array(half)
  }

  /// All bytes that the vault's files have.
  func vaultByteCount() throws -> UInt64 {
    try files().values.reduce(0) { $0 + UInt64($1.count) }
  }

  /// What an index segment over the packs in these files says, the entries in their order.
  func segment(
    overPacksAt paths: [String]
  ) throws -> (packs: [CoveredPack], entries: [IndexEntry]) {
    var covered: [CoveredPack] = []
    var entries: [IndexEntry] = []
    for path in paths {
      let url = URL(fileURLWithPath: path)
      for entry in try directory(ofPackAt: path) {
        entries.append(
          IndexEntry(
            id: entry.id, kind: entry.kind, pack: UInt32(covered.count), record: entry.record))
      }
      covered.append(
        CoveredPack(
          name: try #require(SerialName(url.lastPathComponent)),
          byteCount: UInt64(try Data(contentsOf: url).count)))
    }
    return (covered, entries.sorted { $0.id < $1.id })
  }

  /// Inverts the byte at `offset` (from the end where negative) of a file.
  func damage(_ path: String, at offset: Int) throws {
    let url = URL(fileURLWithPath: path)
    var data = try Data(contentsOf: url)
    data[offset < 0 ? data.count + offset : offset] ^= 0xFF
    try data.write(to: url)
  }
}

/// Seeded content of the kinds that disks have.
enum TestContent {
  /// Zeros, repeats, noise and text in stretches of odd lengths.
  static func mixed(_ byteCount: Int, seed: UInt64) -> [UInt8] {
    let random = SeededRandomness(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    while bytes.count < byteCount {
      let length = Int(random.next() % 150_000) + 1
      let kind = random.next() % 4
      switch kind {
      case 0: bytes.append(contentsOf: repeatElement(0, count: length))
      case 1: bytes.append(contentsOf: repeatElement(UInt8(length & 0xFF), count: length))
      case 2: bytes.append(contentsOf: random.bytes(length))
      default:
        let words = Array("the quick brown fox \(random.next() % 97) ".utf8)
        for index in 0..<length { bytes.append(words[index % words.count]) }
      }
    }
    return Array(bytes.prefix(byteCount))
  }

  static func noise(_ byteCount: Int, seed: UInt64) -> [UInt8] {
    SeededRandomness(seed: seed).bytes(byteCount)
  }
}
