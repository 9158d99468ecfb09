internal import SnapStoreFormat

/// Content like that of a disk, for measuring: the same for the same seed, and no block like
/// another, so that nothing is stored once that stands there twice.
///
/// Of eight blocks of 4 KiB one is noise, which no codec makes smaller. The others are runs of 16
/// to 96 bytes out of a small vocabulary, with 8 bytes of noise between. LZ4 leaves about two
/// fifths of all, as it does of Debian systems.
package struct SyntheticContent: Sendable {
  private static let vocabularyWordCount = 512
  private static let wordsPerBlock = FormatLimit.block / 8

  private var state: UInt64
  private var blockNumber = 0
  private let vocabulary: [UInt64]

  package init(seed: UInt64) {
    state = seed
    var words: [UInt64] = []
    var vocabularyState: UInt64 = 0x5EED
    for _ in 0..<Self.vocabularyWordCount { words.append(Self.next(&vocabularyState)) }
    vocabulary = words
  }

  /// Overwrites `target`, whose size is a multiple of 4 KiB, with what comes next.
  package mutating func fill(_ target: inout MutableRawSpan) {
    precondition(target.byteCount.isMultiple(of: FormatLimit.block))
    for start in stride(from: 0, to: target.byteCount, by: FormatLimit.block) {
      blockNumber += 1
      if blockNumber.isMultiple(of: 8) {
        fillWithNoise(&target, from: start)
      } else {
        fillWithRuns(&target, from: start)
      }
    }
  }

  private mutating func fillWithNoise(_ target: inout MutableRawSpan, from start: Int) {
    for word in 0..<Self.wordsPerBlock {
      target.storeBytes(of: Self.next(&state), toByteOffset: start + 8 * word, as: UInt64.self)
    }
  }

  private mutating func fillWithRuns(_ target: inout MutableRawSpan, from start: Int) {
    var word = 0
    while word < Self.wordsPerBlock {
      let noise = Self.next(&state)
      target.storeBytes(of: noise, toByteOffset: start + 8 * word, as: UInt64.self)
      word += 1
      let first = Int(noise >> 32) % (Self.vocabularyWordCount - 12)
      let length = min(2 + Int(noise & 0xFF) % 11, Self.wordsPerBlock - word)
      for next in 0..<length {
        target.storeBytes(
          of: vocabulary[first + next], toByteOffset: start + 8 * (word + next), as: UInt64.self)
      }
      word += length
    }
  }

  /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
  package static func next(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
