import Foundation
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Merging index segments")
struct IndexMergeTests {
  private let fixture: IndexMergeFixture

  init() throws {
    fixture = try IndexMergeFixture()
  }

  private func merge(
    _ wrap: (any ObjectStore) -> any ObjectStore = { $0 }
  ) throws {
    IndexMerge(session: try fixture.session(wrap)).run()
  }

  @Test("eight become one that tells the same; seven stay")
  func eight() throws {
    let seven = try fixture.putSegments(7)
    try merge()
    #expect(try fixture.segments() == seven)
    try fixture.putSegments(1)
    try merge()
    #expect(try fixture.segments().count == 1)
    #expect(try fixture.entryCount() == 1600)
    try fixture.expectAllFound()
  }

  @Test("three hundred become a few, in one run, tier after tier")
  func hundreds() throws {
    try fixture.putSegments(300, entryCount: 20)
    try merge()
    #expect(try fixture.segments().count <= 7)
    #expect(try fixture.entryCount() == 6000)
    try fixture.expectAllFound()
  }

  @Test("packs that are covered twice come once, and so do their entries; other copies stay")
  func overlapping() throws {
    let shared = try fixture.putPack()
    let id = fixture.randomID()
    let inShared = (0..<5).map { fixture.entry(id, pack: 0, offset: 64 + 100 * $0) }
    // The same pack twice, with copies of one ID in another order, and eight packs of their own.
    for number in 0..<8 {
      let own = try fixture.putPack()
      let copies = number % 2 == 0 ? inShared : inShared.reversed()
      try fixture.putSegment(
        [shared, own], entries: copies + [fixture.entry(id, pack: 1, offset: 64)])
    }
    #expect(try fixture.entryCount() == 48)
    try merge()
    #expect(try fixture.segments().count == 1)
    #expect(try fixture.entryCount() == 13, "five in the shared pack, eight beside it")
    try fixture.expectAllFound()
  }

  @Test("without entries, and with packs that hold none")
  func empty() throws {
    try fixture.putSegments(8, entryCount: 0)
    try merge()
    #expect(try fixture.segments().count == 1)
    try fixture.expectAllFound()
  }

  @Test("a segment of which a pack is missing, or has another size, stays: it tells of the loss")
  func missingPack() throws {
    let names = try fixture.putSegments(9)
    let packs = try fixture.directory.names("vault/packs")
    try FileManager.default.removeItem(atPath: fixture.directory.path("vault/packs/\(packs[0])"))
    _ = try fixture.directory.write([1], to: "vault/packs/\(packs[1])")
    try merge()
    #expect(try fixture.segments() == names, "seven are left to merge")
    try fixture.putSegments(1)
    try merge()
    #expect(try fixture.segments().count == 3)
    #expect(try fixture.segments().prefix(2) == names.prefix(2))
    try fixture.expectAllFound(lost: 400)
  }

  @Test(
    "a damaged one stays, wherever it is damaged, and the others are merged",
    arguments: [5, 250, 4096 + 10, 2 * 4096 + 10, 3 * 4096 + 4090])
  func damaged(offset: Int) throws {
    let names = try fixture.putSegments(9, entryCount: 290)
    let path = "vault/index/\(names[4])"
    var bytes = try fixture.directory.read(path)
    bytes[offset] ^= 0x10
    _ = try fixture.directory.write(bytes, to: path)
    try merge()
    let left = try fixture.segments()
    #expect(left.count == 2)
    #expect(left.contains(names[4]))
    #expect(try fixture.directory.read(path) == bytes)
  }

