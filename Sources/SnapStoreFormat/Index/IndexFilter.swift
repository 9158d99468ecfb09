/// The filter of an index segment: says that an ID is certainly not in it, or may be.
///
/// A blocked Bloom filter: one 64-byte block an ID, seven bits in it (Putze, Sanders, Singler:
/// Cache-, Hash- and Space-Efficient Bloom Filters, 2007). IDs are uniform already, so their words
/// are the hashes: the first word chooses the block, seven times nine bits of the second the bits.
/// (Not the third and fourth, which are a constant and the length in a vault named by XXH3.)
/// Blocks are stored 63 to an index page.
package struct IndexFilter: Sendable {
  package static let blockByteCount = 64
  package static let blocksPerPage = IndexPage.contentByteCount / blockByteCount
  /// Twelve bits an entry: about one false answer in two hundred.
  private static let bitsPerEntry = 12
  private static let probes = 7

  package static func blockCount(entries: UInt64) -> UInt64 {
    max(1, (entries * UInt64(bitsPerEntry) + 511) / 512)
  }

  package static func pageCount(blocks: UInt64) -> UInt64 {
    (blocks + UInt64(blocksPerPage) - 1) / UInt64(blocksPerPage)
  }

  package static func block(of id: ChunkID, blocks: UInt64) -> UInt64 {
    id.words.0.multipliedFullWidth(by: blocks).high
  }

  /// Whether the 64 bytes of an ID's block at `offset` have all of its bits.
  package static func mayContain(_ id: ChunkID, block: RawSpan, at offset: Int) -> Bool {
    var bits = id.words.1
    for _ in 0..<probes {
      let bit = Int(bits & 511)
      let byte = unsafe block.unsafeLoadUnaligned(
        fromByteOffset: offset + bit / 8, as: UInt8.self)
      guard byte & (1 << UInt8(bit % 8)) != 0 else { return false }
      bits >>= 9
    }
    return true
  }

  // MARK: Making one

  package let blockCount: UInt64
  private var content: [UInt8]

  /// An empty filter with room for so many entries.
  package init(entryCount: UInt64) {
    blockCount = Self.blockCount(entries: entryCount)
    content = [UInt8](repeating: 0, count: Int(blockCount) * Self.blockByteCount)
  }

  package mutating func insert(_ id: ChunkID) {
    let start = Int(Self.block(of: id, blocks: blockCount)) * Self.blockByteCount
    var bits = id.words.1
    for _ in 0..<Self.probes {
      let bit = Int(bits & 511)
      content[start + bit / 8] |= 1 << UInt8(bit % 8)
      bits >>= 9
    }
  }

  package var pageCount: UInt64 { Self.pageCount(blocks: blockCount) }

  /// Appends the filter's page of that number.
  package func appendPage(_ number: UInt64, to writer: inout ByteWriter) {
    let length = Self.blocksPerPage * Self.blockByteCount
    let start = Int(number) * length
    IndexPage.append(Array(content[start..<min(start + length, content.count)]), to: &writer)
  }
}
