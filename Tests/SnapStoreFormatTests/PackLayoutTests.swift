import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// A pack decoded and checked as a whole: what every reader does in parts.
struct DecodedPack {
  var identity: PackIdentity
  var directory: [PackDirectoryEntry]

  init(_ bytes: [UInt8]) throws(FormatError) {
    let length = bytes.count
    guard length >= 2 * ObjectHeader.byteCount else { throw .damaged("too short") }
    try PackLayout.checkHeader(bytes.rawSpan.extracting(0..<64))
    let sections = try Self.sections(bytes)
    identity = try PackLayout.decodeIdentity(
      bytes.body(sections.identity), section: sections.identity)
    directory = try PackLayout.decodeDirectory(
      bytes.body(sections.directory), section: sections.directory)
    for entry in directory {
      let start = Int(entry.record.offset)
      let end = start + entry.record.byteCount
      let head = try PackRecord(decodingHead: bytes.rawSpan.extracting(start..<end))
      let stored = bytes.rawSpan.extracting((start + PackRecord.headByteCount)..<end)
      guard head.id == entry.id, head.kind == entry.kind, head.codec == entry.record.codec,
        head.byteCount == entry.record.byteCount,
        head.rawLength == Int(entry.record.rawLength), Checksum.of(stored) == head.storedChecksum
      else { throw .damaged("a record is not what the directory says") }
    }
  }

  static func sections(_ bytes: [UInt8]) throws(FormatError) -> PackLayout.Sections {
    let length = bytes.count
    let (footer, range) = try PackLayout.tableRange(
      footer: bytes.rawSpan.extracting((length - 64)..<length), packLength: UInt64(length))
    return try PackLayout.sections(
      footer: footer,
      table: bytes.rawSpan.extracting(Int(range.lowerBound)..<Int(range.upperBound)),
      tableOffset: range.lowerBound)
  }
}

@Suite struct PackLayoutTests {
  static func refusal(of bytes: [UInt8]) -> Refusal {
    Refusal.of { () throws(FormatError) in _ = try DecodedPack(bytes) }
  }

  @Test func comesBack() throws {
    let pack = try DecodedPack(try Sample.pack())
    #expect(pack.identity == PackIdentity(vault: try Sample.vaultID(), name: Sample.packName))
    #expect(pack.directory.map(\.record.storedLength) == [10, 300, 1])
    #expect(pack.directory.map(\.record.rawLength) == [10, 5000, 1])
    #expect(pack.directory.map(\.kind) == [.chunk, .chunk, .mapNode])
  }

  @Test func aPackWithoutRecords() throws {
    let bytes =
      PackLayout.header()
      + PackLayout.trailer(
        identity: PackIdentity(vault: try Sample.vaultID(), name: Sample.packName),
        directory: [], recordsEnd: 64)
    #expect(try DecodedPack(bytes).directory.isEmpty)
  }

  @Test func everyFlippedBitIsRefused() throws {
    let bytes = try Sample.pack()
    for bit in 0..<(bytes.count * 8) {
      guard Self.refusal(of: bytes.flipping(bit: bit)) != .accepted else {
        Issue.record("bit \(bit % 8) of byte \(bit / 8) of \(bytes.count) may flip")
        return
      }
    }
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = try Sample.pack()
    for length in bytes.indices {
      #expect(Self.refusal(of: Array(bytes.prefix(length))) == .damaged, "\(length)")
      #expect(Self.refusal(of: Array(bytes.suffix(length))) == .damaged, "last \(length)")
    }
    #expect(Self.refusal(of: bytes + [0]) == .damaged)
  }

  /// A trailer with these sections, all checksums right.
  static func trailer(_ sections: [(type: UInt32, flags: UInt32, body: [UInt8])]) -> [UInt8] {
    var bytes = PackLayout.header()
    var table: [SectionEntry] = []
    for section in sections {
      table.append(
        SectionEntry(
          type: section.type, flags: section.flags, offset: UInt64(bytes.count),
          length: UInt64(section.body.count), checksum: Checksum.of(section.body.rawSpan)))
      bytes += section.body
    }
    bytes += SectionEntry.encode(table)
    let length = UInt64(bytes.count + ObjectHeader.byteCount)
    return bytes + ObjectHeader(kind: .packTrailer, objectLength: length, table: table).encoded()
  }

