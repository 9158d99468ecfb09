import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// One value of each encoding, always the same.
enum Sample {
  static let seed: [UInt8] = (0..<32).map { UInt8($0) }
  static let secrets = VaultSecrets(seed: seed)
  static let session = SessionID(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)
  static let time = Timestamp(seconds: 1_795_341_600, nanoseconds: 123_456_789)
  static let pointID = PointID(time: time, random: 0xABCDEF)
  static let parentID = PointID(time: Timestamp(seconds: 1_795_255_200), random: 7)
  static let packName = SerialName(session: session, number: 0x1F)

  static func vaultID() throws -> VaultID {
    try #require(VaultID((0..<16).map { 0xF0 - UInt8($0) }))
  }

  static func name(_ text: String) throws -> Name { try #require(Name(text)) }

  /// IDs as uniform as real ones, in no order.
  static func ids(_ count: Int, seed: UInt64) -> [ChunkID] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      ChunkID(generator.next(), generator.next(), generator.next(), generator.next())
    }
  }

  static func id(_ number: UInt64) -> ChunkID { ids(1, seed: number)[0] }

  static func descriptor() throws -> VaultDescriptor {
    VaultDescriptor(id: try vaultID(), created: time, secret: seed, region: "eu-north")
  }

  static func fixedDescriptor() throws -> VaultDescriptor {
    VaultDescriptor(
      id: try vaultID(), created: time, secret: seed, chunkHash: .xxh3,
      chunking: .fixed(64 * 1024))
  }

  static func point() throws -> RecoveryPoint {
    var figures = BackupFigures()
    figures.readByteCount = 1
    figures.holeByteCount = 2
    figures.newByteCount = 3
    figures.reusedByteCount = 4
    figures.storedByteCount = 5
    let disks = [
      PointDisk(
        name: try name("root"), role: .os, byteCount: 300 << 20, source: "/srv/root.img",
        root: .node(id(1), dataByteCount: 123_456), figures: figures),
      PointDisk(
        name: try name("data-1"), role: .data, byteCount: 4097, source: "/srv/ä.img",
        root: .hole, figures: BackupFigures()),
    ]
    return RecoveryPoint(
      id: pointID, machine: try name("web.1"), session: session, sequence: 42, time: time,
      consistency: .crash, evidence: "files at rest", disks: disks, parent: parentID,
      previous: [[UInt8](repeating: 0xA5, count: 32), seed], descriptor: try descriptor())
  }

  static let sessionRecord = SessionRecord(
    id: session, purpose: .write, epoch: 3, started: time, leansOn: [parentID, pointID],
    host: "host, process 1")
  static let outcome = SessionOutcome(session: session, verdict: .committed)

  static let damage = DamageRecord(
    name: SerialName(session: session, number: 3), time: time,
    findings: [
      .init(id: id(6), kind: .chunk, address: RecordAddress(pack: packName, offset: 64)),
      .init(id: id(7), kind: .mapNode, address: nil),
    ])

  static let verification = VerificationRecord(
    session: session, time: time, points: [parentID, pointID])
  static let lossyVerification = VerificationRecord(
    session: session, time: time, points: [parentID], lossy: [pointID])

  static let epoch = EpochRecord(
    number: 7, session: session, time: time,
    condemned: [
      .init(pack: SerialName(session: session, number: 0x21), unreachedSince: 5),
      .init(pack: SerialName(session: session, number: 0x22), unreachedSince: nil),
    ], doomed: [packName], vaultTime: Timestamp(seconds: 1_795_000_000))

  static let pin = PinRecord(point: pointID, time: time)
  static let review = ReviewRecord(point: pointID, time: time)

  static var signals: PointSignals {
    var figures = PointSignals.Figures()
    figures.dataByteCount = 1 << 40
    figures.replacedByteCount = 0x2_0000_0001
    figures.scrambledByteCount = 0x1_0000_0002
    figures.addedByteCount = 3
    figures.addedDenseByteCount = 2
    figures.removedByteCount = 4
    return PointSignals(figures: figures, rules: [.incompressible, .rewritten])
  }

  static func jobs() throws -> JobsObject {
    let started = JobRecord(
      id: JobID(time: time, random: 0xABCDEF), kind: .backup, host: "host7, process 42",
      started: time, machine: try name("web"))
    var done = started
    done.point = pointID
    done.end = JobRecord.End(
      time: Timestamp(seconds: time.seconds + 75, nanoseconds: 5), code: 0,
      warnings: ["the clock is wrong"], figures: [.readBytes: 1 << 30, .storedBytes: 77])
    let failed = JobRecord(
      id: JobID(time: time, random: 1), kind: .run, host: "", started: time,
      end: JobRecord.End(time: time, code: 74, message: "no space", hint: "make some"))
    return JobsObject(jobs: [started, done, failed])
  }

  static func tombstone() throws -> TombstoneRecord {
    TombstoneRecord(
      name: TombstoneName(point: pointID, number: 1), state: .deleted, time: time,
      softDeleteSeconds: 14 * 86400,
      subject: .init(machine: try name("web.1"), sequence: 42, hash: seed))
  }

  static func policy() throws -> PolicyRecord {
    PolicyRecord(
      name: ChangeName(try name("gold.1-a"), number: 3), time: time,
      settings: .init(
        schedule: Schedule("weekly fri,mon 02:30"),
        zone: try #require(TimeZoneName("Europe/Berlin")),
        rules: KeepRules(last: 3, daily: 7, weekly: 4, monthly: 12, yearly: 5),
        softDeleteSeconds: 14 * 86400))
  }

  static func machine() throws -> MachineRecord {
    MachineRecord(
      name: ChangeName(try name("web.1"), number: 2), time: time,
      assignment: .init(
        policy: try name("gold.1-a"),
        disks: [
          .init(name: try name("root"), role: .os, source: "/srv/root.img"),
          .init(name: try name("data-1"), role: .data, source: "/srv/ä.img"),
        ]))
  }

  static let record = PackRecord(
    kind: .chunk, codec: .lz4, rawLength: 262_144, storedLength: 4321, id: id(2),
    storedChecksum: 0x0123_4567_89AB_CDEF)

  static let extentNode = ExtentNode(ranges: [
    .chunk(length: 16384, id: id(3), fingerprint: Fingerprint(high: 1, low: 2)),
    .zeros(length: 32768),
    .chunk(length: 4097, id: id(4), fingerprint: Fingerprint(high: .max, low: 0xFF00)),
  ])
  static let extentLength = 16384 + 32768 + 4097
  static let spanNode = SpanNode(
    level: 2, children: [.hole, .node(id(5), dataByteCount: 1 << 27), .hole])

  static func encoded(_ record: PackRecord) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: PackRecord.headByteCount)
    bytes.withMutableBytes { record.encode(to: &$0, at: 0) }
    return bytes
  }

  /// A pack of three records whose stored bytes are noise.
  static func pack() throws -> [UInt8] {
    var bytes = PackLayout.header()
    var directory: [PackDirectoryEntry] = []
    for (number, length) in [10, 300, 1].enumerated() {
      let id = id(UInt64(100 + number))
      let stored = DiskImage(seed: UInt64(number), [.noise(length)]).bytes
      let kind: PackRecord.Kind = number == 2 ? .mapNode : .chunk
      let codec: Codec = number == 1 ? .lz4 : .raw
      let raw = number == 1 ? 5000 : length
      let place = RecordPlace(
        offset: UInt64(bytes.count), rawLength: UInt32(raw), storedLength: UInt32(length),
        codec: codec)
      directory.append(PackDirectoryEntry(id: id, kind: kind, record: place))
      bytes += encoded(
        PackRecord(
          kind: kind, codec: codec, rawLength: raw, storedLength: length, id: id,
          storedChecksum: Checksum.of(stored.rawSpan)))
      bytes += stored
    }
    bytes += PackLayout.trailer(
      identity: PackIdentity(vault: try vaultID(), name: packName), directory: directory,
      recordsEnd: UInt64(bytes.count))
    return bytes
  }

  static let packs = [
    CoveredPack(name: packName, byteCount: 12345),
    CoveredPack(name: SerialName(session: session, number: 0x20), byteCount: 1 << 26),
  ]

  /// `count` entries in order, alternately in the first and second of `packs`.
  static func entries(_ count: Int, seed: UInt64 = 9) -> [IndexEntry] {
    ids(count, seed: seed).sorted().enumerated().map { number, id in
      IndexEntry(
        id: id, kind: number % 3 == 0 ? .mapNode : .chunk, pack: UInt32(number % 2),
        record: RecordPlace(
          offset: UInt64(64 + number * 1000), rawLength: 20000, storedLength: 900, codec: .lz4))
    }
  }
}

