import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// The exact bytes of every encoding. Whoever changes one changes the format.
@Suite struct EncodingGoldenTests {
  @Test func frame() throws {
    let object = SectionedObject(
      kind: .session, features: FeatureBits(required: 0, optional: 5),
      sections: [
        .init(type: 1, isRequired: true, body: [1, 2, 3]), .init(type: 9, body: []),
        .init(type: 7, body: Array(repeating: 0xEE, count: 16)),
      ])
    try expectGolden(object.encoded(), "frame")
    let decoded = try SectionedObject(decoding: object.encoded().rawSpan, expecting: .session)
    #expect(decoded == object)
  }

  @Test func descriptor() throws {
    try expectGolden(try Sample.descriptor().encoded(), "descriptor")
    try expectGolden(try Sample.fixedDescriptor().encoded(), "descriptor-fixed")
    for descriptor in [try Sample.descriptor(), try Sample.fixedDescriptor()] {
      #expect(try VaultDescriptor(decoding: descriptor.encoded().rawSpan) == descriptor)
    }
  }

  @Test func point() throws {
    let point = try Sample.point()
    try expectGolden(point.encoded(), "point")
    #expect(try RecoveryPoint(decoding: point.encoded().rawSpan) == point)
  }

  @Test func firstPointOfAMachine() throws {
    var point = try Sample.point()
    point.parent = nil
    point.previous = []
    point.disks = []
    #expect(try RecoveryPoint(decoding: point.encoded().rawSpan) == point)
  }