  static let identity = [UInt8](repeating: 7, count: 40)

  @Test func unknownSections() {
    let identity = Self.identity
    let known: [(UInt32, UInt32, [UInt8])] = [(1, 1, identity), (2, 1, [])]
    #expect(Self.refusal(of: Self.trailer(known)) == .accepted)
    #expect(Self.refusal(of: Self.trailer(known + [(3, 0, [1, 2, 3])])) == .accepted)
    #expect(Self.refusal(of: Self.trailer([(9, 2, [1])] + known)) == .accepted)
    #expect(Self.refusal(of: Self.trailer(known + [(3, 1, [1, 2, 3])])) == .unsupported)
    #expect(Self.refusal(of: Self.trailer([(1, 1, identity)])) == .damaged)
    #expect(Self.refusal(of: Self.trailer([(2, 1, [])])) == .damaged)
    #expect(Self.refusal(of: Self.trailer([])) == .damaged)
    #expect(Self.refusal(of: Self.trailer([(1, 1, identity + [0]), (2, 1, [])])) == .damaged)
  }

  @Test func ofTwoSectionsOfOneTypeTheFirstCounts() throws {
    let row = Self.row(offset: 1 << 40)
    let bytes = Self.trailer([
      (1, 1, Self.identity), (2, 1, []), (1, 1, [UInt8](repeating: 8, count: 40)), (2, 1, row),
    ])
    let pack = try DecodedPack(bytes)
    #expect(pack.identity.vault.bytes == [UInt8](repeating: 7, count: 16))
    #expect(pack.directory.isEmpty)
  }

  @Test func sectionsOfImpossibleLengthsAreRefusedBeforeTheyAreRead() throws {
    for (identity, records, isRight) in [
      (40, 1 << 19, true), (40, 1 << 19 + 1, false), (39, 1, false), (41, 1, false),
      (1 << 20, 1, false),
    ] {
      let bytes = Self.trailer([
        (1, 1, [UInt8](repeating: 7, count: identity)),
        (2, 1, [UInt8](repeating: 0, count: 64 * records)),
      ])
      let refusal = Refusal.of { () throws(FormatError) in _ = try DecodedPack.sections(bytes) }
      #expect(refusal == (isRight ? .accepted : .damaged), "\(identity), \(records)")
    }
  }

  @Test func anotherVersionIsUnsupported() throws {
    let bytes = try Sample.pack()
    #expect(Self.refusal(of: asNewer(Array(bytes[..<64])) + bytes[64...]) == .unsupported)
    var changed = bytes
    changed.put(UInt32(2), at: 12)
    #expect(Self.refusal(of: changed) == .damaged, "nobody has written that")
    changed = bytes
    changed.put(UInt32(2), at: bytes.count - 64 + 12)
    #expect(Self.refusal(of: changed) == .unsupported)
  }

  @Test(arguments: [0, 8, 15, 63]) func aHeaderThatIsCutOffIsDamaged(count: Int) throws {
    let refusal = Refusal.of { () throws(FormatError) in
      try PackLayout.checkHeader(Array(PackLayout.header().prefix(count)).rawSpan)
    }
    #expect(refusal == .damaged)
  }

  /// A directory row with everything free.
  static func row(
    offset: UInt64, raw: UInt64 = 10, stored: UInt64 = 10, kind: UInt8 = 1, codec: UInt8 = 0,
    reserved: UInt8 = 0
  ) -> [UInt8] {
    var writer = ByteWriter()
    Sample.id(1).encode(to: &writer)
    for value in [offset, raw, stored] { writer.append(value) }
    writer.append(bytes: [kind, codec, reserved, 0, 0, 0, 0, 0])
    return writer.bytes
  }

