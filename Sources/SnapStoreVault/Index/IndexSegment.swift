package import SnapStoreFormat
internal import SnapStoreIO

/// Where a copy of a chunk or map node lies.
package struct ChunkLocation: Hashable, Sendable {
  package var pack: SerialName
  package var record: RecordPlace

  package init(pack: SerialName, record: RecordPlace) {
    self.pack = pack
    self.record = record
  }

  package var address: RecordAddress { RecordAddress(pack: pack, offset: record.offset) }
}

/// An open index segment: answers lookups from its filter and, through the page cache, its sorted
/// entries. An entry counts only if its pack is in the listing with the size the segment recorded.
final class IndexSegment: Sendable {
  let name: SerialName
  let packs: [CoveredPack]
  private let usable: [Bool]
  private let condemned: [Bool]
  private let layout: IndexSegmentLayout
  private let reader: any ObjectReader
  private let cache: PageCache
  private let number: UInt32
  /// The filter's pages in memory; nil where they did not fit, and are probed through the cache.
  private let filter: [UInt8]?

  /// What segments may still take of the memory; each lowers it by what it takes.
  struct Budget {
    /// Packs beyond those that are there twice.
    private static let spareCount = 1 << 17

    var filterByteCount: Int
    /// Rows of pack tables. A pack is covered once, or twice for a while; packs that are gone drop
    /// out when segments merge. A table of many more is one that somebody made up.
    var packCount: Int

    init(filterByteCount: Int, packsThere: Int) {
      self.filterByteCount = filterByteCount
      packCount = Self.spareCount + 2 * packsThere
    }
  }

  /// Opens a segment that is in the store; throws `FormatError` where it is damaged, or names more
  /// packs than the budget has.
  init(
    _ name: SerialName, reader: any ObjectReader, listing: [SerialName: UInt64],
    condemned: CondemnedPacks = CondemnedPacks(), cache: PageCache, number: UInt32,
    budget: inout Budget
  ) throws {
    self.name = name
    self.reader = reader
    self.cache = cache
    self.number = number
    do {
      let head = try IndexSegmentHead(reader, packLimit: budget.packCount)
      layout = head.layout
      packs = head.packs
      budget.packCount -= packs.count
      usable = packs.map { listing[$0.name] == $0.byteCount }
      self.condemned = packs.map { condemned.contains($0.name) }

      let filterByteCount = Int(layout.filterPages) * IndexPage.byteCount
      if filterByteCount <= budget.filterByteCount {
        budget.filterByteCount -= filterByteCount
        filter = try Self.readPages(head.filterRange, reader)
      } else {
        filter = nil
      }
    } catch let error as FormatError {
      throw error.inObject("index segment \(name)")
    }
  }

  var entryCount: UInt64 { layout.entryCount }

  /// Calls `body` for every entry in order, with the row of its pack in `packs` and whether that
  /// is usable. Throws `FormatError` at the first page that is damaged.
  func forEachEntry(_ body: (IndexEntry, _ isUsable: Bool) throws -> Void) throws {
    for page in 0..<layout.entryPages {
      let entries = try withEntryPage(page) { bytes in
        try (0..<entryCount(ofPage: page)).map { try IndexPage.entry($0, in: bytes) }
      }
      for entry in entries {
        guard entry.pack < UInt32(packs.count) else {
          throw FormatError.damaged("an entry names a pack that is not in the table")
        }
        try body(entry, usable[Int(entry.pack)])
      }
    }
  }

  private static func readPages(
    _ range: Range<UInt64>, _ reader: any ObjectReader
  ) throws -> [UInt8] {
    let pages = try IndexSegmentHead.read(range, reader)
    for start in stride(from: 0, to: pages.count, by: IndexPage.byteCount) {
      try IndexPage.check(pages.rawSpan.extracting(start..<(start + IndexPage.byteCount)))
    }
    return pages
  }

  /// A copy of a chunk, and whether its pack was in the listing with the recorded size.
  struct Copy {
    var location: ChunkLocation
    var isUsable: Bool
    /// Whether its pack is condemned, so that it is there to be read and for nothing else.
    var isCondemned: Bool
    /// Which of the segment's entries it is.
    var entry: UInt64
  }

