/// That a point is kept whatever the rules say: the object `pins/POINT` (docs/format.md, "Pins").
package typealias PinRecord = PointMark<PinMeaning>

/// That somebody has looked at a suspect point: the object `reviews/POINT` (docs/format.md,
/// "Reviews").
package typealias ReviewRecord = PointMark<ReviewMeaning>

/// What is noted of one point by an object of its own, of which only that it is there counts.
package struct PointMark<Meaning: PointMarkMeaning>: Equatable, Sendable {
  private enum SectionType {
    static var identity: UInt32 { 1 }
    static var known: Set<UInt32> { [identity] }
  }

  package var point: PointID
  /// When it was noted, by the clock of who did.
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
      kind: Meaning.kind,
      sections: [.init(type: SectionType.identity, isRequired: true, body: identity.bytes)]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: Meaning.kind)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    point = try PointID(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()
  }
}

/// What a mark says.
package protocol PointMarkMeaning: Sendable {
  static var kind: ObjectKind { get }
}

package enum PinMeaning: PointMarkMeaning {
  package static var kind: ObjectKind { .pin }
}

package enum ReviewMeaning: PointMarkMeaning {
  package static var kind: ObjectKind { .review }
}
