/// That somebody has looked at a suspect point: the object `reviews/POINT` (docs/format.md,
/// "Reviews"). Its being there is what counts.
package struct ReviewRecord: Equatable, Sendable {
  private enum SectionType {
    static let identity: UInt32 = 1
    static let known: Set<UInt32> = [identity]
  }

  package var point: PointID
  /// When it was looked at, by the clock of who did.
  package var time: Timestamp

  package init(point: PointID, time: Timestamp) {
    self.point = point
    self.time = time
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    identity.append(text: point.text)
    time.encode(to: &identity)
    return SectionedObject(
      kind: .review,
      sections: [.init(type: SectionType.identity, isRequired: true, body: identity.bytes)]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .review)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    point = try PointID(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()
  }
}