  /// Every copy of a chunk that this segment knows.
  func copies(of id: ChunkID) throws -> [Copy] {
    guard layout.entryCount > 0, try mayContain(id) else { return [] }
    var page = try pageOfFirst(id)
    var found: [Copy] = []
    while page < layout.entryPages {
      let count = entryCount(ofPage: page)
      let goesOn = try withEntryPage(page) { bytes throws -> Bool in
        var index = IndexPage.lowerBound(of: id, count: count, in: bytes)
        while index < count, IndexPage.id(index, in: bytes) == id {
          let entry = try IndexPage.entry(index, in: bytes)
          guard entry.pack < UInt32(packs.count) else {
            throw FormatError.damaged("an entry names a pack that is not in the table")
          }
          let pack = Int(entry.pack)
          found.append(
            Copy(
              location: ChunkLocation(pack: packs[pack].name, record: entry.record),
              isUsable: usable[pack], isCondemned: condemned[pack],
              entry: page * UInt64(IndexPage.entriesPerPage) + UInt64(index)))
          index += 1
        }
        return index == count
      }
      if !goesOn { break }
      page += 1
    }
    return found
  }

  /// Whether the filter in memory does not say no; true where it is on disk.
  func isLikely(_ id: ChunkID) -> Bool {
    guard let filter else { return true }
    let (page, offset) = filterPlace(of: id)
    return IndexFilter.mayContain(
      id, block: filter.rawSpan, at: Int(page) * IndexPage.byteCount + offset)
  }

  /// The page of the filter that tells of an ID, and where in it.
  private func filterPlace(of id: ChunkID) -> (page: UInt64, offset: Int) {
    let block = IndexFilter.block(of: id, blocks: layout.blockCount)
    let (page, index) = block.quotientAndRemainder(dividingBy: UInt64(IndexFilter.blocksPerPage))
    return (page, Int(index) * IndexFilter.blockByteCount)
  }

  func mayContain(_ id: ChunkID) throws -> Bool {
    guard filter == nil else { return isLikely(id) }
    let (page, offset) = filterPlace(of: id)
    let position = layout.filterOffset + page * UInt64(IndexPage.byteCount)
    return try withPage(at: position) { IndexFilter.mayContain(id, block: $0, at: offset) }
  }

  /// Guesses by distance before a table that is not as expected is bisected.
  private static let maximumGuesses = 6

  /// The first page whose last entry is not less than `id`; the number of pages if there is none.
  /// IDs are uniformly distributed, so their first word tells nearly where, and how far a page's is
  /// from that tells how much farther to go: two pages are read for most IDs, however many there
  /// are. A table that is not so (hostile, or tiny) costs bisection.
  private func pageOfFirst(_ id: ChunkID) throws -> UInt64 {
    var low: UInt64 = 0
    var high = layout.entryPages
    var guess = page(ofEntry: expectedEntries(in: id.words.0))
    var guesses = 0
    while low < high {
      let count = entryCount(ofPage: guess)
      let (first, last) = try withEntryPage(guess) {
        (IndexPage.id(0, in: $0), IndexPage.id(count - 1, in: $0))
      }
      let start = guess * UInt64(IndexPage.entriesPerPage)
      if last < id {
        low = guess + 1
        let ahead = expectedEntries(in: id.words.0 - last.words.0)
        guess = page(ofEntry: start + UInt64(count) + ahead)
      } else if first < id {
        return guess
      } else {
        high = guess
        let back = expectedEntries(in: first.words.0 - id.words.0)
        guess = page(ofEntry: start - min(start, back + 1))
      }
      guesses += 1
      guess =
        guesses > Self.maximumGuesses ? (low + high) / 2 : min(max(guess, low), max(high, 1) - 1)
    }
    return low
  }

  /// How many entries IDs that span so much of the first word have.
  private func expectedEntries(in span: UInt64) -> UInt64 {
    span.multipliedFullWidth(by: layout.entryCount).high
  }

  private func page(ofEntry entry: UInt64) -> UInt64 { entry / UInt64(IndexPage.entriesPerPage) }

  private func entryCount(ofPage page: UInt64) -> Int {
    let before = page * UInt64(IndexPage.entriesPerPage)
    return Int(min(UInt64(IndexPage.entriesPerPage), layout.entryCount - before))
  }

  private func withEntryPage<Result>(
    _ page: UInt64, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    try withPage(at: layout.entriesOffset + page * UInt64(IndexPage.byteCount), body)
  }

  /// Pages lie at multiples of their size, so that a page's place is its number.
  private func withPage<Result>(
    at offset: UInt64, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let page = offset / UInt64(IndexPage.byteCount)
    guard let page32 = UInt32(exactly: page) else {
      throw FormatError.damaged("an index segment is too long to be real")
    }
    return try cache.withPage(
      PageCache.Key(segment: number, page: page32),
      load: { target in
        guard try reader.read(into: &target, at: offset) == target.byteCount else {
          throw FormatError.damaged("is cut off")
        }
        try IndexPage.check(target.bytes)
      }, body: body)
  }
}
