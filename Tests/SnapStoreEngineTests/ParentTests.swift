import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A point after the first costs what changed")
struct ParentTests {
  private static let mixed = TestContent.mixed(9_000_001, seed: 31)
  private var content: [UInt8] { Self.mixed }

  @Test("an unchanged disk shares its parent's map, and adds nothing but a point")
  func unchanged() throws {
    let fixture = try EngineFixture()
    let first = try fixture.backup(try fixture.image("disk", content))
    let before = try fixture.objects("packs") + fixture.objects("index")
    let second = try fixture.backup(try fixture.image("disk", content))
    #expect(second.point.parent == first.point.id)
    #expect(second.point.disks[0].root == first.point.disks[0].root)
    #expect(try fixture.objects("packs") + fixture.objects("index") == before)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }

  @Test(
    "random changes: the map is the one that a backup without a parent makes", arguments: 1...6)
  func sameMapAsWithoutParent(seed: UInt64) throws {
    let random = SeededRandomness(seed: seed)
    let fixture = try EngineFixture()
    var bytes = content
    try fixture.backup(try fixture.image("disk", bytes))
    for _ in 0..<3 {
      for _ in 0..<(random.next() % 5) {
        let start = Int(random.next() % UInt64(bytes.count))
        let end = min(bytes.count, start + Int(random.next() % 100_000))
        let isZero = random.next() % 3 == 0
        bytes.replaceSubrange(
          start..<end,
          with: isZero ? [UInt8](repeating: 0, count: end - start) : random.bytes(end - start))
      }
      switch random.next() % 4 {
      case 0: bytes += random.bytes(Int(random.next() % 5_000_000))
      case 1: bytes.removeLast(Int(random.next() % UInt64(bytes.count / 2)))
      default: break
      }
      let path = try fixture.image("disk", bytes)
      let with = try fixture.backup(path)
      let without = try fixture.backup(path, machine: "another\(random.next() % 100_000)")
      #expect(with.point.disks[0].root == without.point.disks[0].root, "seed \(seed)")
      #expect(without.point.figures.newByteCount == 0, "seed \(seed)")
    }
    _ = try fixture.restore(try PointCatalog(try fixture.vault()).entries.last?.point.id.text ?? "")
    #expect(try fixture.restored("disk") == bytes, "seed \(seed)")
  }

  @Test("a point that is deleted before the backup is registered is no parent")
  func deletedParent() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", content)
    let first = try fixture.backup(path).point.id
    let isDeleted = fixture.beforeFirst(of: VaultFolder.sessions) { try fixture.delete(first) }
    #expect(try fixture.backup(path).point.parent == nil)
    #expect(isDeleted.withLock { $0 })
    #expect(try fixture.backup(path).point.parent != nil)
  }

  @Test("where a pack of the parent is lost, what it held is stored again, and all points restore")
  func heals() throws {
    let fixture = try EngineFixture()
    let first = try fixture.backup(try fixture.image("disk", content)).point.id
    for pack in try fixture.objects("packs") {
      try FileManager.default.removeItem(atPath: pack)
    }
    #expect(throws: VaultError.self) { try fixture.restore() }
    let second = try fixture.backup(try fixture.image("disk", content))
    #expect(second.point.figures.newByteCount > 0)
    for (name, point) in [("one", first), ("two", second.point.id)] {
      _ = try fixture.restore(point.text, to: name)
      #expect(try fixture.restored("disk", in: name) == content)
    }
  }

  @Test("where a pack is lost and the index with it, nobody relies on the parent")
  func lostIndex() throws {
    let fixture = try EngineFixture()
    let first = try fixture.backup(try fixture.image("disk", content)).point.id
    let packs = try fixture.objects("packs").map { path in
      (path, try Data(contentsOf: URL(fileURLWithPath: path)).count)
    }
    let largest = try #require(packs.max { $0.1 < $1.1 }).0
    for path in try fixture.objects("index") + [largest] {
      try FileManager.default.removeItem(atPath: path)
    }
    let second = try fixture.backup(try fixture.image("disk", content))
    #expect(second.point.figures.newByteCount > 0)
    for (name, point) in [("one", first), ("two", second.point.id)] {
      _ = try fixture.restore(point.text, to: name)
      #expect(try fixture.restored("disk", in: name) == content)
    }
  }

  @Test("map nodes of the parent that are damaged are stored again, and all points restore")
  func damagedMap() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", content))
    // The small pack is the one of map nodes.
    let packs = try fixture.objects("packs").map { path in
      (path, try Data(contentsOf: URL(fileURLWithPath: path)).count)
    }
    let map = try #require(packs.min { $0.1 < $1.1 })
    for offset in stride(from: 64 + 90, to: map.1 - 600, by: 100) {
      try fixture.damage(map.0, at: offset)
    }
    #expect(throws: VaultError.self) { try fixture.restore() }
    let second = try fixture.backup(try fixture.image("disk", content))
    #expect(second.point.figures.newByteCount == 0)
    for point in try PointCatalog(try fixture.vault()).entries.map(\.point.id.text) {
      _ = try fixture.restore(point, to: point)
      #expect(try fixture.restored("disk", in: point) == content)
    }
  }
}
