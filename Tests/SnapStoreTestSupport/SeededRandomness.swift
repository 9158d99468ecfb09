internal import SnapStoreIO

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the same
/// numbers for the same seed, on every machine and with every version of Swift.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// So many bytes of noise.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    var words: [UInt64] = []
    words.reserveCapacity(count / 8 + 1)
    for _ in 0..<(count / 8 + 1) { words.append(next().littleEndian) }
    return unsafe words.withUnsafeBytes { unsafe Array($0.prefix(count)) }
  }
}

/// A `Randomness` that repeats a run: the sequence of `SeededGenerator`, shared by all threads.
package final class SeededRandomness: Randomness {
  private let generator: Lock<SeededGenerator>

  package init(seed: UInt64) {
    generator = Lock(SeededGenerator(seed: seed))
  }

  package func next() -> UInt64 {
    generator.withLock { $0.next() }
  }
}
