import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// Sparse files in a vault's folders take nothing and are as long as somebody wants; three of the
/// longest are longer together than a number can say.
@Suite("Objects that are longer together than can be counted")
struct HostileSizeTests {
  /// A store that says of some objects that they are as long as a file can be.
  private final class SparseStore: ObjectStore {
    private let base: any ObjectStore
    private let isLong: @Sendable (ObjectName) -> Bool
    private static let byteCount = UInt64(Int64.max)

    init(_ base: any ObjectStore, isLong: @escaping @Sendable (ObjectName) -> Bool) {
      self.base = base
      self.isLong = isLong
    }

    func list(_ folder: String) throws -> [ListedObject] {
      try base.list(folder).map {
        isLong($0.name) ? ListedObject(name: $0.name, byteCount: Self.byteCount) : $0
      }
    }

    func open(_ name: ObjectName) throws -> (any ObjectReader)? {
      guard let reader = try base.open(name) else { return nil }
      return isLong(name) ? LongReader() : reader
    }

    /// Zeros.
    private final class LongReader: ObjectReader {
      var byteCount: UInt64 { SparseStore.byteCount }

      func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int {
        target.withBytes(0..<target.byteCount) { sink in
          for byte in 0..<sink.byteCount {
            sink.storeBytes(of: 0, toByteOffset: byte, as: UInt8.self)
          }
        }
        return target.byteCount
      }
    }

    var location: String { base.location }
    func create(_ name: ObjectName) throws -> any ObjectWriter { try base.create(name) }
    func synchronize(_ folder: String) throws { try base.synchronize(folder) }
    func delete(_ name: ObjectName) throws -> Bool { try base.delete(name) }
    func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
      try base.putHeld(name, bytes)
    }
    func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
    func removeAbandoned() throws -> Int { try base.removeAbandoned() }
    func availableByteCount() throws -> UInt64? { try base.availableByteCount() }
  }

  private let fixture: EngineFixture

  init() throws {
    fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", TestContent.noise(300_000, seed: 3)))
  }

  /// Puts objects that are said to be that long.
  private func putLong(_ folder: String, _ keys: [String]) throws {
    let names = keys.map { ObjectName(folder: folder, key: $0) }
    for name in names { #expect(try fixture.vault().store.put(name, [])) }
    fixture.wrap = { SparseStore($0) { names.contains($0) } }
  }

  private static let sessions = (1...3).map { "\(SessionID(high: 0, low: UInt64($0)))" }

  @Test("are summed up")
  func summary() throws {
    let before = try VaultSummary(try fixture.vault())
    try putLong(VaultFolder.packs, ["a", "b", "c"])
    let after = try VaultSummary(try fixture.vault())
    #expect(after.packCount == before.packCount && after.chunkCount == before.chunkCount)
  }

  @Test("are verified, and said to be damaged, as packs")
  func verify() throws {
    try putLong(VaultFolder.packs, Self.sessions.map { "\($0)-00000001" })
    let report = try fixture.verify()
    #expect(Set(report.damaged.map(\.object)).count == 3)
    #expect(report.damaged.allSatisfy { $0.losses.isEmpty })
  }

  @Test("are collected, as outcomes")
  func collect() throws {
    try putLong(VaultFolder.outcomes, Self.sessions)
    let before = try fixture.objects("outcomes").count
    try fixture.collect()
    #expect(try fixture.objects("outcomes").count == before - 3)
  }

  /// Of three machines that share a root, each says that it has as much data as there can be.
  @Test("are marked, as disks of points")
  func marks() throws {
    let path = "\(fixture.directory.path)/disk.img"
    let first = try #require(try PointCatalog(try fixture.vault()).entries.first).point
    guard case .node(let root, _) = first.disks[0].root else {
      Issue.record("the disk has data")
      return
    }
    // The root of a disk as long as that is higher than that of a small one, but is looked at by
    // its ID first: what is marked is not walked again.
    for machine in ["a", "b", "c"] {
      let point = try fixture.backup(path, machine: machine).point
      var hostile = point
      hostile.disks[0].byteCount = UInt64(Int64.max)
      hostile.disks[0].root = .node(root, dataByteCount: UInt64(Int64.max))
      for copy in 1...2 {
        try Data(hostile.encoded()).write(
          to: URL(fileURLWithPath: "\(fixture.vaultPath)/points/\(point.id).\(copy)"))
      }
    }
    #expect(try PointCatalog(try fixture.vault()).unreadable.isEmpty)
    try fixture.collect()
  }
}
