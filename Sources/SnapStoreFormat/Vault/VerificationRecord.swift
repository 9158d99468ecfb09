/// Which points a run has verified whole, chunk data included: the object `verifications/SESSION`
/// (docs/format.md, "Verifications").
package struct VerificationRecord: Equatable, Sendable {
  private enum SectionType {
    static let identity: UInt32 = 1
    static let points: UInt32 = 2
    static let known: Set<UInt32> = [identity, points]
  }

  /// A record names no more points than this.
  package static let maximumPoints = 1 << 20

  package var session: SessionID
  /// When the verification began: what was damaged later, it did not see.
  package var time: Timestamp
  package var points: [PointID]

  package init(session: SessionID, time: Timestamp, points: [PointID]) {
    self.session = session
    self.time = time
    self.points = points
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    session.encode(to: &identity)
    time.encode(to: &identity)
    var body = ByteWriter()
    body.append(UInt64(points.count))
    for point in points { body.append(text: point.text) }
    return SectionedObject(
      kind: .verification,
      sections: [
        .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
        .init(type: SectionType.points, isRequired: true, body: body.bytes),
      ]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .verification)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    session = try SessionID(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()
    let pointsBody = try object.body(SectionType.points)
    var reader = ByteReader(pointsBody.rawSpan)
    points = []
    for _ in 0..<(try reader.length(limit: Self.maximumPoints, of: "the number of points")) {
      points.append(try PointID(from: &reader))
    }
    try reader.finish()
  }
}
