import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A session that begins while others merge and write")
struct IndexListingTests {
  private let fixture: IndexMergeFixture

  init() throws {
    fixture = try IndexMergeFixture()
    // The session that wrote the packs has committed: it misses a segment where one is not found.
    let outcome = SessionOutcome(session: SessionID(high: 0xAA, low: 0xBB), verdict: .committed)
    #expect(
      try fixture.store.put(
        ObjectName(folder: VaultFolder.outcomes, key: "\(outcome.session)"), outcome.encoded()))
  }

  /// Opens an index while `action` runs at the first event that `isMoment` chooses.
  private func open(
    at isMoment: @escaping @Sendable (ObservedStore.Event) -> Bool,
    _ action: @escaping @Sendable () throws -> Void
  ) throws -> ChunkIndex {
    let isDone = Lock(false)
    let session = try fixture.session { store in
      ObservedStore(store) { event in
        guard isMoment(event) else { return }
        let isFirst = isDone.withLock { isDone in
          defer { isDone = true }
          return !isDone
        }
        if isFirst { try action() }
      }
    }
    let index = try ChunkIndex(session: session, memory: 1 << 22)
    #expect(isDone.withLock { $0 }, "the moment came")
    return index
  }

  private func expectAllFound(_ index: ChunkIndex) throws {
    #expect(index.isComplete)
    let missed = try fixture.copies.count { try Set(index.locations(of: $0.key)) != $0.value }
    #expect(missed == 0)
  }

  @Test("segments that go away between listing and opening are found merged")
  func goneAfterListing() throws {
    try fixture.putSegments(8)
    let merging = IndexMerge(session: try fixture.session())
    let index = try open(at: { $0 == .list(VaultFolder.index) }, { merging.run() })
    #expect(try fixture.segments().count == 1)
    try expectAllFound(index)
  }

  @Test("what a writer or a collection adds is written whenever enough has come together")
  func flushed() throws {
    let vault = try fixture.vault()
    for isCollecting in [false, true] {
      let session = try isCollecting ? Session.beginCollecting(vault) : fixture.session()
      let index = try ChunkIndex(session: session, memory: 1 << 22)
      let before = try fixture.segments().count
      for _ in 0..<2 {
        let record = RecordPlace(offset: 64, rawLength: 9, storedLength: 9, codec: .raw)
        let directory = (0..<10_000).map { _ in
          PackDirectoryEntry(id: fixture.randomID(), kind: .chunk, record: record)
        }
        try index.add(try fixture.putPack(), directory)
      }
      #expect(try fixture.segments().count == before + 1)
      withExtendedLifetime(session) {}
    }
  }

  @Test("a listing that shows neither inputs nor output is made again")
  func neitherListed() throws {
    try fixture.putSegments(8)
    IndexMerge(session: try fixture.session()).run()
    let merged = try #require(try fixture.segments().first)
    let isHidden = Lock(true)
    let session = try fixture.session { HidingStore($0, isHidden, merged) }
    try expectAllFound(try ChunkIndex(session: session, memory: 1 << 22))
    #expect(isHidden.withLock { !$0 })
  }

  @Test("a segment over a pack that was put after the session's listing is no sign of a loss")
  func laterPack() throws {
    try fixture.putSegments(3)
    let session = try fixture.session()
    try fixture.putSegments(1)
    let index = try ChunkIndex(session: session, memory: 1 << 22)
    #expect(index.isComplete)
    #expect(index.lost.isEmpty)
  }

  @Test("a table of far more packs than there are is not read: it is memory for nothing")
  func madeUpPacks() throws {
    let names = try fixture.putSegments(3)
    let real = try ChunkIndex(session: try fixture.session(), memory: 1 << 22).coveredPacks
    let most = 1 << 17
    let madeUp = (0..<UInt64(most + 2 * names.count + 1)).map { number in
      CoveredPack(
        name: SerialName(session: SessionID(high: 1, low: 2), number: number), byteCount: 9)
    }
    // There is room for so many beside the real ones, and for one more there is not.
    for (count, isRead) in [(most + names.count, true), (most + names.count + 1, false)] {
      let segment = try fixture.putSegment(Array(madeUp.prefix(count)))
      let reads = Lock(0)
      let session = try fixture.session { store in
        ObservedStore(store) { event in
          guard case .read(let name, let byteCount) = event, name.folder == VaultFolder.index else {
            return
          }
          reads.withLock { $0 = max($0, byteCount) }
        }
      }
      let index = try ChunkIndex(session: session, memory: 1 << 22)
      #expect(index.coveredPacks.count == real.count + (isRead ? count : 0))
      #expect(index.coveredPacks.isSuperset(of: real))
      #expect((reads.withLock { $0 } >= count * CoveredPack.byteCount) == isRead)
      #expect(index.isComplete == isRead)
      #expect(try fixture.store.delete(IndexMergeFixture.segment(segment)))
    }
    // Nobody knows what it told.
    for record in try fixture.store.list(VaultFolder.damage) {
      _ = try fixture.store.delete(record.name)
    }
    try fixture.expectAllFound()
  }

  @Test("more that is lost or damaged than fits the memory makes the index incomplete")
  func muchDamage() throws {
    let memory = 1 << 16
    let most = memory / 512
    for count in [most, most + 1] {
      let known = try IndexListingTests().fixture
      let findings = (0..<count).map { _ in
        DamageRecord.Finding(id: known.randomID(), kind: .chunk, address: nil)
      }
      let name = known.nextName()
      let record = DamageRecord(name: name, time: Timestamp(seconds: 5), findings: findings)
      #expect(
        try known.store.put(
          ObjectName(folder: VaultFolder.damage, key: "\(name)"), record.encoded()))
      let lost = try IndexListingTests().fixture
      try lost.putSegment([CoveredPack(name: lost.nextName(), byteCount: 9)], entryCount: count)
      for fixture in [known, lost] {
        let index = try ChunkIndex(session: try fixture.session(), memory: memory)
        #expect(index.lost.count == most)
        #expect(index.isComplete == (count == most))
      }
    }
  }

  @Test("a segment that is lost makes the index incomplete")
  func lost() throws {
    let names = try fixture.putSegments(3)
    #expect(try fixture.store.delete(IndexMergeFixture.segment(names[1])))
    #expect(try !ChunkIndex(session: try fixture.session(), memory: 1 << 22).isComplete)
  }

  /// A store whose first listing does not show one segment.
  private final class HidingStore: ObjectStore {
    private let base: any ObjectStore
    private let isHidden: Lock<Bool>
    private let hidden: SerialName

    init(_ base: any ObjectStore, _ isHidden: Lock<Bool>, _ hidden: SerialName) {
      self.base = base
      self.isHidden = isHidden
      self.hidden = hidden
    }

    func list(_ folder: String) throws -> [ListedObject] {
      let listed = try base.list(folder)
      guard folder == VaultFolder.index else { return listed }
      let isFirst = isHidden.withLock { isHidden in
        defer { isHidden = false }
        return isHidden
      }
      return listed.filter { !isFirst || $0.name.key != hidden.description }
    }

    var location: String { base.location }
    func create(_ name: ObjectName) throws -> any ObjectWriter { try base.create(name) }
    func open(_ name: ObjectName) throws -> (any ObjectReader)? { try base.open(name) }
    func synchronize(_ folder: String) throws { try base.synchronize(folder) }
    func delete(_ name: ObjectName) throws -> Bool { try base.delete(name) }
    func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
      try base.putHeld(name, bytes)
    }
    func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
    func removeAbandoned() throws -> Int { try base.removeAbandoned() }
    func availableByteCount() throws -> UInt64? { try base.availableByteCount() }
  }
}
