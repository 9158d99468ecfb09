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

  @Test("a map node that says something else under its ID brings no wrong byte")
  func anotherNode() throws {
    let fixture = try EngineFixture()
    let content = TestContent.noise(1_000_000, seed: 13)
    try fixture.backup(try fixture.image("disk", content))
    let pack = try #require(try fixture.packsBySize().last)
    let entry = try fixture.directory(ofPackAt: pack)[0]
    var file = Array(try Data(contentsOf: URL(fileURLWithPath: pack)))
    let start = Int(entry.record.offset)
    let stored = Array(file[(start + PackRecord.headByteCount)..<(start + entry.record.byteCount)])
    var raw = [UInt8](repeating: 0, count: Int(entry.record.rawLength))
    try raw.withMutableRawSpan { target throws(any Error) in
      try entry.record.codec.decode(stored.rawSpan, into: &target)
    }
    let node = try ExtentNode(decoding: raw.rawSpan, extentLength: content.count)
    // Two chunks change places: a node like any other, in a record like any other.
    let swapped = try #require(
      (1..<(node.ranges.count - 1)).lazy.compactMap { number -> [UInt8]? in
        var other = node
        other.ranges.swapAt(number - 1, number)
        let bytes = other.encoded()
        var target = [UInt8](repeating: 0, count: bytes.count)
        let compressed = target.withMutableRawSpan {
          Compression.lz4.compress(bytes.rawSpan, into: &$0)
        }
        let fits = compressed.map { Array(target.prefix($0.1)) } ?? bytes
        return fits.count == stored.count ? fits : nil
      }.first)
    let record = PackRecord(
      kind: .mapNode, codec: entry.record.codec, rawLength: raw.count, storedLength: stored.count,
      id: entry.id, storedChecksum: Checksum.of(swapped.rawSpan))
    file.withMutableRawSpan { record.encode(to: &$0, at: start) }
    file.replaceSubrange(
      (start + PackRecord.headByteCount)..<(start + entry.record.byteCount), with: swapped)
    try Data(file).write(to: URL(fileURLWithPath: pack))

    let error = #expect(throws: VaultError.self) { try fixture.restore() }
    #expect(error?.code == .damaged)
    #expect(try fixture.directory.names() == ["disk.img", "vault"])
    #expect(try fixture.verify().damaged.isEmpty == false)
    try fixture.backup("\(fixture.directory.path)/disk.img")
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
    let fixture = try EngineFixture()
    let path = URL(fileURLWithPath: "\(fixture.vaultPath)/vault")
    let bytes = [UInt8](try Data(contentsOf: path))
    try Data(asNewer(bytes, at: offset)).write(to: path)
    let error = #expect(throws: VaultError.self) { try fixture.vault() }
    #expect(error?.code == .unsupported)
    try Data(bytes).write(to: path)
    try fixture.damage(path.path, at: offset)
    let damage = #expect(throws: VaultError.self) { try fixture.vault() }
    #expect(damage?.code == .damaged, "no point has a copy")
  }

  @Test("a vault with a feature that was added later is left alone")
  func laterFeature() throws {
    let fixture = try backedUp()
    try FileManager.default.createDirectory(
      atPath: "\(fixture.vaultPath)/features", withIntermediateDirectories: false)
    try Data([1]).write(to: URL(fileURLWithPath: "\(fixture.vaultPath)/features/parity"))
    let error = #expect(throws: VaultError.self) { try fixture.vault() }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("parity") == true)
  }

  @Test("a damaged page of a large index costs no restore, whichever lanes meet it at once")
  func damagedPages() throws {
    var parameters = Vault.Parameters()
    parameters.chunking = .fixed(4096)
    let fixture = try EngineFixture(parameters: parameters)
    try fixture.backup(try fixture.image("disk", content))
    let segment = try #require(try fixture.objects("index").first)
    for page in [2, 3, 9] { try fixture.damage(segment, at: page * 4096 + 7) }
    for attempt in 0..<4 {
      _ = try fixture.restore(to: "restored\(attempt)")
      #expect(try fixture.restored("disk", in: "restored\(attempt)") == content)
    }
    let again = try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other")
    #expect(again.point.figures.newByteCount == 0)
    #expect(try !fixture.objects("index").contains(segment), "a good segment takes its place")
    #expect(try fixture.objects("index").count == 1)
  }

  @Test("segments that cover one pack twice, both damaged")
  func twoSegments() throws {
    let fixture = try backedUp()
    let segment = try #require(try fixture.objects("index").first)
    let copy = "\(fixture.vaultPath)/index/\(String(repeating: "a", count: 32))-00000001"
    try FileManager.default.copyItem(atPath: segment, toPath: copy)
    for path in [segment, copy] { try fixture.damage(path, at: 5000) }
    let again = try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other")
    #expect(again.point.figures.newByteCount == 0)
    _ = try fixture.restore(again.point.id.text)
    #expect(try fixture.restored("disk") == content)
  }

  @Test("a pack that lost its end still gives its records")
  func truncatedPack() throws {
    let fixture = try backedUp()
    for path in try fixture.objects("packs") {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      try data.dropLast(1).write(to: URL(fileURLWithPath: path))
    }
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }

  @Test("an outcome can be damaged or lost: there is a copy")
  func outcomes() throws {
    let fixture = try backedUp()
    let outcomes = try fixture.objects("outcomes")
    #expect(outcomes.count == 2)
    try fixture.damage(outcomes[0], at: 70)
    _ = try fixture.restore(to: "one")
    try FileManager.default.removeItem(atPath: outcomes[0])
    _ = try fixture.restore(to: "two")
    #expect(try fixture.restored("disk", in: "two") == content)
  }

  @Test("an outcome that can't be read takes one point away and no other")
  func damagedOutcome() throws {
    let fixture = try backedUp()
    let first = try PointCatalog(try fixture.vault()).entries[0].point
    let second = try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other").point
    for path in try fixture.objects("outcomes") where path.contains("\(second.session)") {
      try fixture.damage(path, at: 70)
    }
    let catalog = try PointCatalog(try fixture.vault())
    #expect(catalog.entries.map(\.point.id) == [first.id])
    #expect(catalog.unreadable.map(\.id) == [second.id])
    _ = try fixture.restore(first.id.text)
    #expect(try fixture.restored("disk") == content)
  }

  @Test("an outcome under another session's name is damaged, and takes no point away in silence")
  func swappedOutcomes() throws {
    let fixture = try backedUp()
    try fixture.backup("\(fixture.directory.path)/disk.img", machine: "other")
    let outcomes = try fixture.objects("outcomes").filter { !$0.hasSuffix(".2") }
    let bytes = try outcomes.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    try bytes[0].write(to: URL(fileURLWithPath: outcomes[1]))
    try bytes[1].write(to: URL(fileURLWithPath: outcomes[0]))
    #expect(try PointCatalog(try fixture.vault()).entries.count == 2, "by their copies")
    for path in outcomes { try FileManager.default.removeItem(atPath: "\(path).2") }
    let catalog = try PointCatalog(try fixture.vault())
    #expect(catalog.entries.isEmpty && catalog.unreadable.count == 2)
  }

  @Test("latest does not pass over a newer point that is damaged")
  func damagedLatest() throws {
    let fixture = try backedUp()
    let second = try fixture.backup("\(fixture.directory.path)/disk.img").point
    for path in try fixture.objects("points") where path.contains(second.id.text) {
      try fixture.damage(path, at: 270)
    }
    let error = #expect(throws: VaultError.self) { try fixture.restore() }
    #expect(error?.code == .damaged)
    #expect(error?.message.contains(second.id.text) == true)
  }

  @Test("where the newest epoch can't be read, a backup relies on no pack, and all goes on")
  func damagedEpoch() throws {
    let fixture = try backedUp()
    try FileManager.default.createDirectory(
      atPath: "\(fixture.vaultPath)/epochs", withIntermediateDirectories: false)
    try Data([1]).write(to: URL(fileURLWithPath: "\(fixture.vaultPath)/epochs/00000001"))
    let other = try fixture.image("other", content)
    let report = try fixture.backup(other)
    let figures = report.point.disks[0].figures
    #expect(figures.newByteCount > 0 && figures.reusedByteCount == 0)
    _ = try fixture.restore()
    let found = try fixture.verify()
    #expect(found.damaged.map(\.object) == ["epochs/00000001"])
  }
}
