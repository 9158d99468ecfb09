/// An entry of an index segment: where one copy of a chunk or map node lies.
///
/// 56 bytes: ID (32), offset of the record (8), raw length (4), stored length (4), number of the
/// pack in the segment's pack table (4), kind (1), codec (1), zero (2).
package struct IndexEntry: Equatable, Sendable {
  package static let byteCount = 56

  package var id: ChunkID
  package var kind: PackRecord.Kind
  package var pack: UInt32
  package var record: RecordPlace

  package init(id: ChunkID, kind: PackRecord.Kind, pack: UInt32, record: RecordPlace) {
    self.id = id
    self.kind = kind
    self.pack = pack
    self.record = record
  }

  func encode(to writer: inout ByteWriter) {
    id.encode(to: &writer)
    writer.append(record.offset)
    writer.append(record.rawLength)
    writer.append(record.storedLength)
    writer.append(pack)
    writer.append(kind.rawValue)
    writer.append(record.codec.rawValue)
    writer.appendZeros(2)
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    id = try ChunkID(from: &reader)
    let offset = try reader.length(
      limit: Int(PackLayout.maximumByteCount), of: "an index entry's offset")
    let raw = try reader.uint32()
    let stored = try reader.uint32()
    pack = try reader.uint32()
    let rawKind = try reader.uint8()
    guard let kind = PackRecord.Kind(rawValue: rawKind) else {
      throw .damaged("an index entry has kind \(rawKind)")
    }
    self.kind = kind
    let codec = try Codec.known(try reader.uint8())
    try reader.zeros(2)
    guard 1...UInt32(FormatLimit.recordPayload) ~= raw, stored <= UInt32(FormatLimit.storedPayload)
    else { throw .damaged("an index entry's length is none that a record has") }
    record = RecordPlace(offset: UInt64(offset), rawLength: raw, storedLength: stored, codec: codec)
  }
}

/// The 4 KiB pages in which a segment's entries and filter are stored, so that a reader can check
/// what it read without reading the whole segment: 4088 bytes of content, then their XXH3-64.
package enum IndexPage {
  package static let byteCount = 4096
  package static let contentByteCount = byteCount - 8
  /// 73 entries of 56 bytes fill the content exactly.
  package static let entriesPerPage = contentByteCount / IndexEntry.byteCount

  package static func count(entries: UInt64) -> UInt64 {
    (entries + UInt64(entriesPerPage) - 1) / UInt64(entriesPerPage)
  }

  /// Appends a page with this content, filled up with zeros.
  static func append(_ content: [UInt8], to writer: inout ByteWriter) {
    precondition(content.count <= contentByteCount)
    let padded = content + [UInt8](repeating: 0, count: contentByteCount - content.count)
    writer.append(bytes: padded)
    writer.append(Checksum.of(padded.rawSpan))
  }

  /// Appends a page of up to 73 entries, which must be in ascending order.
  package static func append(_ entries: ArraySlice<IndexEntry>, to writer: inout ByteWriter) {
    precondition(entries.count <= entriesPerPage)
    var content = ByteWriter(capacity: contentByteCount)
    for entry in entries { entry.encode(to: &content) }
    append(content.bytes, to: &writer)
  }

  /// Checks a page that was read.
  package static func check(_ page: RawSpan) throws(FormatError) {
    let stored = unsafe UInt64(
      littleEndian: page.unsafeLoadUnaligned(fromByteOffset: contentByteCount, as: UInt64.self))
    guard Checksum.of(page.extracting(0..<contentByteCount)) == stored else {
      throw .damaged("the checksum of an index page is wrong")
    }
  }

  /// The ID of entry `index` of a checked page.
  package static func id(_ index: Int, in page: RawSpan) -> ChunkID {
    ChunkID(page, at: index * IndexEntry.byteCount)
  }

  package static func entry(_ index: Int, in page: RawSpan) throws(FormatError) -> IndexEntry {
    let start = index * IndexEntry.byteCount
    var reader = ByteReader(page.extracting(start..<(start + IndexEntry.byteCount)))
    return try IndexEntry(from: &reader)
  }

  /// The first of the page's first `count` entries whose ID is not less than `id`.
  package static func lowerBound(of id: ChunkID, count: Int, in page: RawSpan) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if Self.id(middle, in: page) < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
