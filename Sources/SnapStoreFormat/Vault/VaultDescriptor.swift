/// What a vault is: its identity, secret, and the algorithms that hold for its whole life.
///
/// Stored once as the object `vault`, and again inside of every recovery point, so that a vault
/// whose descriptor is lost can still be opened (docs/format.md, "Descriptor").
package struct VaultDescriptor: Equatable, Sendable {
  private enum SectionType {
    static let identity: UInt32 = 1
    static let secret: UInt32 = 2
    static let algorithms: UInt32 = 3
    static let region: UInt32 = 4
    static let keySlots: UInt32 = 5  // kept for encrypted vaults
    static let known: Set<UInt32> = [identity, secret, algorithms, region]
  }

  package var id: VaultID
  package var created: Timestamp
  /// 32 random bytes from which `VaultSecrets` are derived.
  package var secret: [UInt8]
  package var chunkHash: ChunkHash
  package var compression: Compression
  package var chunking: Chunking
  /// Percent of parity in packs; only 0 is known.
  package var parity: Int
  package var region: String?

  package init(
    id: VaultID, created: Timestamp, secret: [UInt8], chunkHash: ChunkHash = .sha256,
    compression: Compression = .lz4, chunking: Chunking = .aligned, region: String? = nil
  ) {
    precondition(secret.count == VaultSecrets.seedByteCount)
    self.id = id
    self.created = created
    self.secret = secret
    self.chunkHash = chunkHash
    self.compression = compression
    self.chunking = chunking
    parity = 0
    self.region = region
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    identity.append(bytes: id.bytes)
    created.encode(to: &identity)
    var algorithms = ByteWriter()
    algorithms.append(chunkHash.rawValue)
    algorithms.append(compression.recorded)
    switch chunking {
    case .aligned:
      algorithms.append(UInt32(1))
      algorithms.append(UInt64(0))
    case .fixed(let byteCount):
      algorithms.append(UInt32(2))
      algorithms.append(UInt64(byteCount))
    }
    algorithms.append(UInt32(parity))
    var sections: [SectionedObject.Section] = [
      .init(type: SectionType.identity, isRequired: true, body: identity.bytes),
      .init(type: SectionType.secret, isRequired: true, body: secret),
      .init(type: SectionType.algorithms, isRequired: true, body: algorithms.bytes),
    ]
    if let region {
      var body = ByteWriter()
      body.append(text: region)
      sections.append(.init(type: SectionType.region, body: body.bytes))
    }
    return SectionedObject(kind: .vault, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .vault)
    try object.refuseUnknownSections(known: SectionType.known)

    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    guard let id = VaultID(try identity.byteArray(VaultID.byteCount)) else {
      throw .damaged("a vault ID is cut off")
    }
    self.id = id
    created = try Timestamp(from: &identity)
    try identity.finish()

    secret = try object.body(SectionType.secret)
    guard secret.count == VaultSecrets.seedByteCount else {
      throw .damaged("the secret has \(secret.count) bytes")
    }

    let algorithmsBody = try object.body(SectionType.algorithms)
    var algorithms = ByteReader(algorithmsBody.rawSpan)
    let hash = try algorithms.uint32()
    guard let chunkHash = ChunkHash(rawValue: hash) else {
      throw .unsupported("uses chunk hash \(hash)")
    }
    self.chunkHash = chunkHash
    let codec = try algorithms.uint32()
    guard let compression = Compression(recorded: codec) else {
      throw .unsupported("uses compression \(codec)")
    }
    self.compression = compression
    chunking = try Self.chunking(from: &algorithms)
    let parity = try algorithms.uint32()
    guard parity == 0 else { throw .unsupported("uses parity") }
    self.parity = 0
    try algorithms.finish()

    region = nil
    if let section = object.sections.first(where: { $0.type == SectionType.region }) {
      var reader = ByteReader(section.body.rawSpan)
      region = try reader.text()
      try reader.finish()
    }
  }

  private static func chunking(
    from reader: inout ByteReader
  ) throws(FormatError) -> Chunking {
    let kind = try reader.uint32()
    let parameter = try reader.uint64()
    switch kind {
    case 1: return .aligned
    case 2:
      guard let byteCount = Int(exactly: parameter), Chunking.isValidFixedSize(byteCount) else {
        throw .damaged("cuts chunks of \(parameter) bytes")
      }
      return .fixed(byteCount)
    default: throw .unsupported("uses chunking \(kind)")
    }
  }
}
