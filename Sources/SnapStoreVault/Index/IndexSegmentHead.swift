internal import SnapStoreFormat
internal import SnapStoreIO

/// What an index segment says before its pages: how many entries it has, where they lie, and which
/// packs it covers. Read and checked without reading a page.
struct IndexSegmentHead: Sendable {
  let layout: IndexSegmentLayout
  let packs: [CoveredPack]
  let filterRange: Range<UInt64>
  /// Whether there is nothing in the segment that this version would lose if it wrote it anew.
  let isFullyKnown: Bool

  /// Throws `FormatError` where the segment is damaged, of a newer version, or names more packs
  /// than `packLimit`, of which it reads none then: they take memory for as long as the segment.
  init(_ reader: any ObjectReader, packLimit: Int) throws {
    let headerBytes = try Self.read(0..<UInt64(ObjectHeader.byteCount), reader)
    let header = try ObjectHeader(decoding: headerBytes.rawSpan, expecting: .indexSegment)
    let headLength = UInt64(IndexSegmentLayout.headLength(header))
    let table = try Self.read(UInt64(ObjectHeader.byteCount)..<headLength, reader)
    let sections = try IndexSegmentLayout.sections(
      header: header, table: table.rawSpan, segmentLength: reader.byteCount)
    let counts = try Self.read(sections.counts.range, reader)
    layout = try IndexSegmentLayout(sections: sections, counts: counts.rawSpan)
    let packCount = sections.packs.length / UInt64(CoveredPack.byteCount)
    guard packCount <= UInt64(packLimit) else {
      throw FormatError.damaged("names \(packCount) packs, many more than there are")
    }
    let packTable = try Self.read(sections.packs.range, reader)
    packs = try IndexSegmentLayout.packs(packTable.rawSpan, section: sections.packs)
    filterRange = sections.filter.range
    isFullyKnown =
      header.features.optional == 0
      && header.sectionCount == IndexSegmentLayout.SectionType.all.count
  }

  static func read(_ range: Range<UInt64>, _ reader: any ObjectReader) throws -> [UInt8] {
    guard range.upperBound <= reader.byteCount else { throw FormatError.damaged("is cut off") }
    let bytes = try reader.bytes(range)
    // It may have been cut after it was opened.
    guard bytes.count == range.count else { throw FormatError.damaged("is cut off") }
    return bytes
  }
}

extension SectionEntry {
  /// The section's bytes in its object; the table has been checked to lie inside of it.
  var range: Range<UInt64> { offset..<(offset + length) }
}
