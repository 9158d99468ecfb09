/// Encodes an index segment entry by entry, so that a large one never is in memory: a page of
/// entries and the filter are (12 bits an entry), and what has not been written yet.
///
/// The counts stand in the head, so that the number of entries must be known before the first.
package struct IndexSegmentEncoder: Sendable {
  /// What is encoded is handed on in pieces of about this size.
  private static let pieceByteCount = 64 * 1024

  package let byteCount: UInt64
  private let entryCount: UInt64
  private var appended: UInt64 = 0
  private var filter: IndexFilter
  private var page: [IndexEntry] = []
  private var writer: ByteWriter

  package init(packs: [CoveredPack], entryCount: UInt64) {
    self.entryCount = entryCount
    filter = IndexFilter(entryCount: entryCount)
    (writer, byteCount) = Self.head(packs, entryCount, filter)
    page.reserveCapacity(IndexPage.entriesPerPage)
  }

  /// Header, section table, counts, pack table, and zeros up to the first page; and how many bytes
  /// the whole segment has.
  private static func head(
    _ packs: [CoveredPack], _ entryCount: UInt64, _ filter: IndexFilter
  ) -> (writer: ByteWriter, byteCount: UInt64) {
    var counts = ByteWriter()
    counts.append(entryCount)
    counts.append(filter.blockCount)
    var packTable = ByteWriter(capacity: packs.count * CoveredPack.byteCount)
    for pack in packs {
      pack.name.encode(to: &packTable)
      packTable.append(pack.byteCount)
    }
    let page = UInt64(IndexPage.byteCount)
    let headLength = UInt64(ObjectHeader.byteCount + 4 * SectionEntry.byteCount)
    let packsOffset = headLength + UInt64(counts.count)
    let entriesOffset = (packsOffset + UInt64(packTable.count) + page - 1) / page * page
    let entriesLength = IndexPage.count(entries: entryCount) * page
    let filterOffset = entriesOffset + entriesLength
    let filterLength = filter.pageCount * page

    func row(_ type: UInt32, _ offset: UInt64, _ length: UInt64, _ body: [UInt8]?) -> SectionEntry {
      SectionEntry(
        type: type,
        flags: SectionEntry.requiredFlag | (body == nil ? SectionEntry.pagedFlag : 0),
        offset: offset, length: length, checksum: body.map { Checksum.of($0.rawSpan) } ?? 0)
    }
    typealias Section = IndexSegmentLayout.SectionType
    let table = [
      row(Section.counts, headLength, UInt64(counts.count), counts.bytes),
      row(Section.packs, packsOffset, UInt64(packTable.count), packTable.bytes),
      row(Section.entries, entriesOffset, entriesLength, nil),
      row(Section.filter, filterOffset, filterLength, nil),
    ]
    let length = filterOffset + filterLength
    let header = ObjectHeader(kind: .indexSegment, objectLength: length, table: table)
    var writer = ByteWriter(capacity: Int(entriesOffset))
    writer.append(bytes: header.encoded())
    writer.append(bytes: SectionEntry.encode(table))
    writer.append(bytes: counts.bytes)
    writer.append(bytes: packTable.bytes)
    writer.align(to: IndexPage.byteCount)
    return (writer, length)
  }

  /// Adds an entry, whose ID is not less than that of the one before. `write` is handed what
  /// follows in the object.
  package mutating func append(
    _ entry: IndexEntry, to write: ([UInt8]) throws -> Void
  ) rethrows {
    filter.insert(entry.id)
    page.append(entry)
    appended += 1
    if page.count == IndexPage.entriesPerPage { try finishPage(write) }
  }

  /// Hands on what is left: the last page of entries, and the filter. As many entries must have
  /// been appended as the head says.
  package mutating func finish(_ write: ([UInt8]) throws -> Void) rethrows {
    precondition(appended == entryCount, "\(appended) entries of \(entryCount)")
    if !page.isEmpty { try finishPage(write) }
    for number in 0..<filter.pageCount {
      filter.appendPage(number, to: &writer)
      try handOn(write)
    }
    if writer.count > 0 { try write(writer.take()) }
  }

  private mutating func finishPage(_ write: ([UInt8]) throws -> Void) rethrows {
    IndexPage.append(page[...], to: &writer)
    page.removeAll(keepingCapacity: true)
    try handOn(write)
  }

  private mutating func handOn(_ write: ([UInt8]) throws -> Void) rethrows {
    if writer.count >= Self.pieceByteCount { try write(writer.take()) }
  }
}