  @Test(
    "entries not in order, or of no pack, though their checksums are right, are not merged",
    arguments: [(ids: [9, 3], pack: 0), (ids: [3, 9], pack: 1)] as [(ids: [UInt64], pack: UInt32)])
  func wrongEntries(ids: [UInt64], pack row: UInt32) throws {
    let names = try fixture.putSegments(8)
    let pack = try fixture.putPack()
    let entries = ids.map { fixture.entry(ChunkID($0, 0, 0, 0), pack: row, offset: 64) }
    let name = fixture.nextName()
    #expect(
      try fixture.store.put(
        IndexMergeFixture.segment(name),
        IndexSegmentLayout.encode(packs: [pack], entries: entries)))
    try merge()
    #expect(try fixture.segments().count == 2)
    #expect(try fixture.segments().contains(name))
    #expect(try !fixture.segments().contains(names[0]))
  }

  @Test("what a later version put into a segment is not lost", arguments: [true, false])
  func later(section: Bool) throws {
    let names = try fixture.putSegments(9)
    let path = "vault/index/\(names[0])"
    var bytes = try fixture.directory.read(path)
    let header = try ObjectHeader(
      decoding: bytes.rawSpan.extracting(0..<64), expecting: .indexSegment)
    let length = UInt64(bytes.count)
    var table = try header.table(
      decoding: bytes.rawSpan.extracting(64..<224), bodiesFrom: 224, to: length)
    if section {
      // The bodies behind the table move by a row; there is room in front of the first page.
      let bodies = Array(bytes[224..<(224 + 16 + 32)])
      bytes.replaceSubrange(264..<(264 + bodies.count), with: bodies)
      table[0].offset += 40
      table[1].offset += 40
      table.append(SectionEntry(type: 9, flags: 0, offset: length, length: 0, checksum: 0))
    }
    let features = FeatureBits(optional: section ? 0 : 4)
    let newer =
      ObjectHeader(kind: .indexSegment, features: features, objectLength: length, table: table)
      .encoded() + SectionEntry.encode(table)
    bytes.replaceSubrange(0..<newer.count, with: newer)
    _ = try fixture.directory.write(bytes, to: path)
    try fixture.expectAllFound()
    try merge()
    #expect(try fixture.segments().count == 2)
    #expect(try fixture.directory.read(path) == bytes)
    try fixture.expectAllFound()
  }

  @Test("segments that name more packs than there are stay, and their tables are not read")
  func madeUpPacks() throws {
    let names = try fixture.putSegments(9)
    let madeUp = (0..<UInt64(100)).map { number in
      CoveredPack(
        name: SerialName(session: SessionID(high: 1, low: 2), number: number), byteCount: 9)
    }
    let hostile = try (0..<8).map { _ in try fixture.putSegment(madeUp) }
    let session = try fixture.session { store in
      ObservedStore(store) { event in
        guard case .read(let name, let byteCount) = event, name.folder == VaultFolder.index else {
          return
        }
        #expect(byteCount != madeUp.count * CoveredPack.byteCount)
      }
    }
    IndexMerge(session: session).run()
    let left = try fixture.segments()
    #expect(Set(left).isSuperset(of: hostile) && Set(left).isDisjoint(with: names.prefix(8)))
    try fixture.expectAllFound()
  }

  private struct Stopped: Error {}

  @Test("stopped at any step, everything is still found, and the next run ends the work")
  func everyStep() throws {
    for step in 0... {
      let fixture = try IndexMergeFixture()
      try fixture.putSegments(8, entryCount: 100)
      let count = Lock(-1)
      let session = try fixture.session { store in
        ObservedStore(store) { _ in
          let isLast = count.withLock { count in
            if count >= 0 { count += 1 }
            return count > step
          }
          if isLast { throw Stopped() }
        }
      }
      count.withLock { $0 = 0 }
      IndexMerge(session: session).run()
      let isStopped = count.withLock { $0 > step }
      try fixture.expectAllFound()
      #expect(try fixture.segments().count == 1 || isStopped, "step \(step)")
      IndexMerge(session: try fixture.session()).run()
      try fixture.expectAllFound()
      #expect(try fixture.segments().count <= 7, "step \(step)")
      guard isStopped else {
        #expect(step > 40)
        return
      }
    }
  }

  @Test("a merged segment has its name before the first input goes")
  func order() throws {
    let names = try fixture.putSegments(8)
    let events = Lock<[ObservedStore.Event]>([])
    try merge { store in
      ObservedStore(store) { event in
        switch event {
        case .finish(let name), .delete(let name):
          if name.folder == VaultFolder.index { events.withLock { $0.append(event) } }
        default: break
        }
      }
    }
    let merged = try #require(try fixture.segments().first)
    #expect(
      events.withLock { $0 }
        == [.finish(IndexMergeFixture.segment(merged))]
        + names.map { .delete(IndexMergeFixture.segment($0)) })
  }

  @Test("the inputs are read while the output is written, in small pieces")
  func streamed() throws {
    try fixture.putSegments(8, entryCount: 20_000)
    let read = Lock((sum: 0, largest: 0))
    let readAtFirstAppend = Lock(0)
    let largestAppend = Lock(0)
    try merge { store in
      ObservedStore(store) { event in
        switch event {
        case .read(let name, let byteCount) where name.folder == VaultFolder.index:
          read.withLock { $0 = ($0.sum + byteCount, max($0.largest, byteCount)) }
        case .append(let name, let byteCount) where name.folder == VaultFolder.index:
          let sum = read.withLock { $0.sum }
          readAtFirstAppend.withLock { if $0 == 0 { $0 = sum } }
          largestAppend.withLock { $0 = max($0, byteCount) }
        default: break
        }
      }
    }
    #expect(try fixture.segments().count == 1)
    let total = 160_000 / 73 * 4096
    #expect(read.withLock { $0.sum } > total)
    #expect(read.withLock { $0.sum } < total + total / 10, "each page is read once")
    #expect(readAtFirstAppend.withLock { $0 } < total / 8)
    #expect(read.withLock { $0.largest } <= 64 * 1024)
    #expect(largestAppend.withLock { $0 } <= 70 * 1024)
    try fixture.expectAllFound()
  }

  @Test("an interrupted merge stops and changes nothing")
  func interrupted() throws {
    let names = try fixture.putSegments(8)
    let interruption = Interruption()
    interruption.raise()
    IndexMerge(session: try fixture.session(), interruption: interruption).run()
    #expect(try fixture.segments() == names)
  }

  @Test("two that merge the same at once: one waits until the other is done, at any step")
  func twoAtOnce() throws {
    for step in 0... {
      let fixture = try IndexMergeFixture()
      try fixture.putSegments(8, entryCount: 20)
      let count = Lock(-1)
      let other = IndexMerge(session: try fixture.session())
      let session = try fixture.session { store in
        ObservedStore(store) { _ in
          let isTurn = count.withLock { count in
            if count >= 0 { count += 1 }
            return count == step + 1
          }
          // The other begins and ends while the first stands still.
          if isTurn { other.run() }
        }
      }
      count.withLock { $0 = 0 }
      IndexMerge(session: session).run()
      #expect((1...2).contains(try fixture.segments().count), "step \(step)")
      try fixture.expectAllFound()
      if count.withLock({ $0 <= step }) { return }
    }
  }

  @Test("overlapping merged segments become one again, of each entry one")
  func overlappingMerges() throws {
    let names = try fixture.putSegments(8, entryCount: 100)
    let first = try fixture.session()
    // The second has its inputs open when the first deletes them.
    let isFirst = Lock(true)
    try merge { store in
      ObservedStore(store) { event in
        guard case .create(let name) = event, name.folder == VaultFolder.index,
          isFirst.withLock({ isFirst in
            defer { isFirst = false }
            return isFirst
          })
        else { return }
        IndexMerge(session: first).run()
      }
    }
    let both = try fixture.segments()
    #expect(both.count == 2 && Set(both).isDisjoint(with: names))
    #expect(try fixture.entryCount() == 1600)
    try fixture.putSegments(6, entryCount: 10)
    try merge()
    #expect(try fixture.segments().count == 1)
    #expect(try fixture.entryCount() == 860)
    try fixture.expectAllFound()
  }
}
