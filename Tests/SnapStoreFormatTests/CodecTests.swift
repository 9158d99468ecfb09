import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct CodecTests {
  static let images: [DiskImage] =
    [0, 1, 2, 15, 4096, 65537, 262_144].flatMap { count in
      [
        DiskImage(seed: 1, [.zeros(count)]), DiskImage(seed: 2, [.noise(count)]),
        DiskImage(seed: 3, [.compressible(count)]),
        DiskImage(seed: 4, [.repeats(count, period: 7)]),
        DiskImage(seed: 5, [.noise(count / 2), .zeros(count - count / 2)]),
      ]
    }

  /// The compressed bytes; nil where compression does not win.
  static func compress(_ raw: [UInt8]) -> [UInt8]? {
    var target = [UInt8](repeating: 0xAA, count: raw.count)
    let result = target.withMutableBytes { Compression.lz4.compress(raw.rawSpan, into: &$0) }
    guard let (codec, count) = result else { return nil }
    #expect(codec == .lz4)
    return Array(target.prefix(count))
  }

  static func decode(_ codec: Codec, _ stored: [UInt8], rawCount: Int) throws(FormatError)
    -> [UInt8]
  {
    // Sentinels on both sides show a write beyond the target.
    let margin = 64
    var memory = [UInt8](repeating: 0x5C, count: rawCount + 2 * margin)
    var failure: FormatError?
    unsafe memory.withUnsafeMutableBytes { all in
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: all[margin..<(margin + rawCount)])
      var target = unsafe MutableRawSpan(_unsafeBytes: part)
      do throws(FormatError) {
        try codec.decode(stored.rawSpan, into: &target)
      } catch {
        failure = error
      }
    }
    #expect(memory.prefix(margin).allSatisfy { $0 == 0x5C }, "wrote before its target")
    #expect(memory.suffix(margin).allSatisfy { $0 == 0x5C }, "wrote behind its target")
    if let failure { throw failure }
    return Array(memory.dropFirst(margin).prefix(rawCount))
  }

  @Test(arguments: images.indices) func whatIsCompressedComesBack(_ number: Int) throws {
    let raw = Self.images[number].bytes
    #expect(try Self.decode(.raw, raw, rawCount: raw.count) == raw)
    guard let stored = Self.compress(raw) else { return }
    #expect(stored.count < raw.count)
    #expect(try Self.decode(.lz4, stored, rawCount: raw.count) == raw)
  }

  @Test func whatDoesNotWinIsStoredRaw() {
    #expect(Self.compress(DiskImage(seed: 2, [.noise(100_000)]).bytes) == nil)
    #expect(Self.compress([]) == nil)
    #expect(Self.compress([1]) == nil)
    #expect(Self.compress(DiskImage(seed: 3, [.compressible(100_000)]).bytes) != nil)
  }

  @Test func anotherLengthIsRefused() throws {
    let raw = DiskImage(seed: 3, [.compressible(50_000)]).bytes
    let stored = try #require(Self.compress(raw))
    for count in [0, 1, 49_999, 50_001, 262_144] {
      for (codec, bytes) in [(Codec.lz4, stored), (.raw, raw)] {
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try Self.decode(codec, bytes, rawCount: count)
        }
        #expect(refusal == .damaged, "\(codec) to \(count)")
      }
    }
  }

  @Test func everyTruncationIsRefused() throws {
    let raw = DiskImage(seed: 3, [.compressible(2000)]).bytes
    let stored = try #require(Self.compress(raw))
    for length in stored.indices {
      let cut = Array(stored.prefix(length))
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try Self.decode(.lz4, cut, rawCount: raw.count)
      }
      #expect(refusal == .damaged, "\(length) of \(stored.count)")
    }
  }

  /// Noise as LZ4: an error, or exactly as many bytes as were asked for; never beyond them.
  @Test(arguments: 0..<20 as Range<UInt64>) func garbageIsSafe(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let raw = DiskImage(seed: seed, [.compressible(3000), .noise(100), .zeros(1000)]).bytes
    let good = try #require(Self.compress(raw))
    for _ in 0..<50 {
      let noise = generator.bytes(Int.random(in: 0...300, using: &generator))
      var changed = good
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        changed[Int.random(in: changed.indices, using: &generator)] = UInt8(
          truncatingIfNeeded: generator.next())
      }
      for bytes in [noise, changed] {
        for count in [0, 1, 64, raw.count] {
          let refusal = Refusal.of { () throws(FormatError) in
            _ = try Self.decode(.lz4, bytes, rawCount: count)
          }
          #expect(refusal != .unsupported, "seed \(seed)")
        }
      }
    }
  }

  @Test func unknownCodecsAreUnsupported() {
    for raw in UInt8.min...UInt8.max {
      let refusal = Refusal.of { () throws(FormatError) in _ = try Codec.known(raw) }
      #expect(refusal == (raw <= 1 ? .accepted : .unsupported))
    }
  }
}
