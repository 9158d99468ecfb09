internal import SnapStoreFormat

/// The bytes of a test's disk: parts one behind the other, the same for the same seed.
package struct DiskImage: Sendable {
  package enum Part: Sendable {
    case zeros(Int)
    /// Bytes that no codec makes smaller.
    case noise(Int)
    /// Words of a small vocabulary: LZ4 halves it and more.
    case compressible(Int)
    /// `period` bytes of noise again and again.
    case repeats(Int, period: Int)
    case bytes([UInt8])
  }

  package let seed: UInt64
  package let bytes: [UInt8]

  package init(seed: UInt64, _ parts: [Part]) {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    for part in parts { bytes += Self.bytes(of: part, &generator) }
    self.seed = seed
    self.bytes = bytes
  }

  /// A disk of about so many bytes with something of everything: runs of blocks of each kind,
  /// some of them not aligned, and a size that is seldom a multiple of a block.
  package static func varied(seed: UInt64, byteCount: Int) -> DiskImage {
    var generator = SeededGenerator(seed: seed ^ 0x5EED)
    var parts: [Part] = []
    var left = byteCount
    while left > 0 {
      let blocks = 1 << Int.random(in: 0...6, using: &generator)
      let odd = Int.random(in: 0..<8, using: &generator) == 0
      let ragged = odd ? Int.random(in: 0..<FormatLimit.block, using: &generator) : 0
      let count = min(left, blocks * FormatLimit.block + ragged)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0, 1, 2: parts.append(.zeros(count))
      case 3, 4: parts.append(.noise(count))
      case 5: parts.append(.repeats(count, period: FormatLimit.block))
      case 6: parts.append(.repeats(count, period: 1 + blocks * 37))
      default: parts.append(.compressible(count))
      }
      left -= count
    }
    return DiskImage(seed: seed, parts)
  }

  private static func bytes(of part: Part, _ generator: inout SeededGenerator) -> [UInt8] {
    switch part {
    case .zeros(let count): return [UInt8](repeating: 0, count: count)
    case .noise(let count): return generator.bytes(count)
    case .bytes(let bytes): return bytes
    case .repeats(let count, let period):
      let once = generator.bytes(period)
      var bytes: [UInt8] = []
      bytes.reserveCapacity(count + period)
      while bytes.count < count { bytes += once }
      return Array(bytes.prefix(count))
    case .compressible(let count):
      let words = (0..<16).map { _ in
        generator.bytes(Int.random(in: 3...12, using: &generator)).map { $0 & 15 + 97 } + [32]
      }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(count + 16)
      while bytes.count < count { bytes += words[Int(generator.next() & 15)] }
      return Array(bytes.prefix(count))
    }
  }
}
