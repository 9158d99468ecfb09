internal import CLZ4
internal import CZstd

/// How the bytes of one record are stored: the record's codec byte. A number, once given, keeps
/// its meaning for ever; a decoder is never dropped.
package enum Codec: UInt8, Sendable, CaseIterable {
  case raw = 0
  case lz4 = 1
  case zstd = 2

  package static func known(_ rawValue: UInt8) throws(FormatError) -> Codec {
    guard let codec = Codec(rawValue: rawValue) else {
      throw .unsupported("has a record stored with codec \(rawValue)")
    }
    return codec
  }
}

/// What new records are compressed with: a vault's choice, or a backup's own.
package enum Compression: Hashable, Sendable {
  case lz4
  /// A level of libzstd: higher is smaller and slower.
  case zstd(level: Int)

  package static let zstdLevels = 1...19
  /// What `zstd` alone stands for.
  package static let zstdDefaultLevel = 3

  /// One of each kind, for lists of choices.
  package static let examples: [Compression] = [.lz4, .zstd(level: zstdDefaultLevel)]

  /// The name on the command line, which `init(optionName:)` takes.
  package var optionName: String {
    switch self {
    case .lz4: "lz4"
    case .zstd(let level): "zstd:\(level)"
    }
  }

  /// `lz4`, `zstd` or `zstd:LEVEL`; nil for everything else.
  package init?(optionName: String) {
    if optionName == "lz4" {
      self = .lz4
    } else if optionName == "zstd" {
      self = .zstd(level: Self.zstdDefaultLevel)
    } else {
      let parts = optionName.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == "zstd", let level = Int(parts[1]),
        Self.zstdLevels.contains(level)
      else { return nil }
      self = .zstd(level: level)
    }
  }

  /// The number in the descriptor: the codec, and the level times 256.
  package var recorded: UInt32 {
    switch self {
    case .lz4: UInt32(Codec.lz4.rawValue)
    case .zstd(let level): UInt32(Codec.zstd.rawValue) | UInt32(level) << 8
    }
  }

  package init?(recorded: UInt32) {
    let level = Int(recorded >> 8)
    switch (Codec(rawValue: UInt8(truncatingIfNeeded: recorded)), level) {
    case (.lz4, 0): self = .lz4
    case (.zstd, Self.zstdLevels): self = .zstd(level: level)
    default: return nil
    }
  }

  /// Compresses `raw` to the start of `target` and returns how many bytes that took; nil where
  /// the result would not be smaller than `raw`, and the record is to be stored raw.
  /// `target` must have at least as many bytes as `raw`.
  package func compress(_ raw: RawSpan, into target: inout MutableRawSpan) -> (Codec, Int)? {
    precondition(target.byteCount >= raw.byteCount)
    let room = raw.byteCount - 1
    guard room > 0 else { return nil }
    return unsafe raw.withUnsafeBytes { source in
      unsafe target.withUnsafeMutableBytes { sink in
        switch self {
        case .lz4:
          let stored = unsafe LZ4_compress_default(
            source.baseAddress, sink.baseAddress, Int32(source.count), Int32(room))
          return stored > 0 ? (.lz4, Int(stored)) : nil
        case .zstd(let level):
          // Its only failures are that there is not enough room, here or in memory.
          let stored = unsafe ZSTD_compress(
            sink.baseAddress, room, source.baseAddress, source.count, Int32(level))
          return ZSTD_isError(stored) == 0 ? (.zstd, stored) : nil
        }
      }
    }
  }
}

extension Codec {
  /// Decodes `stored` to exactly `target.byteCount` bytes. Never reads or writes beyond either,
  /// whatever `stored` holds.
  package func decode(_ stored: RawSpan, into target: inout MutableRawSpan) throws(FormatError) {
    switch self {
    case .raw:
      guard stored.byteCount == target.byteCount else {
        throw .damaged("a raw record's lengths differ")
      }
      unsafe stored.withUnsafeBytes { source in
        unsafe target.withUnsafeMutableBytes { unsafe $0.copyMemory(from: source) }
      }
    case .lz4:
      let expected = target.byteCount
      let decoded = unsafe stored.withUnsafeBytes { source in
        unsafe target.withUnsafeMutableBytes { sink in
          unsafe LZ4_decompress_safe(
            source.baseAddress, sink.baseAddress, Int32(source.count), Int32(sink.count))
        }
      }
      guard Int(decoded) == expected else { throw .damaged("a record does not decode") }
    case .zstd:
      let decoded = unsafe stored.withUnsafeBytes { source in
        unsafe target.withUnsafeMutableBytes { sink in
          unsafe ZSTD_decompress(sink.baseAddress, sink.count, source.baseAddress, source.count)
        }
      }
      guard ZSTD_isError(decoded) == 0, decoded == target.byteCount else {
        throw .damaged("a record does not decode")
      }
    }
  }
}