  /// Decodes rows as the directory of a pack whose records end at `end`.
  static func directory(_ rows: [UInt8], end: UInt64 = 1000) -> Refusal {
    let section = SectionEntry(
      type: 2, flags: 1, offset: end, length: UInt64(rows.count),
      checksum: Checksum.of(rows.rawSpan))
    return Refusal.of { () throws(FormatError) in
      _ = try PackLayout.decodeDirectory(rows.rawSpan, section: section)
    }
  }

  @Test func recordsLieInsideOfThePackOneBehindTheOther() {
    let row = Self.row
    #expect(Self.directory(row(64, 10, 10, 1, 0, 0) + row(154, 10, 10, 1, 0, 0)) == .accepted)
    #expect(Self.directory(row(910, 10, 10, 1, 0, 0)) == .accepted)
    for offset in [0, 63, 911, 1000, 1 << 63, .max, .max - 89] as [UInt64] {
      #expect(Self.directory(row(offset, 10, 10, 1, 0, 0)) == .damaged, "\(offset)")
    }
    #expect(Self.directory(row(64, 10, 10, 1, 0, 0) + row(153, 10, 10, 1, 0, 0)) == .damaged)
    #expect(Self.directory(row(154, 10, 10, 1, 0, 0) + row(64, 10, 10, 1, 0, 0)) == .damaged)
  }

  @Test func directoryRowsAreChecked() {
    for length in [266_241, 1 << 32, .max] as [UInt64] {
      #expect(Self.directory(Self.row(offset: 64, stored: length), end: 1 << 40) == .damaged)
      #expect(Self.directory(Self.row(offset: 64, raw: length)) == .damaged)
    }
    #expect(Self.directory(Self.row(offset: 64, raw: 0)) == .damaged)
    #expect(Self.directory(Self.row(offset: 64, kind: 3)) == .unsupported)
    #expect(Self.directory(Self.row(offset: 64, codec: 3)) == .unsupported)
    #expect(Self.directory(Self.row(offset: 64, reserved: 1)) == .damaged)
    #expect(Self.directory(Self.row(offset: 64).dropLast()) == .damaged)
  }

  /// Heads whose checksum is right and whose values are not.
  @Test func recordHeads() {
    func head(_ change: (inout [UInt8]) -> Void) -> Refusal {
      var bytes = Sample.encoded(Sample.record)
      change(&bytes)
      bytes.put(Checksum.of(bytes.rawSpan.extracting(0..<72)), at: 72)
      return Refusal.of { () throws(FormatError) in
        _ = try PackRecord(decodingHead: bytes.rawSpan)
      }
    }
    #expect(head { _ in } == .accepted)
    #expect(head { $0[4] = 3 } == .unsupported, "kind")
    #expect(head { $0[5] = 3 } == .unsupported, "codec")
    #expect(head { $0[6] = 1 } == .unsupported, "key ID")
    #expect(head { $0.put(UInt64(0), at: 8) } == .damaged, "raw length")
    #expect(head { $0.put(UInt64(262_145), at: 8) } == .damaged, "raw length")
    #expect(head { $0.put(UInt64.max, at: 16) } == .damaged, "stored length")
    #expect(head { $0.put(UInt64(266_240), at: 16) } == .accepted, "stored length")
    #expect(head { $0.put(UInt64(266_241), at: 16) } == .damaged, "stored length")
    #expect(head { $0[24] = 12 } == .unsupported, "nonce length")
    #expect(head { $0[25] = 16 } == .unsupported, "tag length")
    for place in 26..<32 { #expect(head { $0[place] = 1 } == .damaged) }
  }

  /// It is not known when the header is written.
  @Test func theHeaderSaysNoLength() throws {
    let bytes = try Sample.pack()
    let header = ObjectHeader(kind: .pack, objectLength: UInt64(bytes.count), table: [])
    #expect(Self.refusal(of: header.encoded() + bytes.dropFirst(64)) == .damaged)
  }

  @Test func impossibleSectionCountsOfTheFooter() throws {
    let bytes = try Sample.pack()
    for count in [0, 1, 3, 1024, 1025, 1 << 32, .max] as [UInt64] {
      var changed = bytes
      changed.put(count, at: bytes.count - 64 + 40)
      #expect(Self.refusal(of: changed) == .damaged, "\(count)")
    }
  }
}
