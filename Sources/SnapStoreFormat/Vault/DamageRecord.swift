/// Records that a run found damaged: an object `damage/SESSION-NUMBER` (docs/format.md, "Damage").
/// Whoever writes to the vault afterwards does not rely on them, and stores their content again.
package struct DamageRecord: Equatable, Sendable {
  /// A chunk or map node of which a copy is damaged, or of which there is none.
  ///
  /// | offset | bytes | what |
  /// |---|---|---|
  /// | 0 | 32 | ID |
  /// | 32 | 1 | kind, as in a record |
  /// | 33 | 1 | 1: the copy at the place that follows; 0: no copy is known, and zeros follow |
  /// | 34 | 6 | zero |
  /// | 40 | 24 | the pack: session ID (16), NUMBER (8) |
  /// | 64 | 8 | offset of the record's head in the pack |
  package struct Finding: Hashable, Sendable {
    static let byteCount = 72

    package var id: ChunkID
    package var kind: PackRecord.Kind
    package var address: RecordAddress?

    package init(id: ChunkID, kind: PackRecord.Kind, address: RecordAddress?) {
      self.id = id
      self.kind = kind
      self.address = address
    }
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let findings: UInt32 = 2
    static let known: Set<UInt32> = [identity, findings]
  }

  /// More findings than this go into another object.
  package static let maximumFindings = 1 << 16

  package var name: SerialName
  package var time: Timestamp
  package var findings: [Finding]

  package init(name: SerialName, time: Timestamp, findings: [Finding]) {
    precondition(findings.count <= Self.maximumFindings)
    self.name = name
    self.time = time
    self.findings = findings
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    name.encode(to: &identity)
    time.encode(to: &identity)
    var body = ByteWriter(capacity: 8 + findings.count * Finding.byteCount)
    body.append(UInt64(findings.count))
    for finding in findings { finding.encode(to: &body) }
    return SectionedObject(
      kind: .damage,
      sections: [
        .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
        .init(type: SectionType.findings, isRequired: true, body: body.bytes),
      ]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .damage)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    name = try SerialName(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()
    let findingsBody = try object.body(SectionType.findings)
    var reader = ByteReader(findingsBody.rawSpan)
    let count = try reader.length(limit: Self.maximumFindings, of: "the number of findings")
    findings = []
    for _ in 0..<count { findings.append(try Finding(from: &reader)) }
    try reader.finish()
  }
}

extension DamageRecord.Finding {
  fileprivate func encode(to writer: inout ByteWriter) {
    id.encode(to: &writer)
    writer.append(kind.rawValue)
    writer.append(UInt8(address == nil ? 0 : 1))
    writer.appendZeros(6)
    if let address {
      address.pack.encode(to: &writer)
      writer.append(address.offset)
    } else {
      writer.appendZeros(32)
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(FormatError) {
    id = try ChunkID(from: &reader)
    kind = try PackRecord.Kind.known(try reader.uint8())
    let hasAddress = try reader.uint8()
    guard hasAddress <= 1 else { throw .damaged("a finding has tag \(hasAddress)") }
    try reader.zeros(6)
    if hasAddress == 1 {
      let pack = try SerialName(from: &reader)
      address = RecordAddress(pack: pack, offset: try reader.uint64())
    } else {
      try reader.zeros(32)
      address = nil
    }
  }
}

/// Which record of which pack.
package struct RecordAddress: Hashable, Sendable {
  package var pack: SerialName
  package var offset: UInt64

  package init(pack: SerialName, offset: UInt64) {
    self.pack = pack
    self.offset = offset
  }
}
