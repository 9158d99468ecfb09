internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Lookups in an index of one segment, at any size: a chunk that the vault has, one that it does
/// not have, and the claim of many chunks at once. IDs come in no order, as those of a disk do.
extension MicroSuites {
  private static let lookupCount = 1_000
  private static let claimCount = 64

  static func indexSuite(_ sizes: MicroSizes) -> [MicroBenchmark] {
    func lookups(
      _ name: String, _ count: Int, _ body: @escaping @Sendable (IndexFixture) throws -> Void
    ) -> MicroBenchmark {
      MicroBenchmark("\(name) among \(sizes.indexEntryCount)", .operations(count)) {
        let fixture = try IndexFixture(sizes)
        return { try body(fixture) }
      }
    }
    return [
      lookups("index hit", lookupCount) { fixture in
        for _ in 0..<lookupCount {
          let found = try fixture.index.locations(of: fixture.nextHit())
          try require(found.count == 1, "a chunk was found \(found.count) times")
        }
      },
      lookups("index miss", lookupCount) { fixture in
        for _ in 0..<lookupCount {
          let found = try fixture.index.locations(of: fixture.nextMiss())
          try require(found.isEmpty, "a chunk was found that was never put")
        }
      },
      lookups("index claim of known chunks", claimCount) { fixture in
        var isNew: [Bool] = []
        try fixture.index.claim((0..<claimCount).map { _ in fixture.nextHit() }, isNew: &isNew)
        try require(!isNew.contains(true), "a chunk that is there was taken for new")
      },
    ]
  }
}

/// An index over a segment with made-up entries; their one pack is there, and never read.
private final class IndexFixture: Sendable {
  let index: ChunkIndex
  private let home: TemporaryVault
  private let entryCount: UInt64
  private let random = Lock<UInt64>(1)

  init(_ sizes: MicroSizes) throws {
    home = try TemporaryVault()
    entryCount = sizes.indexEntryCount
    let name = SerialName(session: SessionID(high: 1, low: 2), number: 1)
    let pack = CoveredPack(name: name, byteCount: 4096)
    let store = home.vault.store
    let bytes = [UInt8](repeating: 0, count: Int(pack.byteCount))
    _ = try store.put(ObjectName(folder: VaultFolder.packs, key: name.description), bytes)

    var encoder = IndexSegmentEncoder(packs: [pack], entryCount: entryCount)
    let writer = try store.create(
      ObjectName(
        folder: VaultFolder.index, key: SerialName(session: name.session, number: 2).description))
    for number in 0..<entryCount {
      let record = RecordPlace(
        offset: number * 100, rawLength: 65_536, storedLength: 20_000, codec: .lz4)
      try encoder.append(
        IndexEntry(
          id: Self.id(number, of: entryCount), kind: .chunk, pack: 0, record: record)
      ) { piece in try piece.withRawSpan { try writer.append($0) } }
    }
    try encoder.finish { piece in try piece.withRawSpan { try writer.append($0) } }
    try require(try writer.finish(), "the segment was there already")
    let session = try Session.beginReading(home.vault, leaningOn: [])
    index = try ChunkIndex(session: session, memory: sizes.indexMemoryByteCount)
  }

  func nextHit() -> ChunkID {
    Self.id(random.withLock { SyntheticContent.next(&$0) } % entryCount, of: entryCount)
  }

  func nextMiss() -> ChunkID {
    random.withLock { state in
      ChunkID(
        SyntheticContent.next(&state), SyntheticContent.next(&state),
        SyntheticContent.next(&state), 0)
    }
  }

  /// IDs that ascend with their number, and are about uniformly distributed as real ones are.
  private static func id(_ number: UInt64, of count: UInt64) -> ChunkID {
    var state = number
    let step = UInt64.max / count
    return ChunkID(
      number * step + SyntheticContent.next(&state) % step, SyntheticContent.next(&state),
      SyntheticContent.next(&state), 1 | SyntheticContent.next(&state))
  }
}
