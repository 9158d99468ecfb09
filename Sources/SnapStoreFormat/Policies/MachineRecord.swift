/// One change of what is known of a machine: the object `machines/NAME-NUMBER`, which has two
/// copies (docs/format.md, "Machines"). The change with the highest number says what holds; each is
/// decided by creating the next number if it is absent, so of two that differ one wins.
package struct MachineRecord: Hashable, Sendable {
  /// A disk that a backup takes where it is given none.
  package struct Disk: Hashable, Sendable {
    package var name: Name
    package var role: DiskRole
    /// An absolute path.
    package var source: String

    package init(name: Name, role: DiskRole, source: String) {
      precondition(Self.isSource(source))
      self.name = name
      self.role = role
      self.source = source
    }

    /// Whether a text can be the path of a disk: absolute, and one that system calls take whole.
    package static func isSource(_ text: String) -> Bool {
      text.utf8.first == UInt8(ascii: "/") && text.utf8.count <= FormatLimit.text
        && !text.utf8.contains(0)
    }
  }

  package struct Assignment: Hashable, Sendable {
    package var policy: Name
    /// No two of one name.
    package var disks: [Disk]

    package init(policy: Name, disks: [Disk]) {
      precondition(disks.count <= RecoveryPoint.maximumDisks)
      precondition(Set(disks.map(\.name)).count == disks.count)
      self.policy = policy
      self.disks = disks
    }
  }

  private enum State: UInt32 {
    case assigned = 1
    case unassigned = 2
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let assignment: UInt32 = 2
    static let known: Set<UInt32> = [identity, assignment]
  }

  package var name: ChangeName
  /// When it was changed, by the clock of who did.
  package var time: Timestamp
  /// Nil where the change is that no policy is the machine's any more.
  package var assignment: Assignment?

  package init(name: ChangeName, time: Timestamp, assignment: Assignment?) {
    self.name = name
    self.time = time
    self.assignment = assignment
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    name.encode(to: &identity)
    identity.append((assignment == nil ? State.unassigned : .assigned).rawValue)
    time.encode(to: &identity)
    var sections = [
      SectionedObject.Section(
        type: SectionType.identity, isRequired: true, body: identity.bytes)
    ]
    if let assignment {
      sections.append(
        .init(type: SectionType.assignment, isRequired: true, body: assignment.encoded()))
    }
    return SectionedObject(kind: .machine, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .machine)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    name = try ChangeName(from: &identity)
    let rawState = try identity.uint32()
    guard let state = State(rawValue: rawState) else {
      throw .unsupported("is a machine of state \(rawState)")
    }
    time = try Timestamp(from: &identity)
    try identity.finish()
    let isAssigned = object.sections.contains { $0.type == SectionType.assignment }
    guard isAssigned == (state == .assigned) else {
      throw .damaged("has an assignment, or none, against its state")
    }
    guard isAssigned else { return }
    let body = try object.body(SectionType.assignment)
    assignment = try Assignment(decoding: body.rawSpan)
  }
}

extension MachineRecord.Assignment {
  fileprivate func encoded() -> [UInt8] {
    var body = ByteWriter()
    body.append(text: policy.text)
    body.append(UInt64(disks.count))
    for disk in disks {
      body.append(text: disk.name.text)
      body.append(disk.role.rawValue)
      body.append(text: disk.source)
    }
    return body.bytes
  }

  fileprivate init(decoding bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    policy = try Name(from: &reader)
    disks = []
    for _ in 0..<(try reader.length(limit: RecoveryPoint.maximumDisks, of: "the number of disks")) {
      disks.append(try MachineRecord.Disk(from: &reader))
    }
    try reader.finish()
    guard Set(disks.map(\.name)).count == disks.count else {
      throw .damaged("has two disks of one name")
    }
  }
}

extension MachineRecord.Disk {
  fileprivate init(from reader: inout ByteReader) throws(FormatError) {
    name = try Name(from: &reader)
    let start = reader.offset
    guard let role = DiskRole(rawValue: try reader.uint32()) else {
      throw .damaged("a disk has no role", at: start)
    }
    self.role = role
    source = try reader.text()
    guard Self.isSource(source) else {
      throw .damaged("the source of a disk is no absolute path", at: start)
    }
  }
}