  @Test func sessionAndOutcome() throws {
    try expectGolden(Sample.sessionRecord.encoded(), "session")
    try expectGolden(Sample.outcome.encoded(), "outcome")
    #expect(
      try SessionRecord(decoding: Sample.sessionRecord.encoded().rawSpan) == Sample.sessionRecord)
    for verdict in [SessionOutcome.Verdict.committed, .aborted] {
      let outcome = SessionOutcome(session: Sample.session, verdict: verdict)
      #expect(try SessionOutcome(decoding: outcome.encoded().rawSpan) == outcome)
    }
  }

  @Test func damage() throws {
    try expectGolden(Sample.damage.encoded(), "damage")
    #expect(try DamageRecord(decoding: Sample.damage.encoded().rawSpan) == Sample.damage)
  }

  @Test func verification() throws {
    for (record, name) in [
      (Sample.verification, "verification"), (Sample.lossyVerification, "verification-lossy"),
    ] {
      try expectGolden(record.encoded(), name)
      #expect(try VerificationRecord(decoding: record.encoded().rawSpan) == record)
    }
  }

  @Test func epoch() throws {
    try expectGolden(Sample.epoch.encoded(), "epoch")
    #expect(try EpochRecord(decoding: Sample.epoch.encoded().rawSpan) == Sample.epoch)
  }

  @Test func pin() throws {
    try expectGolden(Sample.pin.encoded(), "pin")
    #expect(try PinRecord(decoding: Sample.pin.encoded().rawSpan) == Sample.pin)
  }

  @Test func review() throws {
    try expectGolden(Sample.review.encoded(), "review")
    #expect(try ReviewRecord(decoding: Sample.review.encoded().rawSpan) == Sample.review)
  }

  @Test func pointWithSignals() throws {
    var point = try Sample.point()
    point.signals = Sample.signals
    try expectGolden(point.encoded(), "point-signals")
    // A rule that only a later version knows is one all the same.
    point.signals?.rules.append(PointSignals.Rule(rawValue: 9))
    for rules in [[], [.rewritten], point.signals?.rules ?? []] as [[PointSignals.Rule]] {
      point.signals?.rules = rules
      #expect(try RecoveryPoint(decoding: point.encoded().rawSpan) == point)
    }
    point.signals?.rules = [.rewritten, .incompressible]
    let bytes = point.encoded()
    #expect(throws: FormatError.self) { _ = try RecoveryPoint(decoding: bytes.rawSpan) }
  }

  @Test func jobs() throws {
    let object = try Sample.jobs()
    try expectGolden(object.encoded(), "jobs")
    #expect(try JobsObject(decoding: object.encoded().rawSpan) == object)
  }

  @Test("what is too long to be recorded of a job is cut off")
  func longJobs() throws {
    let long = String(repeating: "ä", count: 5000)
    let end = JobRecord.End(
      time: Sample.time, code: 1, message: long, hint: "",
      warnings: Array(repeating: long, count: 50) + [""])
    var object = try Sample.jobs()
    object.jobs[0].end = end
    #expect(try JobsObject(decoding: object.encoded().rawSpan) == object)
    #expect(end.message == String(repeating: "ä", count: 512) && end.hint == nil)
    #expect(end.warnings.count == JobRecord.End.maximumWarnings)
    // As many as there may be, as long as they may be, are a small object.
    object.jobs = [object.jobs[0]]
    #expect(object.encoded().count * JobsObject.maximumJobs < FormatLimit.smallObject)
  }

  @Test func pointWithItsClock() throws {
    var point = try Sample.point()
    for suspicion in [nil, .behind, .ahead] as [PointClock.Suspicion?] {
      point.clock = PointClock(
        vaultTime: Timestamp(seconds: 1_795_000_000, nanoseconds: 5), suspicion: suspicion)
      #expect(try RecoveryPoint(decoding: point.encoded().rawSpan) == point)
    }
    try expectGolden(point.encoded(), "point-clock")
  }

  @Test func tombstone() throws {
    let record = try Sample.tombstone()
    try expectGolden(record.encoded(), "tombstone")
    for state in TombstoneRecord.State.allCases {
      for subject in [record.subject, nil] {
        var record = record
        record.state = state
        record.softDeleteSeconds = state == .deleted ? 5 : 0
        record.subject = subject
        #expect(try TombstoneRecord(decoding: record.encoded().rawSpan) == record)
      }
    }
  }

  @Test func policy() throws {
    var record = try Sample.policy()
    try expectGolden(record.encoded(), "policy")
    #expect(try PolicyRecord(decoding: record.encoded().rawSpan) == record)
    record.settings?.schedule = nil
    #expect(try PolicyRecord(decoding: record.encoded().rawSpan) == record)
    record.settings = nil
    try expectGolden(record.encoded(), "policy-removed")
    #expect(try PolicyRecord(decoding: record.encoded().rawSpan) == record)
  }

  @Test func machine() throws {
    var record = try Sample.machine()
    try expectGolden(record.encoded(), "machine")
    #expect(try MachineRecord(decoding: record.encoded().rawSpan) == record)
    record.assignment?.disks = []
    #expect(try MachineRecord(decoding: record.encoded().rawSpan) == record)
    record.assignment = nil
    try expectGolden(record.encoded(), "machine-unassigned")
    #expect(try MachineRecord(decoding: record.encoded().rawSpan) == record)
  }

  @Test func recordHead() throws {
    let bytes = Sample.encoded(Sample.record)
    try expectGolden(bytes, "record-head")
    #expect(try PackRecord(decodingHead: bytes.rawSpan) == Sample.record)
  }

  @Test func pack() throws {
    try expectGolden(PackLayout.header(), "pack-header")
    try expectGolden(try Sample.pack(), "pack")
  }

  @Test func indexPageAndFilter() throws {
    var writer = ByteWriter()
    IndexPage.append(Sample.entries(3)[...], to: &writer)
    try expectGolden(writer.bytes, "index-page")
    try expectGolden(IndexFilter.encodePages(over: Sample.entries(3)), "index-filter")
  }

  @Test func indexSegment() throws {
    try expectGolden(
      IndexSegmentLayout.encode(packs: Sample.packs, entries: Sample.entries(80)),
      "index-segment")
  }

  @Test func mapNodes() throws {
    try expectGolden(Sample.extentNode.encoded(), "extent-node")
    try expectGolden(Sample.spanNode.encoded(), "span-node")
    #expect(
      try ExtentNode(
        decoding: Sample.extentNode.encoded().rawSpan, extentLength: Sample.extentLength)
        == Sample.extentNode)
    #expect(
      try SpanNode(decoding: Sample.spanNode.encoded().rawSpan, level: 2, childCount: 3)
        == Sample.spanNode)
  }

  /// The numbers that mark things, spelled out.
  @Test func numbers() {
    var writer = ByteWriter()
    writer.append(Magic.object)
    writer.append(Magic.record)
    #expect(String(decoding: writer.bytes, as: UTF8.self) == "SNAPSTORSREC")
    #expect(Magic.formatVersion == 1)
    #expect(ObjectKind.allCases.map(\.rawValue) == Array(1...16))
    #expect(Codec.allCases.map(\.rawValue) == [0, 1, 2])
    #expect(ChunkHash.allCases.map(\.recordedName) == ["sha256-tree16k", "xxh3-128"])
    #expect(
      Consistency.allCases.map(\.name) == ["application", "file-system", "crash", "inconsistent"])
    #expect(FormatLimit.block == 4096 && FormatLimit.extent == 4 << 20)
    #expect(FormatLimit.minimumChunk == 16384 && FormatLimit.maximumChunk == 262_144)
    #expect(FormatLimit.mapFanOut == 64 && FormatLimit.zeroRun == 16384)
    #expect(FormatLimit.recordPayload == 262_144 && FormatLimit.storedPayload == 266_240)
    #expect(FormatLimit.text == 65536 && FormatLimit.smallObject == 67_108_864)
    #expect(PackLayout.maximumByteCount == 268_435_456 && ObjectHeader.maximumSections == 1024)
    #expect(RecoveryPoint.maximumDisks == 4096 && PointSignals.maximumRules == 64)
    #expect(EpochRecord.maximumPacks == 1_048_576 && DamageRecord.maximumFindings == 65536)
    #expect(VerificationRecord.maximumPoints == 1_048_576 && JobsObject.maximumJobs == 4096)
    #expect(JobRecord.End.maximumWarnings == 8 && JobRecord.End.maximumFigures == 64)
    #expect(JobRecord.End.maximumText == 1024)
  }
}
