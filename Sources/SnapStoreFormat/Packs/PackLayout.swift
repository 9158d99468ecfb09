/// Where one record of a pack lies: an entry of the pack's directory, 64 bytes.
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 32 | ID |
/// | 32 | 8 | offset of the record's head in the pack |
/// | 40 | 8 | raw length |
/// | 48 | 8 | stored length |
/// | 56 | 1 | kind |
/// | 57 | 1 | codec |
/// | 58 | 6 | zero |
package struct PackDirectoryEntry: Equatable, Sendable {
  package static let byteCount = 64

  package var record: RecordPlace
  package var id: ChunkID
  package var kind: PackRecord.Kind

  package init(id: ChunkID, kind: PackRecord.Kind, record: RecordPlace) {
    self.id = id
    self.kind = kind
    self.record = record
  }

  func encode(to writer: inout ByteWriter) {
    id.encode(to: &writer)
    writer.append(record.offset)
    writer.append(UInt64(record.rawLength))
    writer.append(UInt64(record.storedLength))
    writer.append(kind.rawValue)
    writer.append(record.codec.rawValue)
    writer.appendZeros(6)
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    id = try ChunkID(from: &reader)
    let offset = try reader.uint64()
    let raw = try reader.length(limit: FormatLimit.recordPayload, of: "a raw length")
    guard raw > 0 else { throw .damaged("a raw length is 0", at: reader.offset) }
    let stored = try reader.length(limit: FormatLimit.storedPayload, of: "a stored length")
    kind = try PackRecord.Kind.known(try reader.uint8())
    let codec = try Codec.known(try reader.uint8())
    try reader.zeros(6)
    record = RecordPlace(
      offset: offset, rawLength: UInt32(raw), storedLength: UInt32(stored), codec: codec)
  }
}

/// Where a record lies in its pack, and how long it is. Lengths fit 32 bits by the format's bound
/// on a record.
package struct RecordPlace: Hashable, Sendable {
  package var offset: UInt64
  package var rawLength: UInt32
  package var storedLength: UInt32
  package var codec: Codec

  package init(offset: UInt64, rawLength: UInt32, storedLength: UInt32, codec: Codec) {
    self.offset = offset
    self.rawLength = rawLength
    self.storedLength = storedLength
    self.codec = codec
  }

  /// Head and stored bytes.
  package var byteCount: Int { PackRecord.headByteCount + Int(storedLength) }
}

/// What a pack says about itself: section 1 of its trailer.
package struct PackIdentity: Equatable, Sendable {
  static let byteCount = 40

  package var vault: VaultID
  package var name: SerialName

  package init(vault: VaultID, name: SerialName) {
    self.vault = vault
    self.name = name
  }
}

