/// The frame around every object in a vault: a header, a table of typed sections, their bodies.
///
/// Table (docs/format.md, "Objects"), all little-endian:
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 8 | magic "SNAPSTOR" |
/// | 8 | 4 | object kind |
/// | 12 | 4 | format version |
/// | 16 | 8 | required feature bits |
/// | 24 | 8 | optional feature bits |
/// | 32 | 8 | the object's length in bytes; 0 where it is not known (a pack's header) |
/// | 40 | 8 | number of sections |
/// | 48 | 8 | XXH3-64 of bytes 0 to 47 followed by the section table |
/// | 56 | 8 | zero |
package struct ObjectHeader: Equatable, Sendable {
  package static let byteCount = 64
  /// No object has more sections.
  package static let maximumSections = 1024

  package var kind: ObjectKind
  package var features: FeatureBits
  package var objectLength: UInt64
  package var sectionCount: Int
  package var checksum: UInt64

  package init(
    kind: ObjectKind, features: FeatureBits = FeatureBits(), objectLength: UInt64,
    table: [SectionEntry]
  ) {
    self.kind = kind
    self.features = features
    self.objectLength = objectLength
    sectionCount = table.count
    checksum = 0
    checksum = Self.checksum(of: encoded(), table: SectionEntry.encode(table))
  }

  package func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: Self.byteCount)
    writer.append(Magic.object)
    writer.append(kind.rawValue)
    writer.append(Magic.formatVersion)
    writer.append(features.required)
    writer.append(features.optional)
    writer.append(objectLength)
    writer.append(UInt64(sectionCount))
    writer.append(checksum)
    writer.appendZeros(8)
    return writer.bytes
  }

  private static func checksum(of header: [UInt8], table: [UInt8]) -> UInt64 {
    let covered = Array(header[..<48] + table)
    return Checksum.of(covered.rawSpan)
  }

  /// Decodes the 64 bytes, and refuses what this version must not read: the version and required
  /// features come before the checksum, so that a newer object is called newer and not damaged.
  package init(
    decoding bytes: RawSpan, expecting expected: ObjectKind
  ) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.uint64() == Magic.object else {
      throw .damaged("does not begin as an object of a snapstore vault", at: 0)
    }
    let rawKind = try reader.uint32()
    let version = try reader.uint32()
    guard version == Magic.formatVersion else {
      throw .unsupported(
        "has format version \(version); this program knows version \(Magic.formatVersion)")
    }
    guard rawKind == expected.rawValue else {
      throw .damaged("is an object of kind \(rawKind), not \(expected.rawValue)", at: 8)
    }
    kind = expected
    features = FeatureBits(required: try reader.uint64(), optional: try reader.uint64())
    let unknown = features.required & ~FeatureBits.knownRequired
    guard unknown == 0 else {
      throw .unsupported(
        "needs features that this program does not have (bits 0x\(String(unknown, radix: 16)))")
    }
    objectLength = try reader.uint64()
    sectionCount = try reader.length(limit: Self.maximumSections, of: "the number of sections")
    checksum = try reader.uint64()
    try reader.zeros(8)
  }

  /// Decodes the header of an object that begins with it and its section table. A flipped bit, too,
  /// can make one look newer than it is: then its checksum is wrong.
  package init(startOf object: RawSpan, expecting expected: ObjectKind) throws(FormatError) {
    do throws(FormatError) {
      try self.init(decoding: object, expecting: expected)
    } catch {
      guard error.code == .unsupported, !Self.isIntact(object) else { throw error }
      throw .damaged("the checksum of header and section table is wrong")
    }
  }

  /// Whether header and section table at the start of an object are what somebody wrote, of
  /// whatever version and features: a flipped bit there looks like a newer program's object.
  package static func isIntact(_ object: RawSpan) -> Bool {
    do throws(FormatError) {
      guard object.byteCount >= byteCount else { return false }
      var reader = ByteReader(object.extracting(40..<byteCount))
      let count = try reader.length(limit: maximumSections, of: "the number of sections")
      let tableEnd = byteCount + count * SectionEntry.byteCount
      guard tableEnd <= object.byteCount else { return false }
      let table = object.extracting(byteCount..<tableEnd).copied()
      return try checksum(of: object.extracting(0..<byteCount).copied(), table: table)
        == reader.uint64()
    } catch {
      return false
    }
  }

  /// Decodes the section table that belongs to this header, after checking both together.
  /// `floor` is the first byte of the object in which a body may lie.
  package func table(
    decoding bytes: RawSpan, bodiesFrom floor: UInt64, to ceiling: UInt64
  ) throws(FormatError) -> [SectionEntry] {
    guard bytes.byteCount == sectionCount * SectionEntry.byteCount else {
      throw .damaged("the section table is cut off")
    }
    guard Self.checksum(of: encoded(), table: bytes.copied()) == checksum else {
      throw .damaged("the checksum of header and section table is wrong")
    }
    var reader = ByteReader(bytes)
    var entries: [SectionEntry] = []
    var end = floor
    for _ in 0..<sectionCount {
      let entry = try SectionEntry(from: &reader)
      guard entry.offset >= end, entry.offset <= ceiling, entry.length <= ceiling - entry.offset
      else {
        throw .damaged("section \(entry.type) lies outside of the object")
      }
      end = entry.offset + entry.length
      entries.append(entry)
    }
    return entries
  }
}

