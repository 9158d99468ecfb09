/// A decision of a collection: the object `epochs/N` (docs/format.md, "Epochs"). Each says all that
/// holds from then on, so only the one with the highest number counts.
///
/// A pack that is condemned is never used for deduplication again. It is doomed once it was found
/// unreached and every session that could rely on it has ended; a doomed pack counts as gone.
package struct EpochRecord: Hashable, Sendable {
  /// A pack that nothing new may rely on.
  ///
  /// | offset | bytes | what |
  /// |---|---|---|
  /// | 0 | 24 | the pack: session ID (16), NUMBER (8) |
  /// | 24 | 8 | the epoch since which every decision found it unreached; 0: it was reached |
  package struct Condemned: Hashable, Sendable {
    package var pack: SerialName
    /// The first of the decisions, up to this one, that all found that nothing needs the pack;
    /// nil where this one found that something does.
    package var unreachedSince: UInt64?

    package init(pack: SerialName, unreachedSince: UInt64?) {
      precondition(unreachedSince != 0)
      self.pack = pack
      self.unreachedSince = unreachedSince
    }
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let condemned: UInt32 = 2
    static let doomed: UInt32 = 3
    static let vaultTime: UInt32 = 4
    static let known: Set<UInt32> = [identity, condemned, doomed, vaultTime]
  }

  /// No epoch names more packs, condemned or doomed each.
  package static let maximumPacks = 1 << 20

  /// From 1 on.
  package var number: UInt64
  /// Who decided it.
  package var session: SessionID
  package var time: Timestamp
  /// In ascending order, each pack once.
  package private(set) var condemned: [Condemned]
  /// To be deleted, by anybody; named for as long as the pack or an index segment over it is there.
  /// In ascending order, each once, none of them condemned too.
  package private(set) var doomed: [SerialName]
  /// The vault's time when it was decided; nil where that was not said.
  package var vaultTime: Timestamp?

  package init(
    number: UInt64, session: SessionID, time: Timestamp, condemned: [Condemned],
    doomed: [SerialName], vaultTime: Timestamp? = nil
  ) {
    precondition(number > 0)
    self.number = number
    self.session = session
    self.time = time
    self.condemned = condemned.sorted { $0.pack < $1.pack }
    self.doomed = doomed.sorted()
    self.vaultTime = vaultTime
    precondition(isSorted && self.condemned.count <= Self.maximumPacks)
    precondition(self.doomed.count <= Self.maximumPacks)
  }

  /// Whether both lists ascend, and have no pack in common.
  private var isSorted: Bool {
    func ascend(_ packs: [SerialName]) -> Bool {
      zip(packs, packs.dropFirst()).allSatisfy { $0 < $1 }
    }
    let names = condemned.map(\.pack)
    return ascend(names) && ascend(doomed) && Set(names).isDisjoint(with: doomed)
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    identity.append(number)
    session.encode(to: &identity)
    time.encode(to: &identity)
    var condemned = ByteWriter(capacity: 8 + self.condemned.count * 32)
    condemned.append(UInt64(self.condemned.count))
    for entry in self.condemned {
      entry.pack.encode(to: &condemned)
      condemned.append(entry.unreachedSince ?? 0)
    }
    var doomed = ByteWriter(capacity: 8 + self.doomed.count * 24)
    doomed.append(UInt64(self.doomed.count))
    for pack in self.doomed { pack.encode(to: &doomed) }
    var sections: [SectionedObject.Section] = [
      .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
      .init(type: SectionType.condemned, isRequired: true, body: condemned.bytes),
      .init(type: SectionType.doomed, isRequired: true, body: doomed.bytes),
    ]
    if let vaultTime {
      var body = ByteWriter()
      vaultTime.encode(to: &body)
      sections.append(.init(type: SectionType.vaultTime, body: body.bytes))
    }
    return SectionedObject(kind: .epoch, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .epoch)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    number = try identity.uint64()
    guard 1...EpochName.maximumNumber ~= number else { throw .damaged("has number \(number)") }
    session = try SessionID(from: &identity)
    time = try Timestamp(from: &identity)
    try identity.finish()

    let condemnedBody = try object.body(SectionType.condemned)
    var reader = ByteReader(condemnedBody.rawSpan)
    condemned = []
    for _ in 0..<(try reader.length(limit: Self.maximumPacks, of: "the number of packs")) {
      let pack = try SerialName(from: &reader)
      let since = try reader.uint64()
      guard since <= number else { throw .damaged("a pack is unreached since a later epoch") }
      condemned.append(Condemned(pack: pack, unreachedSince: since == 0 ? nil : since))
    }
    try reader.finish()

    let doomedBody = try object.body(SectionType.doomed)
    var rest = ByteReader(doomedBody.rawSpan)
    doomed = []
    for _ in 0..<(try rest.length(limit: Self.maximumPacks, of: "the number of packs")) {
      doomed.append(try SerialName(from: &rest))
    }
    try rest.finish()
    if object.sections.contains(where: { $0.type == SectionType.vaultTime }) {
      let timeBody = try object.body(SectionType.vaultTime)
      var time = ByteReader(timeBody.rawSpan)
      vaultTime = try Timestamp(from: &time)
      try time.finish()
    }
    guard isSorted else { throw .damaged("its packs are not in order, or named twice") }
  }
}

/// The name of an epoch: its number as 8 hexadecimal digits, or more where it needs them.
package struct EpochName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// No epoch has a higher number, so that the one behind it can be told.
  package static let maximumNumber = UInt64(Int64.max)
  package let number: UInt64

  package init(_ number: UInt64) {
    self.number = number
  }

  /// From the text that `description` gives; nil for anything else.
  package init?(_ text: some StringProtocol) {
    guard let number = Hexadecimal.number(text), 1...Self.maximumNumber ~= number else {
      return nil
    }
    self.number = number
  }

  package var description: String { Hexadecimal.text(number: number) }

  package static func < (left: EpochName, right: EpochName) -> Bool { left.number < right.number }
}
