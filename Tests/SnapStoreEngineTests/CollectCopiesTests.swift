import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// Where a collection chooses between copies, or makes one, it must have seen that what stays is
/// whole.
@Suite("A collection lets no good copy go for a bad one") struct CollectCopiesTests {
  private let content = TestContent.noise(5_000_000, seed: 61)

  private func damage(
    _ fixture: EngineFixture, _ entry: PackDirectoryEntry, inPackAt path: String
  ) throws {
    try fixture.damage(path, at: Int(entry.record.offset) + PackRecord.headByteCount + 9)
  }

  private func damageChunks(_ fixture: EngineFixture, inPackAt path: String) throws {
    for entry in try fixture.directory(ofPackAt: path) {
      try damage(fixture, entry, inPackAt: path)
    }
  }

  /// Two machines with one content are backed up at once, so the vault has two copies of all of it.
  /// With the packs that hold the chunks of each.
  private func backedUpTwice() throws -> (fixture: EngineFixture, packs: [String]) {
    let fixture = try EngineFixture()
    let image = try fixture.image("disk", content)
    let isDone = Lock(false)
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .create(let name) = event, name.folder == VaultFolder.packs else { return }
        // No pack of the one is there before the other has ended, whichever lane begins first.
        try isDone.withLock { isDone in
          guard !isDone else { return }
          isDone = true
          fixture.wrap = { $0 }
          try fixture.backup(image, machine: "b")
        }
      }
    }
    try fixture.backup(image, machine: "a")
    fixture.wrap = { $0 }
    let large = try fixture.packsBySize().prefix(2).sorted()
    for pack in large { #expect(try fixture.directory(ofPackAt: pack)[0].kind == .chunk) }
    return (fixture, large)
  }

  /// Whichever of two copies is looked at first, one that is damaged is met, and it may be one that
  /// something was read from.
  @Test("a copy that turns out to be damaged ends the collection, which may go on the next time")
  func damagedOfTwo() throws {
    let (fixture, packs) = try backedUpTwice()
    let first = try #require(try fixture.directory(ofPackAt: packs[0]).first)
    let second = try #require(
      try fixture.directory(ofPackAt: packs[1]).first { $0.id != first.id })
    try damage(fixture, first, inPackAt: packs[0])
    try damage(fixture, second, inPackAt: packs[1])
    let before = try fixture.objects("packs")
    let error = #expect(throws: VaultError.self) { try fixture.collect(maximumDeadPercent: 0) }
    #expect(error?.code == .damaged)
    #expect(try fixture.objects("epochs").isEmpty && fixture.objects("packs") == before)
    #expect(try fixture.objects("damage").count == 1)
    for _ in 0..<2 { _ = try? fixture.collect(maximumDeadPercent: 0) }
    for machine in ["a", "b"] {
      _ = try fixture.restore("latest", machine: machine, to: machine)
      #expect(try fixture.restored("disk", in: machine) == content)
    }
  }

  @Test("a copy that was found damaged before is looked at again, though it is the only one")
  func knownDamage() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("one", content), machine: "a")
    let pack = try #require(try fixture.packsBySize().first)
    let other = TestContent.noise(2_000_000, seed: 63)
    let second = try fixture.backup(try fixture.image("two", other), machine: "b").point.id
    let entry = try #require(try fixture.directory(ofPackAt: pack).first)
    try damage(fixture, entry, inPackAt: pack)
    #expect(try fixture.verify().damaged.count == 1)
    #expect(try fixture.objects("damage").count == 1)
    try fixture.delete(second)
    let before = try fixture.objects("packs")
    let error = #expect(throws: VaultError.self) { try fixture.collect() }
    #expect(error?.code == .damaged)
    #expect(try fixture.objects("epochs").isEmpty && fixture.objects("packs") == before)
    // A medium that reads again.
    try damage(fixture, entry, inPackAt: pack)
    #expect(try fixture.collect().deletedPointCount == 1)
    _ = try fixture.restore("latest", machine: "a")
    #expect(try fixture.restored("one") == content)
  }

  @Test("of two copies the good one is kept", arguments: [false, true])
  func twoCopies(isFirst: Bool) throws {
    let (fixture, large) = try backedUpTwice()
    try damageChunks(fixture, inPackAt: large[isFirst ? 0 : 1])
    for round in 0..<2 {
      do {
        try fixture.collect(maximumDeadPercent: 0)
      } catch let error as VaultError where error.code == .damaged {
        // It has found the damage, recorded it, and freed nothing.
        #expect(round == 0)
      }
    }
    for machine in ["a", "b"] {
      _ = try fixture.restore("latest", machine: machine, to: machine)
      #expect(try fixture.restored("disk", in: machine) == content)
    }
  }

  @Test("copies are checked in the order in which they lie, and not one by one")
  func readsOfCopies() throws {
    let (fixture, _) = try backedUpTwice()
    let reads = Lock(0)
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .read(let name, _) = event, name.folder == VaultFolder.packs else { return }
        reads.withLock { $0 += 1 }
      }
    }
    try fixture.collect(maximumDeadPercent: 0)
    // Of each of some 150 chunks one copy is read; alone, that and the rest would be 214 reads.
    #expect(reads.withLock { $0 } < 130)
    for machine in ["a", "b"] {
      _ = try fixture.restore("latest", machine: machine, to: machine)
      #expect(try fixture.restored("disk", in: machine) == content)
    }
  }

  @Test("what is damaged is not copied out of a pack half dead, and nothing goes")
  func damagedCopy() throws {
    let fixture = try EngineFixture()
    try fixture.leaveHalfDead(content, seed: 62)
    let old = try #require(
      try fixture.packsBySize().first { path in
        try fixture.directory(ofPackAt: path).reduce(0) { $0 + $1.record.byteCount } > 4_000_000
      })
    try damageChunks(fixture, inPackAt: old)
    let before = try fixture.objects("packs")
    let error = #expect(throws: VaultError.self) { try fixture.collect(maximumDeadPercent: 0) }
    #expect(error?.code == .damaged)
    #expect(Set(try fixture.objects("packs")).isSuperset(of: before))
    #expect(try fixture.objects("epochs").isEmpty)
    #expect(try fixture.objects("damage").count == 1)
  }

  @Test("copies are durable and indexed before the decision, and nothing goes before it")
  func order() throws {
    let fixture = try EngineFixture()
    try fixture.leaveHalfDead(content, seed: 62)
    let events = Lock<[String]>([])
    fixture.wrap = { store in
      ObservedStore(store) { event in
        switch event {
        case .finish(let name): events.withLock { $0.append("put \(name.folder)") }
        case .delete(let name): events.withLock { $0.append("delete \(name.folder)") }
        default: break
        }
      }
    }
    try fixture.collect(maximumDeadPercent: 0)
    let all = events.withLock { $0 }
    let decision = try #require(all.firstIndex(of: "put epochs"))
    #expect(!all[..<decision].contains { $0.hasPrefix("delete") })
    let pack = try #require(all[..<decision].lastIndex(of: "put packs"))
    #expect(all[pack..<decision].contains("put index"))
    #expect(all.contains("delete packs") && all.contains("delete points"))
  }

  @Test("where a chunk that is needed has no copy, nothing goes")
  func missingCopy() throws {
    let fixture = try EngineFixture()
    let first = try fixture.backup(try fixture.image("one", content), machine: "a").point.id
    let known = Set(try fixture.objects("packs"))
    let other = TestContent.noise(5_000_000, seed: 63)
    try fixture.backup(try fixture.image("two", other), machine: "b")
    try fixture.delete(first)
    let lost = try #require(try fixture.packsBySize().first { !known.contains($0) })
    try FileManager.default.removeItem(atPath: lost)
    let error = #expect(throws: VaultError.self) { try fixture.collect() }
    #expect(error?.code == .damaged)
    #expect(Set(try fixture.objects("packs")).isSuperset(of: known))
    #expect(try fixture.objects("epochs").isEmpty)
  }
}
