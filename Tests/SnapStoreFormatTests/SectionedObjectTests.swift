import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct SectionedObjectTests {
  static func decode(_ bytes: [UInt8], _ kind: ObjectKind = .outcome) -> Refusal {
    Refusal.of { () throws(FormatError) in
      _ = try SectionedObject(decoding: bytes.rawSpan, expecting: kind)
    }
  }

  @Test(arguments: [12, 13, 14, 15]) func anotherVersionIsUnsupported(_ offset: Int) {
    var bytes = Sample.outcome.encoded()
    #expect(Self.decode(asNewer(bytes, at: offset)) == .unsupported)
    bytes[offset] ^= 0x40
    #expect(Self.decode(bytes) == .damaged, "nobody has written that")
  }

  @Test func everyUnknownRequiredFeatureIsUnsupported() {
    for bit in 0..<64 {
      let object = SectionedObject(
        kind: .outcome, features: FeatureBits(required: 1 << UInt64(bit)), sections: [])
      #expect(Self.decode(object.encoded()) == .unsupported)
    }
  }

  @Test func unknownOptionalFeaturesAreKept() throws {
    let object = SectionedObject(
      kind: .outcome, features: FeatureBits(optional: .max), sections: [])
    let decoded = try SectionedObject(decoding: object.encoded().rawSpan, expecting: .outcome)
    #expect(decoded.features.optional == .max)
  }

  /// Some kinds of small objects with sections that this version does not know, and whether what
  /// they say is the same.
  static func withOptionalSections() throws -> [(String, Refusal)] {
    func extended(_ bytes: [UInt8], _ kind: ObjectKind) throws -> [UInt8] {
      var object = try SectionedObject(decoding: bytes.rawSpan, expecting: kind)
      object.sections.insert(.init(type: 999, body: [1, 2, 3]), at: 0)
      object.sections.append(.init(type: 1000, body: []))
      return object.encoded()
    }
    let vault = try extended(try Sample.descriptor().encoded(), .vault)
    let point = try extended(try Sample.point().encoded(), .point)
    let session = try extended(Sample.sessionRecord.encoded(), .session)
    let outcome = try extended(Sample.outcome.encoded(), .outcome)
    return [
      (
        "descriptor",
        Refusal.of { () throws(FormatError) in
          let decoded = try VaultDescriptor(decoding: vault.rawSpan)
          if decoded.region != "eu-north" { throw .damaged("changed") }
        }
      ),
      (
        "point",
        Refusal.of { () throws(FormatError) in
          let decoded = try RecoveryPoint(decoding: point.rawSpan)
          if decoded.sequence != 42 { throw .damaged("changed") }
        }
      ),
      (
        "session",
        Refusal.of { () throws(FormatError) in
          let decoded = try SessionRecord(decoding: session.rawSpan)
          if decoded != Sample.sessionRecord { throw .damaged("changed") }
        }
      ),
      (
        "outcome",
        Refusal.of { () throws(FormatError) in
          let decoded = try SessionOutcome(decoding: outcome.rawSpan)
          if decoded != Sample.outcome { throw .damaged("changed") }
        }
      ),
    ]
  }

  @Test func unknownOptionalSectionsAreSkipped() throws {
    for (name, refusal) in try Self.withOptionalSections() {
      #expect(refusal == .accepted, "\(name)")
    }
  }

  @Test(arguments: Encoding.all.filter { $0.kind != nil })
  func unknownSectionsAreRefusedOnlyWhereTheyAreRequired(_ encoding: Encoding) throws {
    let kind = try #require(encoding.kind)
    let bytes = try encoding.bytes()
    let whole = try SectionedObject(decoding: bytes.rawSpan, expecting: kind)
    // Key slots and the authenticator: kept for later, and not known yet.
    let reserved: [ObjectKind: UInt32] = [.vault: 5, .point: 6]
    for type in [999, reserved[kind]].compactMap({ $0 }) {
      for (isRequired, expected) in [(false, .accepted), (true, .unsupported)]
        as [(Bool, Refusal)]
      {
        var object = whole
        object.sections.append(.init(type: type, isRequired: isRequired, body: [1, 2, 3]))
        let extended = object.encoded()
        let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(extended) }
        #expect(refusal == expected, "section \(type)")
      }
    }
  }

  @Test func ofTwoSectionsOfOneTypeTheFirstCounts() throws {
    let object = SectionedObject(
      kind: .outcome, sections: [.init(type: 1, body: [1]), .init(type: 1, body: [2])])
    #expect(try object.body(1) == [1])
  }

  @Test func aMissingSectionIsDamage() throws {
    let encodings: [(ObjectKind, [UInt8], @Sendable ([UInt8]) throws(FormatError) -> Void)] = [
      (
        .vault, try Sample.fixedDescriptor().encoded(),
        { (bytes) throws(FormatError) in _ = try VaultDescriptor(decoding: bytes.rawSpan) }
      ),
      (
        .point, try Sample.point().encoded(),
        { (bytes) throws(FormatError) in _ = try RecoveryPoint(decoding: bytes.rawSpan) }
      ),
      (
        .session, Sample.sessionRecord.encoded(),
        { (bytes) throws(FormatError) in _ = try SessionRecord(decoding: bytes.rawSpan) }
      ),
      (
        .outcome, Sample.outcome.encoded(),
        { (bytes) throws(FormatError) in _ = try SessionOutcome(decoding: bytes.rawSpan) }
      ),
    ]
    for (kind, bytes, decode) in encodings {
      let whole = try SectionedObject(decoding: bytes.rawSpan, expecting: kind)
      for missing in whole.sections.indices {
        var object = whole
        object.sections.remove(at: missing)
        let refusal = Refusal.of { () throws(FormatError) in try decode(object.encoded()) }
        #expect(refusal == .damaged, "\(kind) without section \(missing)")
      }
    }
  }

  /// A table whose checksum is right and whose rows are not: a frame of one section of 8 bytes.
  static func frame(offset: UInt64, length: UInt64, sections: Int? = nil) -> [UInt8] {
    let body: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    let entry = SectionEntry(
      type: 1, flags: 1, offset: offset, length: length, checksum: Checksum.of(body.rawSpan))
    let header = ObjectHeader(kind: .outcome, objectLength: 112, table: [entry])
    var bytes = header.encoded() + SectionEntry.encode([entry]) + body
    if let sections { bytes.put(UInt64(sections), at: 40) }
    return bytes
  }

  @Test func sectionsMustLieInsideOfTheObject() {
    #expect(Self.decode(Self.frame(offset: 104, length: 8)) == .accepted)
    let hostile: [(UInt64, UInt64)] = [
      (104, 9), (105, 8), (0, 8), (64, 8), (103, 8), (112, 8), (104, .max), (.max, 8),
      (.max, .max), (.max - 7, 8), (1 << 63, 1 << 63), (104, 1 << 63), (113, 0), (112, 1),
    ]
    for (offset, length) in hostile {
      #expect(Self.decode(Self.frame(offset: offset, length: length)) == .damaged)
    }
  }

  @Test func whatIsKeptForLaterInATableIsZero() {
    var bytes = Self.frame(offset: 104, length: 8)
    bytes[64 + 32] = 1
    let covered = Array(bytes[..<48] + bytes[64..<104])
    bytes.put(Checksum.of(covered.rawSpan), at: 48)
    #expect(Self.decode(bytes) == .damaged)
  }

  @Test(arguments: [0, 2, 1024, 1025, Int.max]) func hostileSectionCounts(_ count: Int) {
    #expect(Self.decode(Self.frame(offset: 104, length: 8, sections: count)) == .damaged)
  }

  @Test func aGapBetweenSectionsIsDamage() {
    let entry = SectionEntry(
      type: 1, flags: 1, offset: 112, length: 0, checksum: Checksum.of([UInt8]().rawSpan))
    let header = ObjectHeader(kind: .outcome, objectLength: 112, table: [entry])
    let table = header.encoded() + SectionEntry.encode([entry])
    #expect(Self.decode(table + [UInt8](repeating: 0, count: 8)) == .damaged)
  }

  @Test func bodiesBeginAndObjectsEndAtMultiplesOf8() {
    let body: [UInt8] = [1, 2, 3, 4]
    for (offset, end, expected) in [
      (104, 112, .accepted), (108, 112, .damaged), (104, 108, .damaged),
    ] as [(Int, Int, Refusal)] {
      let entry = SectionEntry(
        type: 1, flags: 1, offset: UInt64(offset), length: 4, checksum: Checksum.of(body.rawSpan))
      let header = ObjectHeader(kind: .outcome, objectLength: UInt64(end), table: [entry])
      var bytes = header.encoded() + SectionEntry.encode([entry])
      bytes += [UInt8](repeating: 0, count: offset - bytes.count) + body
      bytes += [UInt8](repeating: 0, count: end - bytes.count)
      #expect(Self.decode(bytes) == expected, "from \(offset) to \(end)")
    }
  }

  @Test func sectionsMayNotOverlap() {
    let body: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    let entries = [UInt64(144), 144].map {
      SectionEntry(type: 1, flags: 0, offset: $0, length: 8, checksum: Checksum.of(body.rawSpan))
    }
    let header = ObjectHeader(kind: .outcome, objectLength: 152, table: entries)
    #expect(Self.decode(header.encoded() + SectionEntry.encode(entries) + body) == .damaged)
  }

  @Test func manySections() throws {
    let sections = (0..<ObjectHeader.maximumSections).map {
      SectionedObject.Section(
        type: UInt32($0), body: [UInt8](repeating: UInt8($0 & 255), count: $0 % 19))
    }
    let object = SectionedObject(kind: .point, sections: sections)
    let decoded = try SectionedObject(decoding: object.encoded().rawSpan, expecting: .point)
    #expect(decoded == object)
    #expect(try decoded.body(1000) == sections[1000].body)
  }

  @Test func errorsSayWhere() {
    let error = FormatError.damaged("is wrong", at: 12)
    #expect(error.description == "is wrong (at byte 12)")
    #expect(error.inObject("points/x").description == "points/x: is wrong (at byte 12)")
    #expect(error.inObject("inner").inObject("outer").object == "inner")
  }
}
