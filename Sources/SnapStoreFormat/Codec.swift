internal import CLZ4

/// How the bytes of one record are stored: the record's codec byte. A number, once given, keeps
/// its meaning for ever; a decoder is never dropped.
package enum Codec: UInt8, Sendable, CaseIterable {
  case raw = 0
  case lz4 = 1
  // 2 is kept for zstd.

  package static func known(_ rawValue: UInt8) throws(FormatError) -> Codec {
    guard let codec = Codec(rawValue: rawValue) else {
      throw .unsupported("has a record stored with codec \(rawValue)")
    }
    return codec
  }
}

/// What a vault's new records are compressed with.
package enum Compression: UInt32, Sendable, CaseIterable {
  case lz4 = 1

  package var optionName: String {
    switch self {
    case .lz4: "lz4"
    }
  }

  /// Compresses `raw` to the start of `target` and returns how many bytes that took; nil where
  /// the result would not be smaller than `raw`, and the record is to be stored raw.
  /// `target` must have at least as many bytes as `raw`.
  package func compress(_ raw: RawSpan, into target: inout MutableRawSpan) -> (Codec, Int)? {
    precondition(target.byteCount >= raw.byteCount)
    let stored = unsafe raw.withUnsafeBytes { source in
      unsafe target.withUnsafeMutableBytes { sink in
        unsafe LZ4_compress_default(
          source.baseAddress, sink.baseAddress, Int32(source.count), Int32(source.count - 1))
      }
    }
    return stored > 0 ? (.lz4, Int(stored)) : nil
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
    }
  }
}
