/// The cryptographic name of a chunk's content, or of a map node's: 32 bytes.
///
/// Chunks and nodes are named under different domain tags, so one never stands for the other.
/// Held as four words, the first bytes in the highest ones, so that comparing words is comparing
/// bytes in order; stored as the bytes themselves.
package struct ChunkID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package static let byteCount = 32
  package let words: (UInt64, UInt64, UInt64, UInt64)

  package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
    words = (first, second, third, fourth)
  }

  /// The first 32 bytes of `bytes` from `offset` on, which must be there.
  package init(_ bytes: RawSpan, at offset: Int = 0) {
    precondition(offset >= 0 && bytes.byteCount - offset >= Self.byteCount)
    func word(_ index: Int) -> UInt64 {
      unsafe UInt64(
        bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset + 8 * index, as: UInt64.self))
    }
    words = (word(0), word(1), word(2), word(3))
  }

  package init(from reader: inout ByteReader) throws(FormatError) {
    let words = (
      try reader.uint64(), try reader.uint64(), try reader.uint64(), try reader.uint64()
    )
    self.words = (
      words.0.byteSwapped, words.1.byteSwapped, words.2.byteSwapped, words.3.byteSwapped
    )
  }

  package func encode(to writer: inout ByteWriter) {
    writer.append(words.0.byteSwapped)
    writer.append(words.1.byteSwapped)
    writer.append(words.2.byteSwapped)
    writer.append(words.3.byteSwapped)
  }

  /// Writes the 32 bytes into memory that must have room for them.
  package func store(to bytes: inout MutableRawSpan, at offset: Int) {
    bytes.storeBytes(of: words.0.bigEndian, toByteOffset: offset, as: UInt64.self)
    bytes.storeBytes(of: words.1.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
    bytes.storeBytes(of: words.2.bigEndian, toByteOffset: offset + 16, as: UInt64.self)
    bytes.storeBytes(of: words.3.bigEndian, toByteOffset: offset + 24, as: UInt64.self)
  }

  package static func == (left: ChunkID, right: ChunkID) -> Bool { left.words == right.words }
  package static func < (left: ChunkID, right: ChunkID) -> Bool { left.words < right.words }

  /// All words: a hostile vault can have any number of IDs of which some words are equal.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
    hasher.combine(words.2)
    hasher.combine(words.3)
  }

  package var description: String {
    Hexadecimal.text(
      words.0.bigEndianBytes + words.1.bigEndianBytes + words.2.bigEndianBytes
        + words.3.bigEndianBytes)
  }
}
