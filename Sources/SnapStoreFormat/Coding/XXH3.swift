internal import CXXHash

/// The few functions of libxxhash that snapstore uses, over spans.
///
/// On x86-64 the shared library's run-time dispatch is called: the same hashes, with the widest
/// vectors that the processor has.
enum XXH3 {
  /// The secret's length in bytes that is used throughout: XXH3's own default size.
  static let secretByteCount = 192

  static func hash64(_ bytes: RawSpan) -> UInt64 {
    unsafe bytes.withUnsafeBytes { buffer in
      #if arch(x86_64)
        unsafe XXH3_64bits_dispatch(buffer.baseAddress, buffer.count)
      #else
        unsafe XXH3_64bits(buffer.baseAddress, buffer.count)
      #endif
    }
  }

  static func hash64(_ bytes: RawSpan, secret: RawSpan) -> UInt64 {
    unsafe bytes.withUnsafeBytes { buffer in
      unsafe secret.withUnsafeBytes { key in
        #if arch(x86_64)
          unsafe XXH3_64bits_withSecret_dispatch(
            buffer.baseAddress, buffer.count, key.baseAddress, key.count)
        #else
          unsafe XXH3_64bits_withSecret(
            buffer.baseAddress, buffer.count, key.baseAddress, key.count)
        #endif
      }
    }
  }

  static func hash128(_ bytes: RawSpan, secret: RawSpan) -> (low: UInt64, high: UInt64) {
    let hash = unsafe bytes.withUnsafeBytes { buffer in
      unsafe secret.withUnsafeBytes { key in
        #if arch(x86_64)
          unsafe XXH3_128bits_withSecret_dispatch(
            buffer.baseAddress, buffer.count, key.baseAddress, key.count)
        #else
          unsafe XXH3_128bits_withSecret(
            buffer.baseAddress, buffer.count, key.baseAddress, key.count)
        #endif
      }
    }
    return (hash.low64, hash.high64)
  }
}

/// Finds accidents in stored bytes: plain XXH3-64 without a secret, so that a vault can be checked
/// by anybody, and before its descriptor is read.
package enum Checksum {
  package static func of(_ bytes: RawSpan) -> UInt64 { XXH3.hash64(bytes) }
}
