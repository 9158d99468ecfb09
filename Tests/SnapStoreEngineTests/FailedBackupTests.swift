import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A backup that fails leaves no point, and what was there restores")
struct FailedBackupTests {
  @Test("whichever object can't be put, the points before it restore and the next run works")
  func everyPut() throws {
    let first = TestContent.mixed(5_000_000, seed: 21)
    let second = TestContent.mixed(5_000_000, seed: 22)
    for failing in 0... {
      let fixture = try EngineFixture()
      try fixture.backup(try fixture.image("disk", first))
      let path = try fixture.image("disk", second)
      let count = Lock(0)
      fixture.wrap = { store in
        FailingStore(store) { _ in
          count.withLock { count in
            count += 1
            return count == failing + 1
          }
        }
      }
      let failed = (try? fixture.backup(path)) == nil
      fixture.wrap = { $0 }
      let points = try PointCatalog(try fixture.vault()).entries
      #expect(points.count == (failed ? 1 : 2), "object \(failing)")
      _ = try fixture.restore(points[0].point.id.text)
      #expect(try fixture.restored("disk") == first, "object \(failing)")
      guard failed else {
        #expect(failing >= 5, "a session, packs, a segment, two copies of a point, an outcome")
        return
      }
      try fixture.backup(path)
      _ = try fixture.restore("latest", to: "again")
      #expect(try fixture.restored("disk", in: "again") == second, "object \(failing)")
    }
  }

  /// The folders of all objects that a first backup puts, in order.
  private func foldersOfPuts(
    _ content: [UInt8], compression: Compression? = nil
  ) throws -> [String] {
    let fixture = try EngineFixture()
    let finished = Lock<[String]>([])
    fixture.wrap = { store in
      FailingStore(store) { name in
        finished.withLock { $0.append(name.folder) }
        return false
      }
    }
    try fixture.backup(try fixture.image("disk", content), compression: compression)
    return finished.withLock { $0 }
  }

  @Test("objects are put in the order that keeps points restorable")
  func order() throws {
    let order = try foldersOfPuts(TestContent.noise(5_000_000, seed: 2))
    #expect(order.first == "sessions")
    let end = ["index", "points", "points", "outcomes", "outcomes"]
    #expect(Array(order.suffix(5)) == end)
    #expect(order.dropFirst().dropLast(5).allSatisfy { $0 == "packs" })
  }

  @Test("that there may be records of zstd is said before there is one")
  func features() throws {
    let order = try foldersOfPuts(
      TestContent.mixed(500_000, seed: 2), compression: .zstd(level: 3))
    let feature = try #require(order.firstIndex(of: VaultFolder.features))
    #expect(try feature < #require(order.firstIndex(of: VaultFolder.packs)))
  }

  @Test(
    "a disk whose size changes after it was opened", arguments: [0, 5_000_000, 9_000_001])
  func resized(length: UInt64) throws {
    try expectFailure(mentioning: "changed its size from 9000000 to \(length)") { path in
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: length)
      try handle.close()
    }
  }

  /// Backs up a disk that `change` changes once it was opened; the backup must fail with a message
  /// that names the disk, and leave no point.
  private func expectFailure(mentioning text: String, change: (String) throws -> Void) throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", TestContent.noise(9_000_000, seed: 4))
    let name = try #require(Name("disk"))
    let backup = Backup(machine: name, disks: [.init(name: name, role: .data, path: path)])
    let sources = try backup.openSources(vaultPath: nil, host: fixture.host)
    try change(path)
    let error = #expect(throws: DiskError.self) {
      try backup.run(sources, to: try fixture.vault())
    }
    #expect(error?.code == .failed)
    #expect(error?.message.contains("disk disk: ") == true)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(try PointCatalog(try fixture.vault()).entries.isEmpty)
  }

  @Test(
    "a disk that is written to while it is read makes an inconsistent point and a warning",
    arguments: [false, true])
  func modified(isReadBefore: Bool) throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", TestContent.noise(100_000, seed: 4))
    let name = try #require(Name("disk"))
    let backup = Backup(machine: name, disks: [.init(name: name, role: .data, path: path)])
    let sources = try backup.openSources(vaultPath: nil, host: fixture.host)
    @Sendable func modify() throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
    }
    if !isReadBefore { try modify() }
    fixture.wrap = { store in
      ObservedStore(store) { event in
        // The disk is one extent: what is stored of it was read whole.
        guard isReadBefore, case .create(let name) = event, name.folder == VaultFolder.packs else {
          return
        }
        try modify()
      }
    }
    let report = try backup.run(sources, to: try fixture.vault())
    #expect(report.point.consistency == .inconsistent)
    #expect(report.warnings.count == 1)
  }

  @Test(
    "a disk that gives an error, or ends, while it is read",
    arguments: [
      (FaultyReads.Fault.error, "cannot read %@ at byte "),
      (FaultyReads.Fault.end, "%@ ended at byte "),
    ])
  func reading(fault: FaultyReads.Fault, text: String) throws {
    let calls = FaultyReads(fault, from: 4_194_304)
    let fixture = try EngineFixture(calls: calls)
    let path = try fixture.image("disk", TestContent.noise(9_000_000, seed: 4))
    calls.path.withLock { $0 = path }
    let error = #expect(throws: DiskError.self) { try fixture.backup(path) }
    let expected = "disk disk: " + text.replacingOccurrences(of: "%@", with: path)
    #expect(error?.message.hasPrefix(expected) == true, "\(error?.message ?? "")")
    #expect(try PointCatalog(try fixture.vault()).entries.isEmpty)
  }
}
