/// One step in the life of a point that was deleted: the object `tombstones/POINT-NUMBER`
/// (docs/format.md, "Tombstones"). The one with the highest number says what holds. Each step is
/// decided by creating the next number if it is absent, so of two that differ one wins.
package struct TombstoneRecord: Equatable, Sendable {
  package enum State: UInt32, Sendable, CaseIterable {
    /// Deleted, and can be brought back.
    case deleted = 1
    /// Brought back.
    case undeleted = 2
    /// Deleted for ever: nothing comes after it.
    case final = 3
  }

  /// What the point was, so that its gap in the machine's chain is explained when it is gone.
  package struct Subject: Equatable, Sendable {
    package var machine: Name
    package var sequence: UInt64
    package var hash: [UInt8]

    /// `hash` has 32 bytes.
    package init(machine: Name, sequence: UInt64, hash: [UInt8]) {
      precondition(hash.count == Self.hashByteCount)
      self.machine = machine
      self.sequence = sequence
      self.hash = hash
    }

    fileprivate static let hashByteCount = 32
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let subject: UInt32 = 2
    static let known: Set<UInt32> = [identity, subject]
  }

  package var name: TombstoneName
  package var state: State
  /// When this step was taken, by the clock of who took it.
  package var time: Timestamp
  /// How long after `time` the point can be brought back, in seconds; 0 unless `state` is
  /// `deleted`.
  package var softDeleteSeconds: UInt64
  /// Nil where the point could not be read.
  package var subject: Subject?

  package init(
    name: TombstoneName, state: State, time: Timestamp, softDeleteSeconds: UInt64,
    subject: Subject?
  ) {
    precondition(state == .deleted || softDeleteSeconds == 0)
    self.name = name
    self.state = state
    self.time = time
    self.softDeleteSeconds = softDeleteSeconds
    self.subject = subject
  }

  /// Until when the point can be brought back; at the latest, the last time that a vault can name.
  package var until: Timestamp {
    let left = Timestamp.secondsRange.upperBound - time.seconds
    return Timestamp(seconds: time.seconds + min(left, Int64(clamping: softDeleteSeconds)))
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    identity.append(text: name.point.text)
    identity.append(name.number)
    identity.append(state.rawValue)
    time.encode(to: &identity)
    identity.append(softDeleteSeconds)
    var sections = [
      SectionedObject.Section(
        type: SectionType.identity, isRequired: true, body: identity.bytes)
    ]
    if let subject {
      var body = ByteWriter()
      body.append(text: subject.machine.text)
      body.append(subject.sequence)
      body.append(bytes: subject.hash)
      sections.append(.init(type: SectionType.subject, body: body.bytes))
    }
    return SectionedObject(kind: .tombstone, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .tombstone)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    let point = try PointID(from: &identity)
    let number = try identity.uint64()
    guard 1...TombstoneName.maximumNumber ~= number else { throw .damaged("has number \(number)") }
    name = TombstoneName(point: point, number: number)
    let rawState = try identity.uint32()
    guard let state = State(rawValue: rawState) else {
      throw .unsupported("is a tombstone of state \(rawState)")
    }
    self.state = state
    time = try Timestamp(from: &identity)
    softDeleteSeconds = try identity.uint64()
    try identity.finish()
    guard state == .deleted || softDeleteSeconds == 0 else {
      throw .damaged("can be brought back in state \(rawState)")
    }
    guard object.sections.contains(where: { $0.type == SectionType.subject }) else { return }
    let subjectBody = try object.body(SectionType.subject)
    var reader = ByteReader(subjectBody.rawSpan)
    let machine = try Name(from: &reader)
    let sequence = try reader.uint64()
    guard sequence > 0, sequence <= UInt64(Int64.max) else {
      throw .damaged("has sequence number \(sequence)")
    }
    subject = Subject(
      machine: machine, sequence: sequence,
      hash: try reader.byteArray(Subject.hashByteCount))
    try reader.finish()
  }
}

/// The name of a tombstone: its point, and which step of the point's life it is, from 1 on.
package struct TombstoneName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// No step has a higher number, so that the one behind it can be told.
  package static let maximumNumber = UInt64(Int64.max)
  package let point: PointID
  package let number: UInt64

  package init(point: PointID, number: UInt64) {
    self.point = point
    self.number = number
  }

  /// From the text that `description` gives; nil for anything else.
  package init?(_ text: some StringProtocol) {
    guard let dash = text.lastIndex(of: "-"), let point = PointID(text[..<dash]),
      let number = Hexadecimal.number(text[text.index(after: dash)...]),
      1...Self.maximumNumber ~= number
    else { return nil }
    self.init(point: point, number: number)
  }

  package var description: String { "\(point)-\(Hexadecimal.text(number: number))" }

  package static func < (left: TombstoneName, right: TombstoneName) -> Bool {
    (left.point, left.number) < (right.point, right.number)
  }
}
