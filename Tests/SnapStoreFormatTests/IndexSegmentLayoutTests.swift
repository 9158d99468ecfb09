import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// A segment decoded and checked as a whole.
struct DecodedSegment {
  var packs: [CoveredPack]
  var entries: [IndexEntry] = []
  var layout: IndexSegmentLayout

  init(_ bytes: [UInt8]) throws(FormatError) {
    let span = bytes.rawSpan
    guard bytes.count >= ObjectHeader.byteCount else { throw .damaged("too short") }
    let header = try ObjectHeader(decoding: span.extracting(0..<64), expecting: .indexSegment)
    let head = IndexSegmentLayout.headLength(header)
    guard bytes.count >= head else { throw .damaged("too short") }
    let sections = try IndexSegmentLayout.sections(
      header: header, table: span.extracting(64..<head), segmentLength: UInt64(bytes.count))
    layout = try IndexSegmentLayout(sections: sections, counts: bytes.body(sections.counts))
    packs = try IndexSegmentLayout.packs(bytes.body(sections.packs), section: sections.packs)
    for page in 0..<Int(layout.entryPages) {
      let start = Int(layout.entriesOffset) + page * IndexPage.byteCount
      let span = bytes.rawSpan.extracting(start..<(start + IndexPage.byteCount))
      try IndexPage.check(span)
      let left = Int(layout.entryCount) - page * IndexPage.entriesPerPage
      for index in 0..<min(left, IndexPage.entriesPerPage) {
        entries.append(try IndexPage.entry(index, in: span))
      }
    }
    for page in 0..<Int(layout.filterPages) {
      let start = Int(layout.filterOffset) + page * IndexPage.byteCount
      try IndexPage.check(bytes.rawSpan.extracting(start..<(start + IndexPage.byteCount)))
    }
  }
}

@Suite struct IndexSegmentLayoutTests {
  static func refusal(of bytes: [UInt8]) -> Refusal {
    Refusal.of { () throws(FormatError) in _ = try DecodedSegment(bytes) }
  }

  @Test(arguments: [0, 1, 73, 74, 500]) func comesBack(_ count: Int) throws {
    let entries = Sample.entries(count)
    let bytes = IndexSegmentLayout.encode(packs: Sample.packs, entries: entries)
    let segment = try DecodedSegment(bytes)
    #expect(segment.packs == Sample.packs)
    #expect(segment.entries == entries)
    #expect(bytes.count.isMultiple(of: IndexPage.byteCount))
  }

  @Test func manyPacksPushThePagesBack() throws {
    let packs = (0..<300).map {
      CoveredPack(
        name: SerialName(session: Sample.session, number: UInt64($0)), byteCount: UInt64($0))
    }
    let entries = Sample.entries(10)
    let segment = try DecodedSegment(IndexSegmentLayout.encode(packs: packs, entries: entries))
    #expect(segment.packs == packs)
    #expect(segment.entries == entries)
    #expect(segment.layout.entriesOffset == 3 * 4096)
  }

  /// All but the zeros between the pack table and the first page, which nobody reads.
  @Test func aFlippedBitInEachByteIsRefused() throws {
    let bytes = IndexSegmentLayout.encode(packs: Sample.packs, entries: Sample.entries(5))
    let padding = (64 + 4 * 40 + 16 + 2 * 32)..<4096
    for place in bytes.indices {
      let flipped = bytes.flipping(bit: place * 8 + place % 8)
      let refusal = Self.refusal(of: flipped)
      guard (refusal == .accepted) == padding.contains(place) else {
        Issue.record("byte \(place): \(refusal)")
        return
      }
    }
  }

  @Test func truncationsAreRefused() throws {
    let bytes = IndexSegmentLayout.encode(packs: Sample.packs, entries: Sample.entries(5))
    for length in Array(0..<400) + [4095, 4096, 4097, 8192, bytes.count - 1] {
      #expect(Self.refusal(of: Array(bytes.prefix(length))) == .damaged, "\(length)")
    }
    #expect(Self.refusal(of: bytes + [0]) == .damaged)
  }

  @Test func anotherVersionIsUnsupported() {
    var bytes = IndexSegmentLayout.encode(packs: [], entries: [])
    bytes.put(UInt32(2), at: 12)
    #expect(Self.refusal(of: bytes) == .unsupported)
  }

