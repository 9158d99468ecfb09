import Logging
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// A vault with packs that hold nothing and segments that say they do: what merging looks at.
final class IndexMergeFixture {
  let directory: TemporaryDirectory
  let store: LocalObjectStore
  private let host: HostSystem
  private var random = SeededGenerator(seed: 7)
  private var nextNumber: UInt64 = 1
  /// What was put, by ID: what every lookup must go on to find.
  private(set) var copies: [ChunkID: Set<ChunkLocation>] = [:]
  private static let writer = SessionID(high: 0xAA, low: 0xBB)
  static let packByteCount = 100

  init() throws {
    directory = try TemporaryDirectory()
    host = .forTests()
    store = try LocalObjectStore.create("\(directory.path)/vault", host: host)
    _ = try Vault.create(in: store, host: host, log: Self.quiet)
  }

  static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

  func vault(_ wrap: (any ObjectStore) -> any ObjectStore = { $0 }) throws -> Vault {
    try Vault.open(wrap(store), host: host, log: Self.quiet)
  }

  func session(_ wrap: (any ObjectStore) -> any ObjectStore = { $0 }) throws -> Session {
    try Session.beginWriting(try vault(wrap), leaningOn: [])
  }

  func nextName() -> SerialName {
    defer { nextNumber += 1 }
    return SerialName(session: Self.writer, number: nextNumber)
  }

  func putPack() throws -> CoveredPack {
    let name = nextName()
    let bytes = [UInt8](repeating: 0, count: Self.packByteCount)
    #expect(try store.put(ObjectName(folder: VaultFolder.packs, key: "\(name)"), bytes))
    return CoveredPack(name: name, byteCount: UInt64(bytes.count))
  }

  func randomID() -> ChunkID {
    ChunkID(random.next(), random.next(), random.next(), random.next())
  }

  func entry(_ id: ChunkID, pack: UInt32, offset: UInt64) -> IndexEntry {
    IndexEntry(
      id: id, kind: .chunk, pack: pack,
      record: RecordPlace(offset: offset, rawLength: 9, storedLength: 9, codec: .raw))
  }

  /// Puts a segment over these packs, with so many entries spread over them, or with the given.
  @discardableResult
  func putSegment(
    _ packs: [CoveredPack], entryCount: Int = 0, entries given: [IndexEntry] = []
  ) throws -> SerialName {
    var entries = given
    for number in 0..<entryCount {
      entries.append(
        entry(
          randomID(), pack: UInt32(number % packs.count), offset: UInt64(number * 100)))
    }
    entries.sort { $0.id < $1.id }
    for entry in entries {
      copies[entry.id, default: []].insert(
        ChunkLocation(pack: packs[Int(entry.pack)].name, record: entry.record))
    }
    let name = nextName()
    #expect(
      try store.put(
        Self.segment(name), IndexSegmentLayout.encode(packs: packs, entries: entries)))
    return name
  }

  /// Segments over a pack each.
  @discardableResult
  func putSegments(_ count: Int, entryCount: Int = 200) throws -> [SerialName] {
    try (0..<count).map { _ in try putSegment([try putPack()], entryCount: entryCount) }
  }

  static func segment(_ name: SerialName) -> ObjectName {
    ObjectName(folder: VaultFolder.index, key: name.description)
  }

  func segments() throws -> [SerialName] {
    try store.list(VaultFolder.index).compactMap { SerialName($0.name.key) }.sorted()
  }

  /// Every segment's entries, each checked to be right.
  func entryCount() throws -> UInt64 {
    try segments().reduce(0) { sum, name in
      let bytes = try #require(try store.get(Self.segment(name), limit: 1 << 30))
      let head = try #require(bytes.count >= 4096 ? bytes : nil)
      let span = head.rawSpan
      let header = try ObjectHeader(decoding: span.extracting(0..<64), expecting: .indexSegment)
      let length = IndexSegmentLayout.headLength(header)
      let sections = try IndexSegmentLayout.sections(
        header: header, table: span.extracting(64..<length), segmentLength: UInt64(bytes.count))
      let counts = Int(sections.counts.offset)
      let layout = try IndexSegmentLayout(
        sections: sections, counts: span.extracting(counts..<(counts + 16)))
      var last: ChunkID?
      for number in 0..<Int(layout.entryCount) {
        let start = Int(layout.entriesOffset) + number / 73 * 4096
        let id = IndexPage.id(number % 73, in: span.extracting(start..<(start + 4096)))
        if let last { #expect(!(id < last)) }
        last = id
      }
      return sum + layout.entryCount
    }
  }

  /// Whether a new session finds every copy that was put, and nothing else, trusts the vault, and
  /// knows of so many chunks that they are lost.
  func expectAllFound(
    lost: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let index = try ChunkIndex(session: try session(), memory: 1 << 22)
    #expect(index.isComplete, sourceLocation: sourceLocation)
    #expect(index.lost.count == lost, sourceLocation: sourceLocation)
    var wrong = 0
    for (id, expected) in copies {
      let found = try index.locations(of: id, doubtful: true)
      if Set(found) != expected { wrong += 1 }
    }
    #expect(wrong == 0, "of \(copies.count)", sourceLocation: sourceLocation)
    #expect(try index.locations(of: ChunkID(1, 2, 3, 4)) == [], sourceLocation: sourceLocation)
  }
}
