/// How far the disks of a point agree with each other and with what ran on them.
package enum Consistency: UInt32, Sendable, CaseIterable {
  case application = 1
  case fileSystem = 2
  case crash = 3
  case inconsistent = 4

  package var name: String {
    switch self {
    case .application: "application"
    case .fileSystem: "file-system"
    case .crash: "crash"
    case .inconsistent: "inconsistent"
    }
  }
}

/// A disk's part in its machine.
package enum DiskRole: UInt32, Sendable {
  case os = 1
  case data = 2

  package var name: String {
    switch self {
    case .os: "os"
    case .data: "data"
    }
  }
}

/// What a backup read and stored, in bytes.
package struct BackupFigures: Equatable, Sendable {
  /// Read from the source; holes are not.
  package var readByteCount: UInt64 = 0
  /// Known to be holes without reading.
  package var holeByteCount: UInt64 = 0
  /// Content that was not in the vault before, uncompressed.
  package var newByteCount: UInt64 = 0
  /// Content that was in the vault already.
  package var reusedByteCount: UInt64 = 0
  /// Added to the vault.
  package var storedByteCount: UInt64 = 0

  package init() {}

  /// Wraps around: figures that were read from a vault may be anything, and are only shown.
  package static func + (left: BackupFigures, right: BackupFigures) -> BackupFigures {
    var sum = left
    sum.readByteCount &+= right.readByteCount
    sum.holeByteCount &+= right.holeByteCount
    sum.newByteCount &+= right.newByteCount
    sum.reusedByteCount &+= right.reusedByteCount
    sum.storedByteCount &+= right.storedByteCount
    return sum
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    readByteCount = try reader.uint64()
    holeByteCount = try reader.uint64()
    newByteCount = try reader.uint64()
    reusedByteCount = try reader.uint64()
    storedByteCount = try reader.uint64()
  }

  func encode(to writer: inout ByteWriter) {
    writer.append(readByteCount)
    writer.append(holeByteCount)
    writer.append(newByteCount)
    writer.append(reusedByteCount)
    writer.append(storedByteCount)
  }
}

/// One disk in a recovery point.
package struct PointDisk: Equatable, Sendable {
  package var name: Name
  package var role: DiskRole
  package var byteCount: UInt64
  /// Where it was read from, for people.
  package var source: String
  package var root: MapReference
  package var figures: BackupFigures

  package init(
    name: Name, role: DiskRole, byteCount: UInt64, source: String, root: MapReference,
    figures: BackupFigures
  ) {
    self.name = name
    self.role = role
    self.byteCount = byteCount
    self.source = source
    self.root = root
    self.figures = figures
  }

  /// `state` 1 is backed up; 2, attached but left out, is kept for later.
  private static let backedUp: UInt32 = 1

  /// Behind its length, so that a later version can add to a disk what this one passes over.
  func encode(to writer: inout ByteWriter) {
    var body = ByteWriter()
    body.append(text: name.text)
    body.append(role.rawValue)
    body.append(Self.backedUp)
    body.append(byteCount)
    body.append(text: source)
    body.append(UInt64(DiskMap.rootLevel(ofDisk: byteCount)))
    root.encode(to: &body)
    figures.encode(to: &body)
    writer.append(UInt64(body.count))
    writer.append(bytes: body.bytes)
  }

  init(from disks: inout ByteReader) throws(FormatError) {
    let length = try disks.length(limit: disks.remaining, of: "a disk's length")
    let body = try disks.byteArray(length)
    var reader = ByteReader(body.rawSpan)
    name = try Name(from: &reader)
    let start = reader.offset
    guard let role = DiskRole(rawValue: try reader.uint32()) else {
      throw .damaged("a disk has no role", at: start)
    }
    self.role = role
    guard try reader.uint32() == Self.backedUp else {
      throw .unsupported("has a disk that was left out")
    }
    byteCount = try reader.uint64()
    guard byteCount <= UInt64(Int64.max) else {
      throw .damaged("a disk's size is beyond the limit", at: start)
    }
    source = try reader.text()
    guard try reader.uint64() == UInt64(DiskMap.rootLevel(ofDisk: byteCount)) else {
      throw .damaged("the map's level does not fit the disk's size", at: reader.offset)
    }
    root = try MapReference(from: &reader)
    guard root.dataByteCount <= byteCount else {
      throw .damaged("a disk has more data than bytes", at: reader.offset)
    }
    figures = try BackupFigures(from: &reader)
  }
}

