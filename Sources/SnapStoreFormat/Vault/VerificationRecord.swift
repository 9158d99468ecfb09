/// Which points a run has verified whole, chunk data included, and which it found to lose
/// something: the object `verifications/SESSION` (docs/format.md, "Verifications").
package struct VerificationRecord: Equatable, Sendable {
  private enum SectionType {
    static let identity: UInt32 = 1
    static let points: UInt32 = 2
    static let lossy: UInt32 = 3
    static let known: Set<UInt32> = [identity, points, lossy]
  }

  /// A record names no more points than this as verified, and no more as lossy.
  package static let maximumPoints = 1 << 20

  package var session: SessionID
  /// When the verification began: what was damaged later, it did not see.
  package var time: Timestamp
  package var points: [PointID]
  /// Points of which something can't be restored.
  package var lossy: [PointID]

  package init(session: SessionID, time: Timestamp, points: [PointID], lossy: [PointID] = []) {
    self.session = session
    self.time = time
    self.points = points
    self.lossy = lossy
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    session.encode(to: &identity)
    time.encode(to: &identity)
    var sections = [
      SectionedObject.Section(type: SectionType.identity, isRequired: true, body: identity.bytes),
      .init(type: SectionType.points, isRequired: true, body: Self.encoded(points)),
    ]
    if !lossy.isEmpty {
      sections.append(.init(type: SectionType.lossy, body: Self.encoded(lossy)))
    }
    return SectionedObject(kind: .verification, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .verification)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    session = try SessionID(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()
    points = try Self.points(in: try object.body(SectionType.points))
    lossy = []
    if object.sections.contains(where: { $0.type == SectionType.lossy }) {
      lossy = try Self.points(in: try object.body(SectionType.lossy))
      guard !lossy.isEmpty else { throw .damaged("section \(SectionType.lossy) names no point") }
    }
  }

  private static func encoded(_ points: [PointID]) -> [UInt8] {
    var body = ByteWriter()
    body.append(UInt64(points.count))
    for point in points { body.append(text: point.text) }
    return body.bytes
  }

  private static func points(in body: [UInt8]) throws(FormatError) -> [PointID] {
    var reader = ByteReader(body.rawSpan)
    var points: [PointID] = []
    for _ in 0..<(try reader.length(limit: Self.maximumPoints, of: "the number of points")) {
      points.append(try PointID(from: &reader))
    }
    try reader.finish()
    return points
  }
}
