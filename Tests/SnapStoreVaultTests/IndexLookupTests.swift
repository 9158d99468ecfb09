import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("What a lookup reads")
struct IndexLookupTests {
  /// Reads of a store, by folder.
  private final class Reads: Sendable {
    private let counts = Lock<[String: Int]>([:])
    private let lengths = Lock<[String: Int]>([:])

    subscript(folder: String) -> Int { counts.withLock { $0[folder] ?? 0 } }
    func reset() { counts.withLock { $0 = [:] } }
    /// The bytes of the longest read of all.
    func longest(_ folder: String) -> Int { lengths.withLock { $0[folder] ?? 0 } }

    func observing(_ store: any ObjectStore) -> any ObjectStore {
      ObservedStore(store) { [counts, lengths] event in
        guard case .read(let name, let byteCount) = event else { return }
        counts.withLock { $0[name.folder, default: 0] += 1 }
        lengths.withLock { $0[name.folder] = max($0[name.folder] ?? 0, byteCount) }
      }
    }
  }

  private let fixture: IndexMergeFixture
  private let reads = Reads()

  init() throws {
    fixture = try IndexMergeFixture()
  }

  /// Stores packs of so many tiny records, with their segments; returns the IDs, pack by pack.
  private func store(packs: Int, records: Int) throws -> [[ChunkID]] {
    let session = try fixture.session()
    let index = try ChunkIndex(session: session, memory: 8 << 20)
    let size = PackRecord.headByteCount + 1
    let bytes = [UInt8](repeating: 0, count: records * size)
    return try (0..<packs).map { _ in
      let ids = (0..<records).map { _ in fixture.randomID() }
      let entries = ids.enumerated().map { number, id in
        PackDirectoryEntry(
          id: id, kind: .chunk,
          record: RecordPlace(
            offset: UInt64(number * size), rawLength: 1, storedLength: 1, codec: .raw))
      }
      let writer = PackWriter(session: session, index: index)
      try bytes.withRawSpan { try writer.append($0, entries) }
      try writer.finish()
      try index.writeSegment()
      return ids
    }
  }

  private func open(memory: Int) throws -> ChunkIndex {
    let index = try ChunkIndex(session: try fixture.session(reads.observing), memory: memory)
    reads.reset()
    return index
  }

  @Test("neighbours are found by their pack's directory, without the index")
  func neighbors() throws {
    let packs = try store(packs: 2, records: 10_000)
    let index = try open(memory: 16 << 20)
    for (number, ids) in packs.enumerated() {
      let found = try index.bestLocations(of: ids)
      let expected = try ids.map { try index.locations(of: $0)[0] }
      #expect(found == expected)
      reads.reset()
      #expect(try index.bestLocations(of: ids.reversed()) == expected.reversed())
      #expect(reads[VaultFolder.index] == 0, "pack \(number)")
    }
  }

  @Test("a few pages are read before a directory is, and then none")
  func firstFinds() throws {
    let ids = try store(packs: 1, records: 10_000)[0]
    let index = try open(memory: 16 << 20)
    var isNew: [Bool] = []
    for start in stride(from: 0, to: ids.count, by: 1_000) {
      try index.claim(Array(ids[start..<(start + 1_000)]), isNew: &isNew)
      #expect(!isNew.contains(true))
    }
    // All of the index has 137 pages.
    #expect((1...60).contains(reads[VaultFolder.index]))
    #expect((1...8).contains(reads[VaultFolder.packs]))
  }

  @Test("what is asked for alone reads no directory, nor does one that does not fit")
  func alone() throws {
    let ids = try store(packs: 1, records: 2_000)[0]
    let index = try open(memory: 16 << 20)
    for id in ids { #expect(try index.bestLocations(of: [id])[0] != nil) }
    #expect(reads[VaultFolder.packs] == 0)
    let small = try open(memory: 1 << 20)
    #expect(try !small.bestLocations(of: ids).contains(nil))
    #expect(reads[VaultFolder.packs] <= 4)
  }

  @Test("a directory that is damaged is done without")
  func damaged() throws {
    let ids = try store(packs: 1, records: 2_000)[0]
    let name = try #require(try fixture.vault().listPacks().first)
    let object = ObjectName(folder: VaultFolder.packs, key: "\(name.key)")
    var bytes = try #require(try fixture.store.get(object, limit: 1 << 24))
    bytes[bytes.count - 200] ^= 1
    #expect(try fixture.store.delete(object))
    #expect(try fixture.store.put(object, bytes))
    let index = try open(memory: 16 << 20)
    #expect(try !index.bestLocations(of: ids).contains(nil))
    #expect(reads[VaultFolder.packs] <= 8)
  }

  @Test("two or three pages are read to find one chunk, however many there are")
  func pages() throws {
    try fixture.putSegment([try fixture.putPack()], entryCount: 60_000)
    let index = try open(memory: 1 << 16)
    let ids = fixture.copies.keys.sorted().enumerated().filter { $0.offset % 97 == 0 }
    for (_, id) in ids { #expect(try index.locations(of: id, doubtful: true).count == 1) }
    // And one for the filter, which has no room in memory here.
    let perLookup = Double(reads[VaultFolder.index]) / Double(ids.count)
    #expect((1...3.6).contains(perLookup), "\(perLookup)")
    #expect(reads.longest(VaultFolder.index) == IndexPage.byteCount)
  }

  @Test("64 packs stay open, those that were used last")
  func openPacks() throws {
    _ = try store(packs: 70, records: 1)
    let opened = Lock(0)
    let session = try fixture.session { store in
      ObservedStore(store) { event in
        guard case .open(let name) = event, name.folder == VaultFolder.packs else { return }
        opened.withLock { $0 += 1 }
      }
    }
    let check = PackCheck(session: session)
    let packs = session.packs.keys.sorted()
    for pack in packs { _ = try check.directory(of: pack) }
    #expect(opened.withLock { $0 } == 70)
    for pack in packs.reversed() { _ = try check.directory(of: pack) }
    #expect(opened.withLock { $0 } == 70 + 6)
  }

  @Test("an entry in a row beyond the pack table tells of no place, and is damage")
  func madeUpRow() throws {
    let pack = try fixture.putPack()
    let id = fixture.randomID()
    let name = fixture.nextName()
    let entry = fixture.entry(id, pack: 7, offset: 64)
    #expect(
      try fixture.store.put(
        IndexMergeFixture.segment(name),
        IndexSegmentLayout.encode(packs: [pack], entries: [entry])))
    let session = try fixture.session()
    let index = try ChunkIndex(session: session, memory: 1 << 20)
    #expect(try index.locations(of: id, doubtful: true) == [])
    let report = DamageReport()
    try IndexCheck(session: session, index: index, report: report, interruption: Interruption())
      .run()
    #expect(report.damages().map(\.object) == ["index/\(name)"])
  }

  @Test("IDs that are not as hashes are take more pages, and are found")
  func crowded() throws {
    let packs = [try fixture.putPack()]
    let entries = (0..<10_000 as Range<UInt64>).map { number in
      fixture.entry(ChunkID(number < 5_000 ? 7 : .max, 0, 0, number), pack: 0, offset: number)
    }
    try fixture.putSegment(packs, entries: entries)
    try fixture.expectAllFound()
    let index = try open(memory: 1 << 16)
    #expect(try index.locations(of: ChunkID(7, 0, 0, 5_000)).isEmpty)
    #expect(try index.locations(of: ChunkID(0, 0, 0, 0)).isEmpty)
    #expect(try index.locations(of: ChunkID(.max, .max, 0, 0)).isEmpty)
  }
}
