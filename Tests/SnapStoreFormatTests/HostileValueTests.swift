import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// Objects whose checksums are right and whose values are not: what a hostile vault may hold.
@Suite struct HostileValueTests {
  /// The object with the body of one section rewritten.
  static func rewriting(
    _ bytes: [UInt8], _ kind: ObjectKind, section type: UInt32,
    _ change: (inout [UInt8]) -> Void
  ) throws -> [UInt8] {
    var object = try SectionedObject(decoding: bytes.rawSpan, expecting: kind)
    let index = try #require(object.sections.firstIndex { $0.type == type })
    change(&object.sections[index].body)
    return object.encoded()
  }

  static func descriptor(section type: UInt32, _ change: (inout [UInt8]) -> Void) throws -> Refusal
  {
    let bytes = try rewriting(
      try Sample.descriptor().encoded(), .vault, section: type, change)
    return Refusal.of { () throws(FormatError) in
      _ = try VaultDescriptor(decoding: bytes.rawSpan)
    }
  }

  @Test func unknownAlgorithmsAreUnsupported() throws {
    // Chunk hash, compression, kind of chunking, parity.
    for offset in [0, 4, 8, 20] {
      let refusal = try Self.descriptor(section: 3) { $0.put(UInt32(77), at: offset) }
      #expect(refusal == .unsupported, "at \(offset)")
    }
  }

  @Test(arguments: [0, 1, 4095, 4097, 12288, 1 << 19, 1 << 22, 1 << 63, UInt64.max])
  func impossibleFixedChunksAreRefused(_ byteCount: UInt64) throws {
    let refusal = try Self.descriptor(section: 3) {
      $0.put(UInt32(2), at: 8)
      $0.put(byteCount, at: 12)
    }
    #expect(refusal == .damaged)
  }

  @Test(arguments: [0, 31, 33]) func theSecretHas32Bytes(_ count: Int) throws {
    #expect(try Self.descriptor(section: 2) { $0 = Array(repeating: 1, count: count) } == .damaged)
  }

