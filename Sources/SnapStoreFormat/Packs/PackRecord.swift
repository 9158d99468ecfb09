/// The head of a record in a pack, which describes the bytes behind it (docs/format.md, "Packs").
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 4 | magic "SREC" |
/// | 4 | 1 | kind: 1 chunk, 2 map node |
/// | 5 | 1 | codec |
/// | 6 | 2 | key ID; 0: not encrypted |
/// | 8 | 8 | raw length |
/// | 16 | 8 | stored length: all bytes behind the head |
/// | 24 | 1 | nonce length, 0 |
/// | 25 | 1 | tag length, 0 |
/// | 26 | 6 | zero |
/// | 32 | 32 | ID |
/// | 64 | 8 | XXH3-64 of the stored bytes |
/// | 72 | 8 | XXH3-64 of bytes 0 to 71 |
package struct PackRecord: Equatable, Sendable {
  package static let headByteCount = 80

  package enum Kind: UInt8, Sendable {
    case chunk = 1
    case mapNode = 2

    static func known(_ number: UInt8) throws(FormatError) -> Kind {
      guard let kind = Kind(rawValue: number) else {
        throw .unsupported("has a record of kind \(number)")
      }
      return kind
    }
  }

  package var kind: Kind
  package var codec: Codec
  package var rawLength: Int
  package var storedLength: Int
  package var id: ChunkID
  package var storedChecksum: UInt64

  package init(
    kind: Kind, codec: Codec, rawLength: Int, storedLength: Int, id: ChunkID,
    storedChecksum: UInt64
  ) {
    self.kind = kind
    self.codec = codec
    self.rawLength = rawLength
    self.storedLength = storedLength
    self.id = id
    self.storedChecksum = storedChecksum
  }

  /// Head and stored bytes together.
  package var byteCount: Int { Self.headByteCount + storedLength }

  /// Writes the 80 bytes at `offset`.
  package func encode(to bytes: inout MutableRawSpan, at offset: Int) {
    bytes.storeBytes(of: Magic.record.littleEndian, toByteOffset: offset, as: UInt32.self)
    bytes.storeBytes(of: kind.rawValue, toByteOffset: offset + 4, as: UInt8.self)
    bytes.storeBytes(of: codec.rawValue, toByteOffset: offset + 5, as: UInt8.self)
    bytes.storeBytes(of: 0, toByteOffset: offset + 6, as: UInt16.self)
    bytes.storeBytes(
      of: UInt64(rawLength).littleEndian, toByteOffset: offset + 8, as: UInt64.self)
    bytes.storeBytes(
      of: UInt64(storedLength).littleEndian, toByteOffset: offset + 16, as: UInt64.self)
    bytes.storeBytes(of: 0, toByteOffset: offset + 24, as: UInt64.self)
    id.store(to: &bytes, at: offset + 32)
    bytes.storeBytes(
      of: storedChecksum.littleEndian, toByteOffset: offset + 64, as: UInt64.self)
    let check = Checksum.of(bytes.bytes.extracting(offset..<(offset + 72)))
    bytes.storeBytes(of: check.littleEndian, toByteOffset: offset + 72, as: UInt64.self)
  }

  /// Decodes and checks a head; the stored bytes are not looked at.
  package init(decodingHead bytes: RawSpan) throws(FormatError) {
    guard bytes.byteCount >= Self.headByteCount else { throw .damaged("a record is cut off") }
    var reader = ByteReader(bytes.extracting(0..<Self.headByteCount))
    guard try reader.uint32() == Magic.record else { throw .damaged("no record begins here") }
    let check = Checksum.of(bytes.extracting(0..<72))
    guard
      unsafe UInt64(
        littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 72, as: UInt64.self)) == check
    else { throw .damaged("the checksum of a record's head is wrong") }
    kind = try Kind.known(try reader.uint8())
    codec = try Codec.known(try reader.uint8())
    guard try reader.uint16() == 0 else { throw .unsupported("has an encrypted record") }
    rawLength = try reader.length(limit: FormatLimit.recordPayload, of: "a record's raw length")
    guard rawLength > 0 else { throw .damaged("a record's raw length is 0", at: 8) }
    storedLength = try reader.length(
      limit: FormatLimit.storedPayload, of: "a record's stored length")
    guard try reader.uint16() == 0 else {
      throw .unsupported("has a record with nonce or tag")
    }
    try reader.zeros(6)
    id = try ChunkID(from: &reader)
    storedChecksum = try reader.uint64()
  }
}