  /// The first page of a segment that says to be `length` bytes long, with free counts and pages.
  static func sections(
    length: UInt64, entries: UInt64, blocks: UInt64, entryBytes: UInt64, filterBytes: UInt64,
    countBytes: Int = 16, packBytes: UInt64 = 0, entriesOffset: UInt64 = 4096,
    extra: [SectionEntry] = []
  ) throws(FormatError) -> IndexSegmentLayout {
    var counts = ByteWriter()
    counts.append(entries)
    counts.append(blocks)
    counts.appendZeros(countBytes - counts.count)
    let headLength = UInt64(64 + (4 + extra.count) * 40)
    func row(_ type: UInt32, _ offset: UInt64, _ length: UInt64, _ checksum: UInt64)
      -> SectionEntry
    {
      SectionEntry(type: type, flags: 1, offset: offset, length: length, checksum: checksum)
    }
    let table =
      [
        row(1, headLength, UInt64(countBytes), Checksum.of(counts.bytes.rawSpan)),
        row(2, headLength + UInt64(countBytes), packBytes, 0),
        row(3, entriesOffset, entryBytes, 0),
        row(4, entriesOffset + entryBytes, filterBytes, 0),
      ] + extra
    let header = ObjectHeader(kind: .indexSegment, objectLength: length, table: table)
    let tableBytes = SectionEntry.encode(table)
    let sections = try IndexSegmentLayout.sections(
      header: header, table: tableBytes.rawSpan, segmentLength: length)
    return try IndexSegmentLayout(sections: sections, counts: counts.bytes.rawSpan)
  }

  static func counts(_ entries: UInt64, _ blocks: UInt64, entryBytes: UInt64, filterBytes: UInt64)
    -> Refusal
  {
    Refusal.of { () throws(FormatError) in
      _ = try sections(
        length: 4096 + entryBytes + filterBytes, entries: entries, blocks: blocks,
        entryBytes: entryBytes, filterBytes: filterBytes)
    }
  }

  @Test func countsMustFitTheSections() {
    #expect(Self.counts(1, 1, entryBytes: 4096, filterBytes: 4096) == .accepted)
    #expect(Self.counts(73, 63, entryBytes: 4096, filterBytes: 4096) == .accepted)
    #expect(Self.counts(74, 1, entryBytes: 4096, filterBytes: 4096) == .damaged)
    #expect(Self.counts(1, 64, entryBytes: 4096, filterBytes: 4096) == .damaged)
    #expect(Self.counts(0, 1, entryBytes: 4096, filterBytes: 4096) == .damaged)
    #expect(Self.counts(1, 0, entryBytes: 4096, filterBytes: 0) == .damaged)
  }

  /// Files of so many bytes can be had for nothing: they are sparse.
  @Test func hostileCountsDoNotCrash() {
    for count in [1 << 40, 1 << 62, (1 << 62) - 1, 1 << 63, .max] as [UInt64] {
      for bytes in [4096, 1 << 62, (1 << 62) - 4096] as [UInt64] {
        #expect(Self.counts(count, 1, entryBytes: bytes, filterBytes: 4096) == .damaged)
        #expect(Self.counts(1, count, entryBytes: 4096, filterBytes: bytes) == .damaged)
      }
    }
  }

  @Test func pagesLieAtMultiplesOfTheirSize() {
    let refusal = Refusal.of { () throws(FormatError) in
      _ = try Self.sections(
        length: 4100 + 8192, entries: 1, blocks: 1, entryBytes: 4096, filterBytes: 4096,
        entriesOffset: 4100)
    }
    #expect(refusal == .damaged)
  }

  @Test func thePackTableIsBounded() {
    let most = UInt64(1 << 22) * 32
    for (bytes, expected) in [(most, .accepted), (most + 32, .damaged), (1 << 60, .damaged)]
      as [(UInt64, Refusal)]
    {
      let offset = (bytes / 4096 + 1) * 4096
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try Self.sections(
          length: offset + 8192, entries: 1, blocks: 1, entryBytes: 4096, filterBytes: 4096,
          packBytes: bytes, entriesOffset: offset)
      }
      #expect(refusal == expected, "\(bytes)")
    }
  }

  /// They are read at once, however many bytes the table says they have.
  @Test func theCountsHave16Bytes() {
    for (bytes, expected) in [(16, .accepted), (24, .damaged), (1024, .damaged)]
      as [(Int, Refusal)]
    {
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try Self.sections(
          length: 12288, entries: 1, blocks: 1, entryBytes: 4096, filterBytes: 4096,
          countBytes: bytes)
      }
      #expect(refusal == expected, "\(bytes)")
    }
  }

  @Test func ofTwoSectionsOfOneTypeTheFirstCounts() throws {
    for type in IndexSegmentLayout.SectionType.all {
      let extra = SectionEntry(type: type, flags: 1, offset: 12288, length: 0, checksum: 0)
      let layout = try Self.sections(
        length: 12288, entries: 1, blocks: 1, entryBytes: 4096, filterBytes: 4096, extra: [extra])
      #expect(layout.entriesOffset == 4096 && layout.filterOffset == 8192, "\(type)")
    }
  }

  @Test func unknownSections() {
    for (flags, expected) in [(0, .accepted), (2, .accepted), (1, .unsupported)]
      as [(UInt32, Refusal)]
    {
      let extra = SectionEntry(type: 5, flags: flags, offset: 12288, length: 0, checksum: 0)
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try Self.sections(
          length: 12288, entries: 1, blocks: 1, entryBytes: 4096, filterBytes: 4096,
          extra: [extra])
      }
      #expect(refusal == expected, "\(flags)")
    }
  }
}
