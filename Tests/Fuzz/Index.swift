import SnapStoreFormat

/// An index segment as a reader goes through it: header, section table, counts, pack table, then
/// every page of entries, each looked up again, and the filter.
@Sendable func segment(_ input: [UInt8]) {
  for bytes in [input, Mended.object(input)] {
    _ = accepted { () throws(FormatError) in try readSegment(bytes) }
  }
}

private func readSegment(_ bytes: [UInt8]) throws(FormatError) {
  guard bytes.count >= ObjectHeader.byteCount else { throw .damaged("is too short") }
  let span = bytes.rawSpan
  let header = try ObjectHeader(
    decoding: span.extracting(0..<ObjectHeader.byteCount), expecting: .indexSegment)
  let headLength = IndexSegmentLayout.headLength(header)
  guard headLength <= bytes.count else { throw .damaged("is cut off") }
  let sections = try IndexSegmentLayout.sections(
    header: header, table: span.extracting(ObjectHeader.byteCount..<headLength),
    segmentLength: UInt64(bytes.count))
  let layout = try IndexSegmentLayout(sections: sections, counts: bytes.body(sections.counts))
  let packs = try IndexSegmentLayout.packs(bytes.body(sections.packs), section: sections.packs)
  let filter = bytes.body(sections.filter)
  for page in 0..<layout.filterPages { try IndexPage.check(filter.page(page)) }

  var entries: [IndexEntry] = []
  for number in 0..<layout.entryPages {
    let page = bytes.body(sections.entries).page(number)
    try IndexPage.check(page)
    let left = layout.entryCount - number * UInt64(IndexPage.entriesPerPage)
    entries += try readPage(page, count: Int(min(left, UInt64(IndexPage.entriesPerPage))))
  }
  for entry in entries {
    let block = IndexFilter.block(of: entry.id, blocks: layout.blockCount)
    let (page, index) = block.quotientAndRemainder(dividingBy: UInt64(IndexFilter.blocksPerPage))
    _ = IndexFilter.mayContain(
      entry.id, block: filter.page(page), at: Int(index) * IndexFilter.blockByteCount)
  }
  checkEncoding(packs, entries)
}

/// What was decoded, encoded in order: the same comes back, and the filter has all of it.
private func checkEncoding(_ packs: [CoveredPack], _ entries: [IndexEntry]) {
  let sorted = entries.sorted { $0.id < $1.id }
  let bytes = IndexSegmentLayout.encode(packs: packs, entries: sorted)
  let again = accepted { () throws(FormatError) in
    let header = try ObjectHeader(
      decoding: bytes.rawSpan.extracting(0..<64), expecting: .indexSegment)
    let sections = try IndexSegmentLayout.sections(
      header: header,
      table: bytes.rawSpan.extracting(64..<IndexSegmentLayout.headLength(header)),
      segmentLength: UInt64(bytes.count))
    let layout = try IndexSegmentLayout(sections: sections, counts: bytes.body(sections.counts))
    var found: [IndexEntry] = []
    for number in 0..<layout.entryPages {
      let count = min(IndexPage.entriesPerPage, sorted.count - found.count)
      found += try readPage(bytes.body(sections.entries).page(number), count: count)
    }
    for entry in sorted {
      let block = IndexFilter.block(of: entry.id, blocks: layout.blockCount)
      let (page, index) = block.quotientAndRemainder(
        dividingBy: UInt64(IndexFilter.blocksPerPage))
      let mayContain = IndexFilter.mayContain(
        entry.id, block: bytes.body(sections.filter).page(page),
        at: Int(index) * IndexFilter.blockByteCount)
      require(mayContain, "the filter denies an entry")
    }
    return (
      try IndexSegmentLayout.packs(bytes.body(sections.packs), section: sections.packs), found
    )
  }
  require(again.map { $0.0 == packs && $0.1 == sorted } ?? false, "a segment comes back")
}

/// One page: the number of its entries, then its content, which is filled up with zeros.
@Sendable func page(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let count = recipe.byte() % (IndexPage.entriesPerPage + 1)
  var bytes = recipe.bytes(IndexPage.contentByteCount)
  bytes += [UInt8](repeating: 0, count: IndexPage.byteCount - bytes.count)
  Mended.page(&bytes, at: 0)
  let entries = accepted { () throws(FormatError) in
    try IndexPage.check(bytes.rawSpan)
    return try readPage(bytes.rawSpan, count: count)
  }
  guard let entries else { return }
  var writer = ByteWriter()
  IndexPage.append(entries[...], to: &writer)
  let length = count * IndexEntry.byteCount
  require(writer.bytes.prefix(length) == bytes.prefix(length), "a page has other bytes")
  checkEncoding([], entries)
}

/// The entries of a checked page. Where they ascend, as in each page that was written, looking one
/// up finds the first of its ID.
private func readPage(_ page: RawSpan, count: Int) throws(FormatError) -> [IndexEntry] {
  var entries: [IndexEntry] = []
  for index in 0..<count {
    let entry = try IndexPage.entry(index, in: page)
    require(entry.record.rawLength <= FormatLimit.recordPayload, "a raw length")
    require(entry.record.storedLength <= FormatLimit.storedPayload, "a stored length")
    require(entry.record.offset <= PackLayout.maximumByteCount, "an offset")
    entries.append(entry)
  }
  let ascend = zip(entries, entries.dropFirst()).allSatisfy { $0.id <= $1.id }
  for entry in entries {
    let found = IndexPage.lowerBound(of: entry.id, count: count, in: page)
    if ascend {
      require(found == entries.firstIndex { $0.id == entry.id }, "lookup of an entry")
    } else {
      require((0...count).contains(found), "lookup inside of the page")
    }
  }
  return entries
}

extension RawSpan {
  /// A page of a run of them.
  @_lifetime(copy self)
  fileprivate func page(_ number: UInt64) -> RawSpan {
    let start = Int(number) * IndexPage.byteCount
    return extracting(start..<(start + IndexPage.byteCount))
  }
}
