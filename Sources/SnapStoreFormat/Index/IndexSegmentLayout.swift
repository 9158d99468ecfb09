/// A pack that an index segment covers: a row of its pack table, 32 bytes: session (16), number
/// (8), the pack's size in bytes (8).
package struct CoveredPack: Hashable, Sendable {
  package static let byteCount = 32
  package var name: SerialName
  package var byteCount: UInt64

  package init(name: SerialName, byteCount: UInt64) {
    self.name = name
    self.byteCount = byteCount
  }
}

/// An index segment: an immutable table of where chunks lie, sorted by ID (docs/format.md, "Index
/// segments"). A hint and never a truth: whoever finds an entry checks that its pack is there.
///
/// Header page of 4 KiB (header, section table, counts, pack table behind it), then pages of
/// entries, then pages of the filter.
package struct IndexSegmentLayout: Sendable {
  package enum SectionType {
    static let counts: UInt32 = 1
    static let packs: UInt32 = 2
    static let entries: UInt32 = 3
    static let filter: UInt32 = 4
    package static let all: Set<UInt32> = [counts, packs, entries, filter]
  }
  private static let countsByteCount = 16
  /// Bounds what a hostile header can make a reader allocate: packs of 64 MiB, 256 TiB a segment.
  private static let maximumPacks = 1 << 22

  package var entryCount: UInt64
  package var blockCount: UInt64
  package var entriesOffset: UInt64
  package var filterOffset: UInt64

  package var entryPages: UInt64 { IndexPage.count(entries: entryCount) }
  package var filterPages: UInt64 { IndexFilter.pageCount(blocks: blockCount) }

  /// Encodes a whole segment. `entries` are sorted by ID and refer to `packs` by position.
  package static func encode(packs: [CoveredPack], entries: [IndexEntry]) -> [UInt8] {
    var encoder = IndexSegmentEncoder(packs: packs, entryCount: UInt64(entries.count))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(encoder.byteCount))
    for entry in entries { encoder.append(entry) { bytes += $0 } }
    encoder.finish { bytes += $0 }
    return bytes
  }

  /// How many bytes from the start of a segment hold all but its pages; needs its first 64 bytes
  /// and, once those are known, the section table behind them.
  package static func headLength(_ header: ObjectHeader) -> Int {
    ObjectHeader.byteCount + header.sectionCount * SectionEntry.byteCount
  }

  /// The range of the pack table and counts, to be read after the section table.
  package struct Sections: Sendable {
    package var counts: SectionEntry
    package var packs: SectionEntry
    package var entries: SectionEntry
    package var filter: SectionEntry
  }

  package static func sections(
    header: ObjectHeader, table: RawSpan, segmentLength: UInt64
  ) throws(FormatError) -> Sections {
    guard header.objectLength == segmentLength else {
      throw .damaged("is \(segmentLength) bytes long and should be \(header.objectLength)")
    }
    let rows = try header.table(
      decoding: table, bodiesFrom: UInt64(headLength(header)), to: segmentLength)
    func row(_ type: UInt32) throws(FormatError) -> SectionEntry {
      guard let row = rows.first(where: { $0.type == type }) else {
        throw .damaged("section \(type) is missing")
      }
      return row
    }
    for row in rows where row.isRequired && !SectionType.all.contains(row.type) {
      throw .unsupported("has a required section of type \(row.type)")
    }
    let sections = Sections(
      counts: try row(SectionType.counts), packs: try row(SectionType.packs),
      entries: try row(SectionType.entries), filter: try row(SectionType.filter))
    guard sections.counts.length == UInt64(countsByteCount),
      sections.packs.length <= UInt64(maximumPacks * CoveredPack.byteCount)
    else { throw .damaged("a section's length is beyond the limit") }
    return sections
  }

  package init(sections: Sections, counts: RawSpan) throws(FormatError) {
    try Self.check(counts, sections.counts)
    var reader = ByteReader(counts)
    entryCount = try reader.uint64()
    blockCount = try reader.uint64()
    entriesOffset = sections.entries.offset
    filterOffset = sections.filter.offset
    // The first two keep the products that follow from overflowing.
    guard entryCount <= sections.entries.length / UInt64(IndexEntry.byteCount),
      blockCount <= sections.filter.length / UInt64(IndexFilter.blockByteCount),
      sections.entries.length == entryPages * UInt64(IndexPage.byteCount),
      sections.filter.length == filterPages * UInt64(IndexPage.byteCount), blockCount > 0
    else { throw .damaged("the counts do not fit the sections") }
    guard entriesOffset.isMultiple(of: UInt64(IndexPage.byteCount)),
      filterOffset.isMultiple(of: UInt64(IndexPage.byteCount))
    else { throw .damaged("the pages do not lie at multiples of their size") }
  }

  package static func packs(
    _ body: RawSpan, section: SectionEntry
  ) throws(FormatError) -> [CoveredPack] {
    try check(body, section)
    guard body.byteCount.isMultiple(of: CoveredPack.byteCount) else {
      throw .damaged("the pack table has half a row")
    }
    var reader = ByteReader(body)
    var packs: [CoveredPack] = []
    while reader.remaining > 0 {
      let name = try SerialName(from: &reader)
      packs.append(CoveredPack(name: name, byteCount: try reader.uint64()))
    }
    return packs
  }

  private static func check(_ body: RawSpan, _ section: SectionEntry) throws(FormatError) {
    guard UInt64(body.byteCount) == section.length, Checksum.of(body) == section.checksum else {
      throw .damaged("the checksum of section \(section.type) is wrong")
    }
  }
}
