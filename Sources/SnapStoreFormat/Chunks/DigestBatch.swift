internal import Crypto

#if IPSEC_MB
  internal import CIPSecMB
#endif

/// SHA-256 of many short pieces at once: 16 of them side by side on a processor with AVX-512, where
/// the package was built with Intel's multi-buffer library; else one after the other. The digests
/// are the same. One lane at a time.
@safe final class DigestBatch {
  #if IPSEC_MB
    private let manager: UnsafeMutablePointer<IMB_MGR>? = unsafe ipsec_mb_make()

    deinit { if let manager = unsafe manager { unsafe free_mb_mgr(manager) } }
  #endif

  /// Writes the SHA-256 of each range of `bytes` to the beginning of `digests`, in order and one
  /// behind the other; makes it longer where that is needed.
  func digest(_ bytes: RawSpan, _ ranges: [Range<Int>], into digests: inout [UInt8]) {
    precondition(ranges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= bytes.byteCount })
    digests.grow(to: ranges.count * ChunkHasher.digestByteCount)
    #if IPSEC_MB
      if let manager = unsafe manager {
        return unsafe digest(bytes, ranges, into: &digests, with: manager)
      }
    #endif
    var span = digests.mutableSpan
    var target = unsafe span.mutableBytes
    for (number, range) in ranges.enumerated() {
      SHA256.digest(of: bytes.extracting(range))
        .store(to: &target, at: number * ChunkHasher.digestByteCount)
    }
  }

  #if IPSEC_MB
    private func digest(
      _ bytes: RawSpan, _ ranges: [Range<Int>], into digests: inout [UInt8],
      with manager: UnsafeMutablePointer<IMB_MGR>
    ) {
      let completed = unsafe bytes.withUnsafeBytes { source in
        unsafe digests.withUnsafeMutableBytes { target in
          var completed: UInt = 0
          for (number, range) in ranges.enumerated() {
            completed += unsafe ipsec_mb_sha256(
              manager, source.baseAddress?.advanced(by: range.lowerBound), UInt(range.count),
              target.baseAddress?.advanced(by: number * ChunkHasher.digestByteCount))
          }
          return unsafe completed + ipsec_mb_finish(manager)
        }
      }
      precondition(completed == ranges.count, "SHA-256 by several streams did not end")
    }
  #endif
}

extension [UInt8] {
  /// Appends zeros where there are fewer bytes.
  mutating func grow(to byteCount: Int) {
    guard count < byteCount else { return }
    append(contentsOf: repeatElement(0, count: byteCount - count))
  }
}

extension SHA256 {
  /// The digest as the 32 bytes of an ID.
  static func digest(of bytes: RawSpan) -> ChunkID {
    var sha = SHA256()
    unsafe bytes.withUnsafeBytes { unsafe sha.update(bufferPointer: $0) }
    return unsafe sha.finalize().withUnsafeBytes { ChunkID(unsafe RawSpan(_unsafeBytes: $0)) }
  }
}