/// A pack: a header of 64 bytes, records one behind the other, then the trailer: section bodies,
/// section table, and a footer of 64 bytes in the header's form. The footer comes last, because a
/// pack is written as a stream; a reader begins with it.
package enum PackLayout {
  /// No pack is longer: what bounds the memory that a hostile one can make a reader use.
  package static let maximumByteCount: UInt64 = 1 << 28
  /// No pack has more records, for the same reason: its directory is read at once.
  package static let maximumRecords = 1 << 19

  private enum SectionType {
    static let identity: UInt32 = 1
    static let directory: UInt32 = 2
    // 3 sector checksums, 4 parity: kept for later, optional.
  }

  package static func header() -> [UInt8] {
    ObjectHeader(kind: .pack, objectLength: 0, table: []).encoded()
  }

  package static func checkHeader(_ bytes: RawSpan) throws(FormatError) {
    let header = try ObjectHeader(startOf: bytes, expecting: .pack)
    guard header.objectLength == 0 else {
      throw .damaged("the header of a pack says a length", at: 32)
    }
    _ = try header.table(decoding: RawSpan(), bodiesFrom: 0, to: 0)
  }

  /// The bytes that follow the last record, which ends at `recordsEnd`.
  package static func trailer(
    identity: PackIdentity, directory: [PackDirectoryEntry], recordsEnd: UInt64
  ) -> [UInt8] {
    var identityBody = ByteWriter()
    identityBody.append(bytes: identity.vault.bytes)
    identity.name.encode(to: &identityBody)
    var directoryBody = ByteWriter(capacity: directory.count * PackDirectoryEntry.byteCount)
    for entry in directory { entry.encode(to: &directoryBody) }

    let bodies = [
      (SectionType.identity, identityBody.bytes), (SectionType.directory, directoryBody.bytes),
    ]
    var table: [SectionEntry] = []
    var bytes: [UInt8] = []
    for (type, body) in bodies {
      table.append(
        SectionEntry(
          type: type, flags: SectionEntry.requiredFlag, offset: recordsEnd + UInt64(bytes.count),
          length: UInt64(body.count), checksum: Checksum.of(body.rawSpan)))
      bytes += body
    }
    bytes += SectionEntry.encode(table)
    let length = recordsEnd + UInt64(bytes.count + ObjectHeader.byteCount)
    bytes += ObjectHeader(kind: .packTrailer, objectLength: length, table: table).encoded()
    return bytes
  }

  /// Decodes the last 64 bytes of a pack of `packLength` bytes: where its section table lies.
  package static func tableRange(
    footer: RawSpan, packLength: UInt64
  ) throws(FormatError) -> (footer: ObjectHeader, range: Range<UInt64>) {
    let decoded = try ObjectHeader(decoding: footer, expecting: .packTrailer)
    guard decoded.objectLength == packLength else {
      throw .damaged("the pack is \(packLength) bytes long and should be \(decoded.objectLength)")
    }
    let tail = UInt64(ObjectHeader.byteCount + decoded.sectionCount * SectionEntry.byteCount)
    guard packLength >= tail + UInt64(ObjectHeader.byteCount) else {
      throw .damaged("the pack is too short for its trailer")
    }
    return (decoded, (packLength - tail)..<(packLength - UInt64(ObjectHeader.byteCount)))
  }

  /// The sections of a pack, found by their types.
  package struct Sections: Sendable {
    package var identity: SectionEntry
    package var directory: SectionEntry
  }

  package static func sections(
    footer: ObjectHeader, table: RawSpan, tableOffset: UInt64
  ) throws(FormatError) -> Sections {
    let entries = try footer.table(
      decoding: table, bodiesFrom: UInt64(ObjectHeader.byteCount), to: tableOffset)
    for entry in entries
    where entry.isRequired && ![SectionType.identity, SectionType.directory].contains(entry.type) {
      throw .unsupported("has a required section of type \(entry.type)")
    }
    guard let identity = entries.first(where: { $0.type == SectionType.identity }),
      let directory = entries.first(where: { $0.type == SectionType.directory })
    else { throw .damaged("the pack has no directory") }
    // Before anybody makes room for them.
    guard identity.length == UInt64(PackIdentity.byteCount),
      directory.length <= UInt64(maximumRecords * PackDirectoryEntry.byteCount)
    else { throw .damaged("a section of the pack has an impossible length") }
    return Sections(identity: identity, directory: directory)
  }

  package static func decodeIdentity(
    _ body: RawSpan, section: SectionEntry
  ) throws(FormatError) -> PackIdentity {
    try check(body, section)
    var reader = ByteReader(body)
    let vaultBytes = try reader.byteArray(VaultID.byteCount)
    guard let vault = VaultID(vaultBytes) else { throw .damaged("a vault ID is cut off") }
    let name = try SerialName(from: &reader)
    try reader.finish()
    return PackIdentity(vault: vault, name: name)
  }

  /// Decodes the directory, in the order of the records, and checks that the records lie one
  /// behind the other inside of the pack.
  package static func decodeDirectory(
    _ body: RawSpan, section: SectionEntry
  ) throws(FormatError) -> [PackDirectoryEntry] {
    try checkDirectory(body, section)
    var reader = ByteReader(body)
    var entries: [PackDirectoryEntry] = []
    entries.reserveCapacity(body.byteCount / PackDirectoryEntry.byteCount)
    var end = UInt64(ObjectHeader.byteCount)
    while reader.remaining > 0 {
      let entry = try PackDirectoryEntry(from: &reader)
      let length = UInt64(entry.record.byteCount)
      guard entry.record.offset >= end, entry.record.offset < section.offset,
        length <= section.offset - entry.record.offset
      else { throw .damaged("the directory names a record outside of the pack") }
      end = entry.record.offset + length
      entries.append(entry)
    }
    return entries
  }

  /// Checks the bytes of a directory, and nothing yet of what they say.
  static func checkDirectory(_ body: RawSpan, _ section: SectionEntry) throws(FormatError) {
    try check(body, section)
    guard body.byteCount.isMultiple(of: PackDirectoryEntry.byteCount) else {
      throw .damaged("the directory has half an entry")
    }
  }

  private static func check(_ body: RawSpan, _ section: SectionEntry) throws(FormatError) {
    guard UInt64(body.byteCount) == section.length, Checksum.of(body) == section.checksum else {
      throw .damaged("the checksum of section \(section.type) is wrong")
    }
  }
}
