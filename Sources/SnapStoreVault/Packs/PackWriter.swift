package import SnapStoreFormat
internal import SnapStoreIO

/// Puts records into a buffer, compressed and checked: what a pack is made of.
package struct RecordEncoder: Sendable {
  private let compression: Compression
  private let secrets: VaultSecrets
  private let verifiesWrites: Bool

  /// `compression` nil: the vault's own; another must have been admitted by the vault. With
  /// `verifiesWrites`, what was compressed is decoded and compared before it counts.
  package init(vault: Vault, compression: Compression? = nil, verifiesWrites: Bool) {
    self.compression = compression ?? vault.descriptor.compression
    secrets = vault.secrets
    self.verifiesWrites = verifiesWrites
  }

  /// The most bytes that the record of `rawLength` bytes can take.
  package static func maximumByteCount(_ rawLength: Int) -> Int {
    PackRecord.headByteCount + rawLength
  }

  /// Encodes one record at `offset` of `target`, which must have room for its maximum. The place in
  /// the result is relative to `target`. `scratch` has room for `raw`.
  package func encode(
    _ raw: RawSpan, id: ChunkID, kind: PackRecord.Kind, fingerprint: Fingerprint? = nil,
    to target: inout MutableRawSpan, at offset: Int, scratch: inout MutableRawSpan
  ) throws -> PackDirectoryEntry {
    let start = offset + PackRecord.headByteCount
    let room = start..<(start + raw.byteCount)
    let (codec, length) = target.withBytes(room) { sink -> (Codec, Int) in
      if let compressed = compression.compress(raw, into: &sink) { return compressed }
      sink.copy(raw)
      return (.raw, raw.byteCount)
    }
    let stored = start..<(start + length)
    if verifiesWrites && codec != .raw {
      let expected = fingerprint ?? Fingerprint(of: raw, secrets: secrets)
      try verify(
        target.bytes.extracting(stored), codec, rawLength: raw.byteCount, expected, &scratch)
    }
    let record = PackRecord(
      kind: kind, codec: codec, rawLength: raw.byteCount, storedLength: length, id: id,
      storedChecksum: Checksum.of(target.bytes.extracting(stored)))
    record.encode(to: &target, at: offset)
    return PackDirectoryEntry(
      id: id, kind: kind,
      record: RecordPlace(
        offset: UInt64(offset), rawLength: UInt32(raw.byteCount), storedLength: UInt32(length),
        codec: codec))
  }

  private func verify(
    _ stored: RawSpan, _ codec: Codec, rawLength: Int, _ expected: Fingerprint,
    _ scratch: inout MutableRawSpan
  ) throws {
    try scratch.withBytes(0..<rawLength) { try codec.decode(stored, into: &$0) }
    let decoded = scratch.bytes.extracting(0..<rawLength)
    guard Fingerprint(of: decoded, secrets: secrets) == expected else {
      throw VaultError(
        .damaged, "a chunk did not decompress to what was compressed",
        hint: "the memory or the processor of this machine may be faulty: test them")
    }
  }
}

/// Appends batches of records to packs, one pack after the other. A finished pack is durable before
/// the index hears of it. One lane at a time.
package final class PackWriter {
  package static let fullByteCount: UInt64 = 64 << 20

  /// A pack is finished at this many bytes: 64 MiB, and less while the session has stored less than
  /// 1 GiB. An unfinished pack is what a kill costs, so it stays a small share of what was done.
  package static func packByteCount(afterStoring byteCount: UInt64) -> UInt64 {
    min(fullByteCount, max(8 << 20, byteCount / 16))
  }

  /// And at so many records, however small: who reads or writes a pack holds its directory, 1 MiB.
  package static let recordsPerPack = 1 << 14

  private let session: Session
  private let index: ChunkIndex
  private let fixedByteCount: UInt64?
  private var pack: OpenPack?

  private struct OpenPack {
    var name: SerialName
    var writer: any ObjectWriter
    var byteCount: UInt64
    var directory: [PackDirectoryEntry] = []
  }

  /// `packByteCount`: when a pack is finished, where that is not to depend on what was stored.
  package init(session: Session, index: ChunkIndex, packByteCount: UInt64? = nil) {
    self.session = session
    self.index = index
    fixedByteCount = packByteCount
  }

  /// The packs that were finished, with their sizes.
  package private(set) var finished: [CoveredPack] = []

  /// Appends records that lie one behind the other; the places of `entries` are relative to
  /// `records`.
  package func append(_ records: RawSpan, _ entries: [PackDirectoryEntry]) throws {
    var pack = try self.pack ?? Self.begin(session)
    self.pack = nil
    try pack.writer.append(records)
    for var entry in entries {
      entry.record.offset += pack.byteCount
      pack.directory.append(entry)
    }
    pack.byteCount += UInt64(records.byteCount)
    let full = fixedByteCount ?? Self.packByteCount(afterStoring: session.storedByteCount)
    if pack.byteCount >= full || pack.directory.count >= Self.recordsPerPack {
      try finish(pack)
    } else {
      self.pack = pack
    }
  }

  /// Finishes the open pack, if there is one.
  package func finish() throws {
    guard let pack else { return }
    self.pack = nil
    try finish(pack)
  }

  /// Puts a pack without records.
  static func putEmpty(in session: Session) throws -> CoveredPack {
    try seal(try begin(session), session)
  }

  private static func begin(_ session: Session) throws -> OpenPack {
    let name = session.nextName()
    let writer = try session.store.create(.pack(name))
    let header = PackLayout.header()
    try writer.append(header.rawSpan)
    return OpenPack(name: name, writer: writer, byteCount: UInt64(header.count))
  }

  private static func seal(_ pack: OpenPack, _ session: Session) throws -> CoveredPack {
    let trailer = PackLayout.trailer(
      identity: PackIdentity(vault: session.vault.descriptor.id, name: pack.name),
      directory: pack.directory, recordsEnd: pack.byteCount)
    try pack.writer.append(trailer.rawSpan)
    guard try pack.writer.finish() else {
      throw VaultError(.aborted, "a pack named \(pack.name) exists already")
    }
    return CoveredPack(name: pack.name, byteCount: pack.byteCount + UInt64(trailer.count))
  }

  private func finish(_ pack: OpenPack) throws {
    let covered = try Self.seal(pack, session)
    finished.append(covered)
    try index.add(covered, pack.directory)
  }
}
