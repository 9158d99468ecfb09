import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Content is stored once")
struct DeduplicationTests {
  private let content = TestContent.noise(9_000_000, seed: 77)

  @Test("within a run, across disks")
  func acrossDisks() throws {
    let fixture = try EngineFixture()
    let report = try fixture.backup(
      try fixture.image("a", content), try fixture.image("b", content))
    #expect(report.point.figures.newByteCount == UInt64(content.count))
    #expect(report.point.figures.reusedByteCount == UInt64(content.count))
  }

  @Test("against the vault, across machines: the same disk again adds a point and no data")
  func acrossMachines() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("a", content), machine: "one")
    let packs = try fixture.objects("packs")
    let report = try fixture.backup(try fixture.image("other", content), machine: "two")
    #expect(report.point.figures.newByteCount == 0)
    #expect(report.point.figures.storedByteCount < 10_000)
    #expect(try fixture.objects("packs") == packs)
  }

  @Test("shifted by blocks, most of a disk is recognised")
  func shifted() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("a", content))
    let moved = TestContent.noise(5 * 4096, seed: 1) + content
    let report = try fixture.backup(try fixture.image("b", moved), machine: "two")
    #expect(report.point.figures.newByteCount < UInt64(content.count / 4))
  }

  @Test("a changed block costs its chunks and its map nodes")
  func smallChange() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("a", content))
    var changed = content
    changed[5_000_000] ^= 1
    let report = try fixture.backup(try fixture.image("a", changed))
    #expect(report.point.figures.newByteCount <= UInt64(2 * FormatLimit.maximumChunk))
    #expect(report.point.parent != nil)
    _ = try fixture.restore()
    #expect(try fixture.restored("a") == changed)
  }

  @Test("packs of a run that died before its index segment are found and used")
  func packsOfTheDead() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("a", content)
    fixture.wrap = { FailingStore($0) { name in name.folder == VaultFolder.index } }
    #expect(throws: FailingStore.Refused.self) { try fixture.backup(path) }
    #expect(try fixture.objects("index").isEmpty)
    #expect(try !fixture.objects("packs").isEmpty)
    fixture.wrap = { $0 }
    let report = try fixture.backup(path)
    #expect(report.point.figures.newByteCount == 0)
    #expect(report.point.figures.storedByteCount < 100_000)
    #expect(try !fixture.objects("index").isEmpty)
    _ = try fixture.restore()
    #expect(try fixture.restored("a") == content)
  }
}