  @Test(
    "a deletion that can be taken back for longer than there is time",
    arguments: [
      (1, .max), (1, 1 << 63), (253_402_300_799, 1), (-62_135_596_800, .max),
    ] as [(Int64, UInt64)])
  func endlessSoftDelete(_ seconds: Int64, _ softDeleteSeconds: UInt64) throws {
    let record = TombstoneRecord(
      name: TombstoneName(point: try #require(PointID("20261122T100000Z-4e4a36")), number: 1),
      state: .deleted, time: Timestamp(seconds: seconds), softDeleteSeconds: softDeleteSeconds,
      subject: nil)
    let decoded = try TombstoneRecord(decoding: record.encoded().rawSpan)
    #expect(decoded.until.rfc3339 == "9999-12-31T23:59:59Z")
  }

  @Test func everySectionOfAnObjectMustEndWhereItsValuesEnd() throws {
    let point = try Sample.point().encoded()
    for type in UInt32(1)...5 {
      for change in [{ $0.append(0) }, { $0.removeLast() }] as [(inout [UInt8]) -> Void] {
        let bytes = try Self.rewriting(point, .point, section: type, change)
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try RecoveryPoint(decoding: bytes.rawSpan)
        }
        #expect(refusal == .damaged, "section \(type)")
      }
    }
    for type in UInt32(1)...3 {
      let bytes = try Self.rewriting(
        Sample.sessionRecord.encoded(), .session, section: type
      ) { $0.append(0) }
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try SessionRecord(decoding: bytes.rawSpan)
      }
      #expect(refusal == .damaged, "section \(type)")
    }
  }

  @Test func aListOfLossyPointsNamesOne() throws {
    let record = VerificationRecord(
      session: Sample.session, time: Sample.time, points: [], lossy: [Sample.pointID])
    #expect(try VerificationRecord(decoding: record.encoded().rawSpan) == record)
    let bytes = try Self.rewriting(record.encoded(), .verification, section: 3) {
      $0 = [UInt8](repeating: 0, count: 8)
    }
    #expect(
      Refusal.of { () throws(FormatError) in _ = try VerificationRecord(decoding: bytes.rawSpan) }
        == .damaged)
  }

  @Test(arguments: [3, 1025, 1 << 32, UInt64.max]) func hostileCounts(_ count: UInt64) throws {
    let session = try Self.rewriting(
      Sample.sessionRecord.encoded(), .session, section: 2
    ) { $0.put(count, at: 0) }
    #expect(
      Refusal.of { () throws(FormatError) in _ = try SessionRecord(decoding: session.rawSpan) }
        == .damaged)
    for (type, offset) in [(UInt32(3), 0), (4, 31)] {
      let point = try Self.rewriting(
        try Sample.point().encoded(), .point, section: type
      ) { $0.put(count, at: offset) }
      #expect(
        Refusal.of { () throws(FormatError) in _ = try RecoveryPoint(decoding: point.rawSpan) }
          == .damaged)
    }
  }

  static func refusal(of point: RecoveryPoint) -> Refusal {
    let bytes = point.encoded()
    return Refusal.of { () throws(FormatError) in
      let decoded = try RecoveryPoint(decoding: bytes.rawSpan)
      // What every list and every restore adds up.
      _ = decoded.figures
      _ = decoded.byteCount
      _ = decoded.disks.reduce(0) { $0 + $1.root.dataByteCount }
      _ = decoded.sequence + 1
    }
  }

  @Test func figuresThatOverflowDoNotCrash() throws {
    var point = try Sample.point()
    for index in point.disks.indices { point.disks[index].figures.storedByteCount = .max }
    #expect(Self.refusal(of: point) != .unsupported)
  }

  @Test func dataBeyondTheDiskIsRefused() throws {
    var point = try Sample.point()
    point.disks[0].root = .node(Sample.id(1), dataByteCount: point.disks[0].byteCount)
    #expect(Self.refusal(of: point) == .accepted)
    for count in [point.disks[0].byteCount + 1, .max] {
      point.disks[0].root = .node(Sample.id(1), dataByteCount: count)
      #expect(Self.refusal(of: point) == .damaged)
    }
  }

  @Test func disksThatAreTooLargeTogetherAreRefused() throws {
    var point = try Sample.point()
    for index in point.disks.indices {
      point.disks[index].byteCount = UInt64(Int64.max)
      point.disks[index].root = .node(Sample.id(1), dataByteCount: UInt64(Int64.max))
    }
    #expect(Self.refusal(of: point) == .damaged)
    point.disks.removeLast()
    #expect(Self.refusal(of: point) == .accepted)
    point.disks[0].byteCount += 1
    #expect(Self.refusal(of: point) == .damaged)
  }

  @Test func impossibleSequenceNumbersAreRefused() throws {
    var point = try Sample.point()
    for (sequence, expected) in [(0, .damaged), (1, .accepted), (UInt64.max, .damaged)]
      as [(UInt64, Refusal)]
    {
      point.sequence = sequence
      #expect(Self.refusal(of: point) == expected, "\(sequence)")
    }
  }

  @Test func twoDisksOfOneNameAreRefused() throws {
    var point = try Sample.point()
    point.disks[1].name = point.disks[0].name
    #expect(Self.refusal(of: point) == .damaged)
  }

  @Test func countsBeyondTheLimitAreRefused() throws {
    var point = try Sample.point()
    let disk = point.disks[1]
    point.disks = try (0...RecoveryPoint.maximumDisks).map { number in
      var disk = disk
      disk.name = try Sample.name("d\(number)")
      return disk
    }
    #expect(try Self.problem(of: point)?.contains("number of disks") == true)
    point = try Sample.point()
    point.previous = Array(repeating: point.previous[0], count: (1 << 16) + 1)
    #expect(try Self.problem(of: point)?.contains("number of hashes") == true)
  }

  private static func problem(of point: RecoveryPoint) throws -> String? {
    let bytes = point.encoded()
    do throws(FormatError) {
      _ = try RecoveryPoint(decoding: bytes.rawSpan)
      return nil
    } catch {
      return error.problem
    }
  }

  @Test func namesAreCheckedAgain() throws {
    let point = try Self.rewriting(try Sample.point().encoded(), .point, section: 1) { body in
      // The machine's name stands behind the point's ID of 8 + 23 bytes and its own length.
      body.replaceSubrange(39..<44, with: Array("../..".utf8))
    }
    let refusal = Refusal.of { () throws(FormatError) in
      _ = try RecoveryPoint(decoding: point.rawSpan)
    }
    #expect(refusal == .damaged)
  }

  /// The map's level follows from the disk's size.
  @Test func aLevelThatDoesNotFitIsRefused() throws {
    var point = try Sample.point()
    point.disks = [point.disks[1]]
    // Count, length, name, role, state, size, source: then the level.
    let offset = 8 + 8 + (8 + 6) + 4 + 4 + 8 + (8 + 11)
    for (level, expected) in [(0, .accepted), (1, .damaged), (UInt64.max, .damaged)]
      as [(UInt64, Refusal)]
    {
      let bytes = try Self.rewriting(point.encoded(), .point, section: 3) {
        $0.put(level, at: offset)
      }
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try RecoveryPoint(decoding: bytes.rawSpan)
      }
      #expect(refusal == expected, "\(level)")
    }
  }

  /// It has no content of its own: taken for one that was backed up, it would be all zeros.
  @Test func aDiskThatWasLeftOutIsUnsupported() throws {
    // Count, length, name, role: then the state.
    let offset = 8 + 8 + (8 + 4) + 4
    for (state, expected) in [(1, .accepted), (2, .unsupported)] as [(UInt32, Refusal)] {
      let bytes = try Self.rewriting(try Sample.point().encoded(), .point, section: 3) {
        $0.put(state, at: offset)
      }
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try RecoveryPoint(decoding: bytes.rawSpan)
      }
      #expect(refusal == expected, "\(state)")
    }
  }

  /// A later version may have another reason not to rely on a point's time.
  @Test func unknownSuspicionsOfClocksAreUnsupported() throws {
    var point = try Sample.point()
    point.clock = PointClock(vaultTime: Sample.time)
    let bytes = try Self.rewriting(point.encoded(), .point, section: 7) {
      $0.put(UInt32(3), at: 12)
    }
    #expect(
      Refusal.of { () throws(FormatError) in _ = try RecoveryPoint(decoding: bytes.rawSpan) }
        == .unsupported)
  }

  @Test func aSessionLeansOn1024PointsAtMost() {
    var session = Sample.sessionRecord
    for (count, expected) in [(1024, .accepted), (1025, .damaged)] as [(Int, Refusal)] {
      session.leansOn = Array(repeating: Sample.pointID, count: count)
      let bytes = session.encoded()
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try SessionRecord(decoding: bytes.rawSpan)
      }
      #expect(refusal == expected, "\(count)")
    }
  }

  @Test func unknownPurposesVerdictsAndConsistencies() throws {
    let session = try Self.rewriting(
      Sample.sessionRecord.encoded(), .session, section: 1
    ) { $0.put(UInt32(4), at: 16) }
    let outcome = try Self.rewriting(
      Sample.outcome.encoded(), .outcome, section: 1
    ) { $0.put(UInt32(0), at: 16) }
    let point = try Self.rewriting(
      try Sample.point().encoded(), .point, section: 2
    ) { $0.put(UInt32(5), at: 0) }
    #expect(
      Refusal.of { () throws(FormatError) in _ = try SessionRecord(decoding: session.rawSpan) }
        == .unsupported)
    #expect(
      Refusal.of { () throws(FormatError) in _ = try SessionOutcome(decoding: outcome.rawSpan) }
        == .unsupported)
    #expect(
      Refusal.of { () throws(FormatError) in _ = try RecoveryPoint(decoding: point.rawSpan) }
        == .unsupported)
  }

  static func epoch(
    condemned: [(UInt64, since: UInt64)] = [], doomed: [UInt64] = [], number: UInt64 = 7
  ) throws -> Refusal {
    var bytes = try rewriting(Sample.epoch.encoded(), .epoch, section: 1) { $0.put(number, at: 0) }
    bytes = try rewriting(bytes, .epoch, section: 2) { body in
      var writer = ByteWriter()
      writer.append(UInt64(condemned.count))
      for (pack, since) in condemned {
        SerialName(session: Sample.session, number: pack).encode(to: &writer)
        writer.append(since)
      }
      body = writer.bytes
    }
    bytes = try rewriting(bytes, .epoch, section: 3) { body in
      var writer = ByteWriter()
      writer.append(UInt64(doomed.count))
      for pack in doomed {
        SerialName(session: Sample.session, number: pack).encode(to: &writer)
      }
      body = writer.bytes
    }
    return Refusal.of { () throws(FormatError) in
      _ = try EpochRecord(decoding: bytes.rawSpan)
    }
  }

  @Test func epochsThatContradictThemselvesAreRefused() throws {
    #expect(try Self.epoch(condemned: [(1, 0), (2, 7)], doomed: [3, 4]) == .accepted)
    #expect(try Self.epoch(condemned: [(1, 8)]) == .damaged)
    #expect(try Self.epoch(condemned: [(1, .max)]) == .damaged)
    #expect(try Self.epoch(condemned: [(2, 0), (1, 0)]) == .damaged)
    #expect(try Self.epoch(condemned: [(1, 0), (1, 0)]) == .damaged)
    #expect(try Self.epoch(doomed: [4, 3]) == .damaged)
    #expect(try Self.epoch(doomed: [3, 3]) == .damaged)
    #expect(try Self.epoch(condemned: [(1, 0)], doomed: [1]) == .damaged)
    #expect(try Self.epoch(number: 0) == .damaged)
  }

  /// Counts that the bytes can't have, or that would take all memory.
  @Test(arguments: [3, 1 << 20, (1 << 20) + 1, 1 << 40, UInt64.max] as [UInt64])
  func hostileCountsOfPacks(_ count: UInt64) throws {
    for section in [2, 3] as [UInt32] {
      let bytes = try Self.rewriting(Sample.epoch.encoded(), .epoch, section: section) {
        $0.put(count, at: 0)
      }
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try EpochRecord(decoding: bytes.rawSpan)
      }
      #expect(refusal == .damaged, "section \(section)")
    }
  }

  @Test func hostileTombstones() throws {
    func refusal(_ section: UInt32, _ change: (inout [UInt8]) -> Void) throws -> Refusal {
      let bytes = try Self.rewriting(
        try Sample.tombstone().encoded(), .tombstone, section: section, change)
      return Refusal.of { () throws(FormatError) in
        _ = try TombstoneRecord(decoding: bytes.rawSpan)
      }
    }
    // Behind the point's ID of 8 + 23 bytes: number, state.
    for number in [0, 1 << 63, .max] as [UInt64] {
      #expect(try refusal(1) { $0.put(number, at: 31) } == .damaged)
    }
    for text in ["7fffffffffffffff", "8000000000000000", "ffffffffffffffff"] {
      let isName = text.hasPrefix("7")
      #expect((TombstoneName("\(Sample.pointID)-\(text)") != nil) == isName)
      #expect((EpochName(text) != nil) == isName)
    }
    #expect(try refusal(1) { $0.put(UInt32(0), at: 39) } == .unsupported)
    #expect(try refusal(1) { $0.put(UInt32(4), at: 39) } == .unsupported)
    #expect(try refusal(1) { $0[8] = UInt8(ascii: "/") } == .damaged)
    // The machine's name of 8 + 5 bytes, the sequence number, the hash.
    #expect(try refusal(2) { $0.replaceSubrange(8..<13, with: Array("../..".utf8)) } == .damaged)
    #expect(try refusal(2) { $0.put(UInt64(0), at: 13) } == .damaged)
    #expect(try refusal(2) { $0.put(UInt64.max, at: 13) } == .damaged)
    #expect(try refusal(2) { $0.removeLast() } == .damaged)
    #expect(try refusal(2) { $0.append(0) } == .damaged)
  }
}
