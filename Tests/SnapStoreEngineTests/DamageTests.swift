import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Damage is found, and what is not needed may be lost")
struct DamageTests {
  private let content = TestContent.noise(5_000_000, seed: 12)

  private func backedUp() throws -> EngineFixture {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", content))
    return fixture
  }

  @Test("a damaged chunk fails the restore and leaves nothing behind")
  func chunk() throws {
    let fixture = try backedUp()
    let pack = try #require(try fixture.objects("packs").max(by: Self.bySize))
    try fixture.damage(pack, at: 1_000_000)
    let error = #expect(throws: VaultError.self) { try fixture.restore() }
    #expect(error?.code == .damaged)
    #expect(error?.message.contains("disk disk, bytes 0 to 4194304") == true)
    let left = try FileManager.default.contentsOfDirectory(atPath: fixture.directory.path)
    #expect(left.sorted() == ["disk.img", "vault"])
  }

  private static func bySize(_ left: String, _ right: String) -> Bool {
    let size = { (path: String) in
      (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.intValue ?? 0
    }
    return size(left) < size(right)
  }

  @Test("of two copies of a chunk the good one is found")
  func copies() throws {
    let fixture = try backedUp()
    let first = try #require(try fixture.objects("packs").max(by: Self.bySize))
    let aside = "\(fixture.directory.path)/aside"
    try FileManager.default.moveItem(atPath: first, toPath: aside)
    // Without the pack its chunks are stored again; then it comes back, damaged.
    let again = try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(again.point.figures.newByteCount > 0)
    try FileManager.default.moveItem(atPath: aside, toPath: first)
    for offset in stride(from: 1000, to: 3_000_000, by: 50_000) {
      try fixture.damage(first, at: offset)
    }
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }

  @Test("the index can be lost")
  func noIndex() throws {
    let fixture = try backedUp()
    for path in try fixture.objects("index") { try FileManager.default.removeItem(atPath: path) }
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }

  @Test(
    "the index can be damaged, at any place", arguments: [0, 20, 70, 300, 4200, 5000, -3000, -1])
  func damagedIndex(offset: Int) throws {
    let fixture = try backedUp()
    try fixture.damage(try #require(try fixture.objects("index").first), at: offset)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
    let again = try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(again.point.figures.newByteCount == 0)
  }

  @Test("one copy of a point can be damaged, not both", arguments: [1, 2])
  func pointCopies(copy: Int) throws {
    let fixture = try backedUp()
    let copies = try fixture.objects("points")
    #expect(copies.count == 2)
    try fixture.damage(copies[copy - 1], at: 100)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
    try fixture.damage(copies[2 - copy], at: 100)
    let catalog = try PointCatalog(try fixture.vault())
    #expect(catalog.entries.isEmpty)
    #expect(catalog.unreadable.count == 1)
    let id = catalog.unreadable[0].id.text
    let error = #expect(throws: VaultError.self) { try catalog.resolve(id, machine: nil) }
    #expect(error?.code == .damaged)
  }

  @Test("the descriptor can be damaged or lost: a point has a copy")
  func descriptor() throws {
    let fixture = try backedUp()
    try fixture.damage("\(fixture.vaultPath)/vault", at: 150)
    _ = try fixture.restore(to: "one")
    try FileManager.default.removeItem(atPath: "\(fixture.vaultPath)/vault")
    _ = try fixture.restore(to: "two")
    #expect(try fixture.restored("disk", in: "two") == content)
  }

  @Test("a damaged descriptor without points is said to be damaged")
  func onlyDescriptor() throws {
    let fixture = try EngineFixture()
    try fixture.damage("\(fixture.vaultPath)/vault", at: 150)
    let error = #expect(throws: VaultError.self) { try fixture.vault() }
    #expect(error?.code == .damaged)
  }

  @Test("a newer vault is refused as newer", arguments: [12, 16])
  func newer(offset: Int) throws {
    let fixture = try backedUp()
    try fixture.damage("\(fixture.vaultPath)/vault", at: offset)
    let error = #expect(throws: VaultError.self) { try fixture.vault() }
    #expect(error?.code == .unsupported)
  }

  @Test("a vault that was collected by a newer program is left alone")
  func collected() throws {
    let fixture = try backedUp()
    try FileManager.default.createDirectory(
      atPath: "\(fixture.vaultPath)/epochs", withIntermediateDirectories: false)
    try Data([1]).write(to: URL(fileURLWithPath: "\(fixture.vaultPath)/epochs/1"))
    let error = #expect(throws: VaultError.self) {
      try fixture.backup("\(fixture.directory.path)/disk.img")
    }
    #expect(error?.code == .unsupported)
  }
}