/// A recovery point: one moment of all the machine's disks together. Stored in two copies; it
/// counts only once its session's outcome is `committed` (docs/format.md, "Points").
package struct RecoveryPoint: Equatable, Sendable {
  private enum SectionType {
    static let identity: UInt32 = 1
    static let consistency: UInt32 = 2
    static let disks: UInt32 = 3
    static let chain: UInt32 = 4
    static let descriptor: UInt32 = 5
    static let authenticator: UInt32 = 6  // kept for signatures
    static let clock: UInt32 = 7
    static let signals: UInt32 = 8
    static let known: Set<UInt32> = [
      identity, consistency, disks, chain, descriptor, clock, signals,
    ]
  }

  /// SHA-256 of an encoded point.
  package typealias Hash = [UInt8]
  package static let hashByteCount = 32
  /// More disks than the tool's own limit, so that the format need not change with it.
  package static let maximumDisks = 4096
  package static let maximumSequence = UInt64(Int64.max)

  package var id: PointID
  package var machine: Name
  package var session: SessionID
  /// One more than the highest of the machine's points that were there.
  package var sequence: UInt64
  package var time: Timestamp
  package var consistency: Consistency
  /// Why the point has that consistency, for people.
  package var evidence: String
  package var disks: [PointDisk]
  package var parent: PointID?
  /// The hashes of all heads of the machine's chain; empty for the first point.
  package var previous: [Hash]
  package var descriptor: VaultDescriptor
  /// Nil where the backup did not say.
  package var clock: PointClock?
  /// Nil where there was no parent to compare with, or the backup did not say.
  package var signals: PointSignals?

  package init(
    id: PointID, machine: Name, session: SessionID, sequence: UInt64, time: Timestamp,
    consistency: Consistency, evidence: String, disks: [PointDisk], parent: PointID?,
    previous: [Hash], descriptor: VaultDescriptor, clock: PointClock? = nil,
    signals: PointSignals? = nil
  ) {
    self.id = id
    self.machine = machine
    self.session = session
    self.sequence = sequence
    self.time = time
    self.consistency = consistency
    self.evidence = evidence
    self.disks = disks
    self.parent = parent
    self.previous = previous
    self.descriptor = descriptor
    self.clock = clock
    self.signals = signals
  }

  package var byteCount: UInt64 { disks.reduce(0) { $0 &+ $1.byteCount } }
  package var figures: BackupFigures { disks.reduce(BackupFigures()) { $0 + $1.figures } }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    identity.append(text: id.text)
    identity.append(text: machine.text)
    session.encode(to: &identity)
    identity.append(sequence)
    time.encode(to: &identity)
    var consistency = ByteWriter()
    consistency.append(self.consistency.rawValue)
    consistency.append(text: evidence)
    var disks = ByteWriter()
    disks.append(UInt64(self.disks.count))
    for disk in self.disks { disk.encode(to: &disks) }
    var chain = ByteWriter()
    chain.append(text: parent?.text ?? "")
    chain.append(UInt64(previous.count))
    for hash in previous { chain.append(bytes: hash) }
    var sections: [SectionedObject.Section] = [
      .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
      .init(type: SectionType.consistency, isRequired: true, body: consistency.bytes),
      .init(type: SectionType.disks, isRequired: true, body: disks.bytes),
      .init(type: SectionType.chain, isRequired: true, body: chain.bytes),
      .init(type: SectionType.descriptor, body: descriptor.encoded()),
    ]
    if let clock {
      var body = ByteWriter()
      clock.encode(to: &body)
      sections.append(.init(type: SectionType.clock, body: body.bytes))
    }
    if let signals {
      var body = ByteWriter()
      signals.encode(to: &body)
      sections.append(.init(type: SectionType.signals, body: body.bytes))
    }
    return SectionedObject(kind: .point, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .point)
    try object.refuseUnknownSections(known: SectionType.known)

    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    id = try PointID(from: &identity)
    machine = try Name(from: &identity)
    session = try SessionID(from: &identity)
    sequence = try identity.uint64()
    guard 1...Self.maximumSequence ~= sequence else {
      throw .damaged("the sequence number is \(sequence)")
    }
    time = try Timestamp(from: &identity)
    try identity.finish()

    let consistencyBody = try object.body(SectionType.consistency)
    var consistencyReader = ByteReader(consistencyBody.rawSpan)
    let rawConsistency = try consistencyReader.uint32()
    guard let consistency = Consistency(rawValue: rawConsistency) else {
      throw .unsupported("has consistency \(rawConsistency)")
    }
    self.consistency = consistency
    evidence = try consistencyReader.text()
    try consistencyReader.finish()

    disks = try Self.disks(try object.body(SectionType.disks))
    (parent, previous) = try Self.chain(try object.body(SectionType.chain))
    let descriptorBody = try object.body(SectionType.descriptor)
    descriptor = try VaultDescriptor(decoding: descriptorBody.rawSpan)
    if object.sections.contains(where: { $0.type == SectionType.clock }) {
      let clockBody = try object.body(SectionType.clock)
      var reader = ByteReader(clockBody.rawSpan)
      clock = try PointClock(from: &reader)
      try reader.finish()
    }
    if object.sections.contains(where: { $0.type == SectionType.signals }) {
      let signalsBody = try object.body(SectionType.signals)
      var reader = ByteReader(signalsBody.rawSpan)
      signals = try PointSignals(from: &reader)
      try reader.finish()
    }
  }

  private static func disks(_ body: [UInt8]) throws(FormatError) -> [PointDisk] {
    var reader = ByteReader(body.rawSpan)
    let count = try reader.length(limit: maximumDisks, of: "the number of disks")
    var disks: [PointDisk] = []
    // Sizes are added up in many places; here is the one where they might overflow.
    var room = UInt64(Int64.max)
    for _ in 0..<count {
      let disk = try PointDisk(from: &reader)
      guard disk.byteCount <= room else {
        throw .damaged("the disks together are beyond the limit", at: reader.offset)
      }
      room -= disk.byteCount
      guard !disks.contains(where: { $0.name == disk.name }) else {
        throw .damaged("two disks have one name", at: reader.offset)
      }
      disks.append(disk)
    }
    try reader.finish()
    return disks
  }

  private static func chain(_ body: [UInt8]) throws(FormatError) -> (PointID?, [Hash]) {
    var reader = ByteReader(body.rawSpan)
    let text = try reader.text()
    var parent: PointID?
    if !text.isEmpty {
      guard let id = PointID(text) else { throw .damaged("the parent is no point ID") }
      parent = id
    }
    let count = try reader.length(limit: 1 << 16, of: "the number of hashes")
    var previous: [Hash] = []
    for _ in 0..<count { previous.append(try reader.byteArray(hashByteCount)) }
    try reader.finish()
    return (parent, previous)
  }
}
