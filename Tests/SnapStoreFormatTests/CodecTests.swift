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
  static func compress(_ raw: [UInt8], _ compression: Compression) -> [UInt8]? {
    var target = [UInt8](repeating: 0xAA, count: raw.count)
    let result = target.withMutableBytes { compression.compress(raw.rawSpan, into: &$0) }
    guard let (codec, count) = result else { return nil }
    #expect(codec == self.codec(compression))
    return Array(target.prefix(count))
  }

  static func codec(_ compression: Compression) -> Codec {
    switch compression {
    case .lz4: .lz4
    case .zstd: .zstd
    }
  }

  static let compressions = Compression.examples + [.zstd(level: 1), .zstd(level: 19)]

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

  @Test(arguments: images.indices, compressions)
  func whatIsCompressedComesBack(_ number: Int, _ compression: Compression) throws {
    let raw = Self.images[number].bytes
    #expect(try Self.decode(.raw, raw, rawCount: raw.count) == raw)
    guard let stored = Self.compress(raw, compression) else { return }
    #expect(stored.count < raw.count)
    #expect(try Self.decode(Self.codec(compression), stored, rawCount: raw.count) == raw)
  }

  @Test(arguments: compressions) func whatDoesNotWinIsStoredRaw(_ compression: Compression) {
    for raw in [DiskImage(seed: 2, [.noise(100_000)]).bytes, [], [1], [1, 1]] {
      #expect(Self.compress(raw, compression) == nil)
    }
    #expect(Self.compress(DiskImage(seed: 3, [.compressible(100_000)]).bytes, compression) != nil)
  }

  @Test func aHigherLevelIsSmaller() throws {
    let raw = DiskImage(seed: 3, [.compressible(262_144)]).bytes
    let low = try #require(Self.compress(raw, .zstd(level: 1)))
    let high = try #require(Self.compress(raw, .zstd(level: 19)))
    #expect(high.count < low.count)
  }

  @Test(arguments: compressions) func anotherLengthIsRefused(_ compression: Compression) throws {
    let raw = DiskImage(seed: 3, [.compressible(50_000)]).bytes
    let stored = try #require(Self.compress(raw, compression))
    for count in [0, 1, 49_999, 50_001, 262_144] {
      for (codec, bytes) in [(Self.codec(compression), stored), (.raw, raw)] {
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try Self.decode(codec, bytes, rawCount: count)
        }
        #expect(refusal == .damaged, "\(codec) to \(count)")
      }
    }
  }

  @Test(arguments: compressions) func everyTruncationIsRefused(_ compression: Compression) throws {
    let raw = DiskImage(seed: 3, [.compressible(2000)]).bytes
    let stored = try #require(Self.compress(raw, compression))
    for length in stored.indices {
      let cut = Array(stored.prefix(length))
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try Self.decode(Self.codec(compression), cut, rawCount: raw.count)
      }
      #expect(refusal == .damaged, "\(length) of \(stored.count)")
    }
  }

  /// Noise as stored bytes: an error, or just as many bytes as were asked for; never beyond them.
  @Test(arguments: 0..<20 as Range<UInt64>, Compression.examples)
  func garbageIsSafe(_ seed: UInt64, _ compression: Compression) throws {
    var generator = SeededGenerator(seed: seed)
    let raw = DiskImage(seed: seed, [.compressible(3000), .noise(100), .zeros(1000)]).bytes
    let good = try #require(Self.compress(raw, compression))
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
            _ = try Self.decode(Self.codec(compression), bytes, rawCount: count)
          }
          #expect(refusal != .unsupported, "seed \(seed)")
        }
      }
    }
  }

  @Test func unknownCodecsAreUnsupported() {
    for raw in UInt8.min...UInt8.max {
      let refusal = Refusal.of { () throws(FormatError) in _ = try Codec.known(raw) }
      #expect(refusal == (raw <= 2 ? .accepted : .unsupported))
    }
  }

  /// What some version of each library once wrote must be decoded for ever. Made anew by
  /// SNAPSTORE_UPDATE_GOLDEN only where there is no file.
  @Test func goldenStoredBytes() throws {
    let raw = DiskImage(seed: 11, [.compressible(700), .zeros(300), .noise(50)]).bytes
    for compression in Compression.examples {
      let stored = try goldenBytes("stored-\(Self.codec(compression))") {
        try #require(Self.compress(raw, compression))
      }
      #expect(try Self.decode(Self.codec(compression), stored, rawCount: raw.count) == raw)
    }
  }

  @Test func namesAndNumbersOfCompressions() {
    let valid = [
      ("lz4", Compression.lz4, 1), ("zstd", .zstd(level: 3), 2 + 3 << 8),
      ("zstd:1", .zstd(level: 1), 2 + 1 << 8), ("zstd:19", .zstd(level: 19), 2 + 19 << 8),
    ]
    for (name, compression, number) in valid {
      #expect(Compression(optionName: name) == compression)
      #expect(compression.recorded == UInt32(number))
      #expect(Compression(recorded: UInt32(number)) == compression)
      #expect(Compression(optionName: compression.optionName) == compression)
    }
    for name in ["", "LZ4", "lz4:1", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd:3:3", "zlib"] {
      #expect(Compression(optionName: name) == nil, "\(name)")
    }
    for number in [0, 2, 3, 1 + 1 << 8, 2 + 20 << 8, 2 + 255 << 8, 2 + 3 << 16, 1 << 31] {
      #expect(Compression(recorded: UInt32(number)) == nil, "\(number)")
    }
  }
}
