import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Index segments merge as backups go")
struct IndexMergeTests {
  /// A small disk of which each backup has a block of its own.
  private static func content(_ backup: Int) -> [UInt8] {
    TestContent.noise(20_480, seed: 1) + TestContent.noise(20_480, seed: 100 + UInt64(backup))
  }

  @Test("after three hundred backups there are a few, and every point restores")
  func threeHundred() throws {
    let fixture = try EngineFixture()
    var points: [PointID] = []
    for backup in 0..<300 {
      let report = try fixture.backup(
        try fixture.image("disk", Self.content(backup)), resources: Resources(jobs: 1))
      points.append(report.point.id)
      let segments = try fixture.objects("index").count
      #expect(segments <= 7, "after \(backup + 1) backups there are \(segments)")
    }
    let vault = try fixture.vault()
    let entries = try PointCatalog(vault).entries
    #expect(entries.map(\.point.id) == points)
    for (backup, entry) in entries.enumerated() {
      let target = "\(fixture.directory.path)/out\(backup)"
      _ = try Restore(entry.point, disks: [], to: target).run(from: vault)
      #expect(try fixture.restored("disk", in: "out\(backup)") == Self.content(backup))
    }
    for backup in stride(from: 0, to: 300, by: 23) {
      let path = try fixture.image("disk", Self.content(backup))
      let again = try fixture.backup(path, machine: "other\(backup)")
      #expect(again.point.figures.newByteCount == 0, "of backup \(backup) something is unknown")
    }
  }

  @Test("a backup whose segment another run merges before it is looked at again goes on")
  func mergedAtOnce() throws {
    let fixture = try EngineFixture()
    for backup in 0..<7 { try fixture.backup(try fixture.image("disk", Self.content(backup))) }
    let before = try fixture.objects("index").map { URL(fileURLWithPath: $0).lastPathComponent }
    let vault = try fixture.vault()
    let merged = Lock(0)
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .open(let name) = event, name.folder == VaultFolder.index,
          !before.contains(name.key), merged.withLock({ $0 }) == 0
        else { return }
        merged.withLock { $0 += 1 }
        IndexMerge(session: try Session.beginWriting(vault, leaningOn: [])).run()
      }
    }
    try fixture.backup(try fixture.image("disk", Self.content(7)))
    #expect(merged.withLock { $0 } == 1, "the moment came")
    fixture.wrap = { $0 }
    #expect(try fixture.objects("index").count == 1)
    #expect(try fixture.verify().damaged.isEmpty)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == Self.content(7))
    let again = try fixture.backup(try fixture.image("disk", Self.content(7)), machine: "other")
    #expect(again.point.figures.newByteCount == 0)
  }

  @Test("a merge that fails fails no backup, and the next one does its work")
  func failing() throws {
    let fixture = try EngineFixture()
    for backup in 0..<7 { try fixture.backup(try fixture.image("disk", Self.content(backup))) }
    let names = try fixture.objects("index")
    let written = Lock(0)
    fixture.wrap = { store in
      FailingStore(store) { name in
        guard name.folder == VaultFolder.index else { return false }
        return written.withLock { written in
          written += 1
          return written == 2  // the first is the backup's own
        }
      }
    }
    let before = try fixture.vaultByteCount()
    let report = try fixture.backup(try fixture.image("disk", Self.content(7)))
    #expect(written.withLock { $0 } == 2, "it was tried")
    #expect(try fixture.objects("index").count == names.count + 1)
    #expect(try fixture.vaultByteCount() - before == report.point.figures.storedByteCount)
    fixture.wrap = { $0 }
    try fixture.backup(try fixture.image("disk", Self.content(8)))
    #expect(try fixture.objects("index").count == 1)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == Self.content(8))
  }
}