/// What every decoder must do with bytes that are not right.
enum Refusal: Equatable {
  case damaged, unsupported, accepted

  static func of(_ decode: () throws(FormatError) -> Void) -> Refusal {
    do throws(FormatError) {
      try decode()
      return .accepted
    } catch {
      return error.code == .damaged ? .damaged : .unsupported
    }
  }
}

extension [UInt8] {
  mutating func withMutableBytes<Result, Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var span = mutableSpan
    var bytes = unsafe span.mutableBytes
    return try body(&bytes)
  }

  /// The body of a section whose place has been checked.
  @_lifetime(borrow self)
  func body(_ entry: SectionEntry) -> RawSpan {
    rawSpan.extracting(Int(entry.offset)..<Int(entry.offset + entry.length))
  }

  func flipping(bit: Int) -> [UInt8] {
    var copy = self
    copy[bit / 8] ^= 1 << UInt8(bit % 8)
    return copy
  }

  mutating func put(_ value: some FixedWidthInteger, at offset: Int) {
    var writer = ByteWriter()
    writer.append(value)
    replaceSubrange(offset..<(offset + writer.count), with: writer.bytes)
  }
}

extension IndexFilter {
  /// The pages of the filter over these entries.
  static func encodePages(over entries: [IndexEntry]) -> [UInt8] {
    var filter = IndexFilter(entryCount: UInt64(entries.count))
    for entry in entries { filter.insert(entry.id) }
    var writer = ByteWriter()
    for number in 0..<filter.pageCount { filter.appendPage(number, to: &writer) }
    return writer.bytes
  }
}
