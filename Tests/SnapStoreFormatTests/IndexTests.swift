import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct IndexPageTests {
  static func page(_ entries: [IndexEntry]) -> [UInt8] {
    var writer = ByteWriter()
    IndexPage.append(entries[...], to: &writer)
    return writer.bytes
  }

  static func lowerBound(_ id: ChunkID, _ count: Int, _ page: [UInt8]) -> Int {
    IndexPage.lowerBound(of: id, count: count, in: page.rawSpan)
  }

  @Test func seventyThreeEntriesFillAPage() {
    #expect(IndexPage.entriesPerPage == 73)
    #expect(IndexPage.entriesPerPage * IndexEntry.byteCount == IndexPage.contentByteCount)
    for (entries, pages) in [(0, 0), (1, 1), (73, 1), (74, 2), (146, 2), (147, 3)]
      as [(UInt64, UInt64)]
    {
      #expect(IndexPage.count(entries: entries) == pages)
    }
  }

  @Test(arguments: [0, 1, 2, 72, 73]) func entriesComeBack(_ count: Int) throws {
    let entries = Sample.entries(count)
    let page = Self.page(entries)
    #expect(page.count == IndexPage.byteCount)
    try IndexPage.check(page.rawSpan)
    for (index, entry) in entries.enumerated() {
      #expect(try IndexPage.entry(index, in: page.rawSpan) == entry)
      #expect(IndexPage.id(index, in: page.rawSpan) == entry.id)
    }
  }

  @Test(arguments: [1, 2, 3, 40, 73]) func searchFindsWhatALinearSearchFinds(_ count: Int) {
    let entries = Sample.entries(count, seed: UInt64(count))
    let page = Self.page(entries)
    let others = Sample.ids(200, seed: 99)
    let edges = [ChunkID(0, 0, 0, 0), ChunkID(.max, .max, .max, .max)]
    for id in entries.map(\.id) + others + edges {
      let expected = entries.firstIndex { !($0.id < id) } ?? count
      #expect(Self.lowerBound(id, count, page) == expected)
      #expect(Self.lowerBound(id, count / 2, page) == min(expected, count / 2))
    }
    #expect(Self.lowerBound(edges[0], 0, page) == 0)
  }

  @Test func searchFindsTheFirstOfManyCopies() {
    let ids = Sample.ids(3, seed: 1).sorted()
    let copies = [0, 1, 1, 1, 1, 2, 2].map { number in
      IndexEntry(
        id: ids[number], kind: .chunk, pack: 0,
        record: RecordPlace(offset: 64, rawLength: 1, storedLength: 1, codec: .raw))
    }
    let page = Self.page(copies)
    #expect(ids.map { Self.lowerBound($0, 7, page) } == [0, 1, 5])
  }

  @Test func entriesAreChecked() {
    func entry(_ change: (inout [UInt8]) -> Void) -> Refusal {
      var page = Self.page(Sample.entries(2))
      change(&page)
      return Refusal.of { () throws(FormatError) in
        _ = try IndexPage.entry(0, in: page.rawSpan)
      }
    }
    #expect(entry { _ in } == .accepted)
    #expect(entry { $0.put(UInt64.max, at: 32) } == .damaged, "offset")
    #expect(entry { $0.put(PackLayout.maximumByteCount + 1, at: 32) } == .damaged, "offset")
    #expect(entry { $0.put(UInt32(0), at: 40) } == .damaged, "raw length")
    #expect(entry { $0.put(UInt32(262_145), at: 40) } == .damaged, "raw length")
    #expect(entry { $0.put(UInt32.max, at: 44) } == .damaged, "stored length")
    #expect(entry { $0[52] = 0 } == .damaged, "kind")
    #expect(entry { $0[53] = 9 } == .unsupported, "codec")
    #expect(entry { $0[54] = 1 } == .damaged, "reserved")
  }
}

@Suite struct IndexFilterTests {
  static func entries(_ ids: [ChunkID]) -> [IndexEntry] {
    ids.map {
      IndexEntry(
        id: $0, kind: .chunk, pack: 0,
        record: RecordPlace(offset: 64, rawLength: 1, storedLength: 1, codec: .raw))
    }
  }

  static func mayContain(_ id: ChunkID, _ pages: [UInt8], blocks: UInt64) -> Bool {
    let block = IndexFilter.block(of: id, blocks: blocks)
    let (page, index) = block.quotientAndRemainder(dividingBy: UInt64(IndexFilter.blocksPerPage))
    return IndexFilter.mayContain(
      id, block: pages.rawSpan,
      at: Int(page) * IndexPage.byteCount + Int(index) * IndexFilter.blockByteCount)
  }

  /// The names that a vault of each kind gives to so many chunks of one length.
  static func ids(_ hash: ChunkHash, _ range: Range<Int>) -> [ChunkID] {
    let hasher = ChunkHasher(hash, secrets: Sample.secrets)
    return range.map { number in
      var writer = ByteWriter()
      writer.append(UInt64(number))
      return hasher.id(of: writer.bytes.rawSpan, domain: .chunk)
    }
  }

  @Test(arguments: ChunkHash.allCases) func answersOfAHundredThousand(_ hash: ChunkHash) {
    let ids = Self.ids(hash, 0..<100_000)
    let pages = IndexFilter.encodePages(over: Self.entries(ids))
    let blocks = IndexFilter.blockCount(entries: 100_000)
    #expect(pages.count == Int(IndexFilter.pageCount(blocks: blocks)) * IndexPage.byteCount)
    let missed = ids.count { !Self.mayContain($0, pages, blocks: blocks) }
    #expect(missed == 0, "the filter denies what it was made of")
    let others = Self.ids(hash, 100_000..<150_000)
    let falsePositives = others.count { Self.mayContain($0, pages, blocks: blocks) }
    #expect(falsePositives < others.count / 50, "\(falsePositives) of \(others.count)")
  }

  @Test(arguments: [0, 1, 2, 42, 43, 5000]) func everyPageIsWhole(_ count: Int) throws {
    let ids = Sample.ids(count, seed: 6)
    let blocks = IndexFilter.blockCount(entries: UInt64(count))
    #expect(blocks > 0)
    let pages = IndexFilter.encodePages(over: Self.entries(ids))
    #expect(pages.count == Int(IndexFilter.pageCount(blocks: blocks)) * IndexPage.byteCount)
    for start in stride(from: 0, to: pages.count, by: IndexPage.byteCount) {
      try IndexPage.check(pages.rawSpan.extracting(start..<(start + IndexPage.byteCount)))
    }
    #expect(ids.allSatisfy { Self.mayContain($0, pages, blocks: blocks) })
  }

  @Test func blocksAreInRange() {
    let edges = [ChunkID(0, 0, 0, 0), ChunkID(.max, .max, .max, .max)]
    for id in Sample.ids(1000, seed: 2) + edges {
      for blocks in [1, 2, 63, 1000, UInt64.max] {
        #expect(IndexFilter.block(of: id, blocks: blocks) < blocks)
      }
    }
  }
}
