/// What a session says about itself before it relies on anything in the vault: the object
/// `sessions/ID` (docs/format.md, "Sessions").
package struct SessionRecord: Equatable, Sendable {
  package enum Purpose: UInt32, Sendable {
    case write = 1
    case read = 2
    case collect = 3
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let leansOn: UInt32 = 2
    static let host: UInt32 = 3
    static let known: Set<UInt32> = [identity, leansOn, host]
  }

  package var id: SessionID
  package var purpose: Purpose
  /// The epoch that was read just before the session was registered.
  package var epoch: UInt64
  package var started: Timestamp
  /// A backup's parent, a restore's point: what must not be deleted under the session.
  package var leansOn: [PointID]
  /// For people: which host and process it is.
  package var host: String

  package init(
    id: SessionID, purpose: Purpose, epoch: UInt64, started: Timestamp, leansOn: [PointID],
    host: String
  ) {
    self.id = id
    self.purpose = purpose
    self.epoch = epoch
    self.started = started
    self.leansOn = leansOn
    self.host = host
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    id.encode(to: &identity)
    identity.append(purpose.rawValue)
    identity.append(epoch)
    started.encode(to: &identity)
    var points = ByteWriter()
    points.append(UInt64(leansOn.count))
    for point in leansOn { points.append(text: point.text) }
    var host = ByteWriter()
    host.append(text: self.host)
    return SectionedObject(
      kind: .session,
      sections: [
        .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
        .init(type: SectionType.leansOn, isRequired: true, body: points.bytes),
        .init(type: SectionType.host, body: host.bytes),
      ]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .session)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    id = try SessionID(from: &identity)
    let rawPurpose = try identity.uint32()
    guard let purpose = Purpose(rawValue: rawPurpose) else {
      throw .unsupported("is a session of purpose \(rawPurpose)")
    }
    self.purpose = purpose
    epoch = try identity.uint64()
    started = try Timestamp(from: &identity)
    try identity.finish()
    let pointsBody = try object.body(SectionType.leansOn)
    var points = ByteReader(pointsBody.rawSpan)
    leansOn = []
    for _ in 0..<(try points.length(limit: 1024, of: "the number of points")) {
      leansOn.append(try PointID(from: &points))
    }
    try points.finish()
    let hostBody = try object.body(SectionType.host)
    var host = ByteReader(hostBody.rawSpan)
    self.host = try host.text()
    try host.finish()
  }
}

/// How a session ended: the object `outcomes/ID`. Creating it as `committed` is the only commit
/// of the session's point; whoever finds a session dead creates it as `aborted`.
package struct SessionOutcome: Equatable, Sendable {
  package enum Verdict: UInt32, Sendable {
    case committed = 1
    case aborted = 2
  }

  private static let sectionType: UInt32 = 1

  package var session: SessionID
  package var verdict: Verdict

  package init(session: SessionID, verdict: Verdict) {
    self.session = session
    self.verdict = verdict
  }

  package func encoded() -> [UInt8] {
    var body = ByteWriter()
    session.encode(to: &body)
    body.append(verdict.rawValue)
    return SectionedObject(
      kind: .outcome,
      sections: [.init(type: Self.sectionType, isRequired: true, body: body.bytes)]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .outcome)
    try object.refuseUnknownSections(known: [Self.sectionType])
    let body = try object.body(Self.sectionType)
    var reader = ByteReader(body.rawSpan)
    session = try SessionID(from: &reader)
    let rawVerdict = try reader.uint32()
    guard let verdict = Verdict(rawValue: rawVerdict) else {
      throw .unsupported("is an outcome of kind \(rawVerdict)")
    }
    self.verdict = verdict
    try reader.finish()
  }
}