/// One row of a section table: 40 bytes.
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 4 | type, per kind of object |
/// | 4 | 4 | flags: bit 0 required, bit 1 the body is made of pages that check themselves |
/// | 8 | 8 | offset of the body in the object |
/// | 16 | 8 | length of the body |
/// | 24 | 8 | XXH3-64 of the body; 0 where bit 1 is set |
/// | 32 | 8 | zero |
package struct SectionEntry: Equatable, Sendable {
  package static let byteCount = 40
  package static let requiredFlag: UInt32 = 1
  package static let pagedFlag: UInt32 = 2

  package var type: UInt32
  package var flags: UInt32
  package var offset: UInt64
  package var length: UInt64
  package var checksum: UInt64

  package init(type: UInt32, flags: UInt32, offset: UInt64, length: UInt64, checksum: UInt64) {
    self.type = type
    self.flags = flags
    self.offset = offset
    self.length = length
    self.checksum = checksum
  }

  package var isRequired: Bool { flags & Self.requiredFlag != 0 }

  init(from reader: inout ByteReader) throws(FormatError) {
    type = try reader.uint32()
    flags = try reader.uint32()
    offset = try reader.uint64()
    length = try reader.uint64()
    checksum = try reader.uint64()
    try reader.zeros(8)
  }

  package static func encode(_ entries: [SectionEntry]) -> [UInt8] {
    var writer = ByteWriter(capacity: entries.count * byteCount)
    for entry in entries {
      writer.append(entry.type)
      writer.append(entry.flags)
      writer.append(entry.offset)
      writer.append(entry.length)
      writer.append(entry.checksum)
      writer.appendZeros(8)
    }
    return writer.bytes
  }
}

/// A whole object in memory: what every small object (descriptor, point, session, outcome) is
/// encoded to and decoded from. Packs and index segments use the same header and table, but are
/// written as a stream and read by ranges.
package struct SectionedObject: Equatable, Sendable {
  package struct Section: Equatable, Sendable {
    package var type: UInt32
    package var isRequired: Bool
    package var body: [UInt8]

    package init(type: UInt32, isRequired: Bool = false, body: [UInt8]) {
      self.type = type
      self.isRequired = isRequired
      self.body = body
    }
  }

  package var kind: ObjectKind
  package var features: FeatureBits
  package var sections: [Section]

  package init(kind: ObjectKind, features: FeatureBits = FeatureBits(), sections: [Section]) {
    self.kind = kind
    self.features = features
    self.sections = sections
  }

  package func encoded() -> [UInt8] {
    var offset = ObjectHeader.byteCount + sections.count * SectionEntry.byteCount
    var table: [SectionEntry] = []
    var bodies = ByteWriter()
    for section in sections {
      table.append(
        SectionEntry(
          type: section.type, flags: section.isRequired ? SectionEntry.requiredFlag : 0,
          offset: UInt64(offset), length: UInt64(section.body.count),
          checksum: Checksum.of(section.body.rawSpan)))
      bodies.append(bytes: section.body)
      bodies.align(to: 8)
      offset = ObjectHeader.byteCount + sections.count * SectionEntry.byteCount + bodies.count
    }
    let header = ObjectHeader(
      kind: kind, features: features, objectLength: UInt64(offset), table: table)
    return header.encoded() + SectionEntry.encode(table) + bodies.bytes
  }

  /// Checks every byte: header, table, each body, and the zeros between them. Bodies begin at
  /// multiples of 8, and the object ends at one.
  package init(decoding bytes: RawSpan, expecting expected: ObjectKind) throws(FormatError) {
    guard bytes.byteCount >= ObjectHeader.byteCount else {
      throw .damaged("is only \(bytes.byteCount) bytes long")
    }
    let header = try ObjectHeader(startOf: bytes, expecting: expected)
    guard header.objectLength == UInt64(bytes.byteCount) else {
      throw .damaged(
        "is \(bytes.byteCount) bytes long and should be \(header.objectLength)")
    }
    guard bytes.byteCount.isMultiple(of: 8) else {
      throw .damaged("ends at no multiple of 8", at: bytes.byteCount)
    }
    let tableEnd = ObjectHeader.byteCount + header.sectionCount * SectionEntry.byteCount
    guard tableEnd <= bytes.byteCount else { throw .damaged("the section table is cut off") }
    let table = try header.table(
      decoding: bytes.extracting(ObjectHeader.byteCount..<tableEnd),
      bodiesFrom: UInt64(tableEnd), to: UInt64(bytes.byteCount))
    kind = expected
    features = header.features
    sections = []
    var end = tableEnd
    for entry in table {
      let start = Int(entry.offset)
      guard start.isMultiple(of: 8) else {
        throw .damaged("section \(entry.type) begins at no multiple of 8", at: start)
      }
      try Self.checkZeros(bytes, end..<start)
      end = start + Int(entry.length)
      let body = bytes.extracting(start..<end)
      guard Checksum.of(body) == entry.checksum else {
        throw .damaged("the checksum of section \(entry.type) is wrong", at: start)
      }
      sections.append(
        Section(type: entry.type, isRequired: entry.isRequired, body: body.copied()))
    }
    try Self.checkZeros(bytes, end..<bytes.byteCount)
  }

  private static func checkZeros(_ bytes: RawSpan, _ range: Range<Int>) throws(FormatError) {
    guard range.count < 8 else { throw .damaged("a gap between sections", at: range.lowerBound) }
    var reader = ByteReader(bytes.extracting(range))
    try reader.zeros(range.count)
  }

  /// The body of the first section of a type; throws where it is missing.
  package func body(_ type: UInt32) throws(FormatError) -> [UInt8] {
    guard let section = sections.first(where: { $0.type == type }) else {
      throw .damaged("section \(type) is missing")
    }
    return section.body
  }

  /// Refuses an object with a required section that is not among those the caller knows.
  package func refuseUnknownSections(known: Set<UInt32>) throws(FormatError) {
    for section in sections where section.isRequired && !known.contains(section.type) {
      throw .unsupported("has a required section of type \(section.type)")
    }
  }
}
