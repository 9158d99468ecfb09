import CXXHash
import Crypto
import SnapStoreFormat

/// The rules of the format a second time: as slow and as plain as they are written down, from the
/// libraries' own functions, to compare with.
enum Naive {
  /// RFC 5869 with SHA-256, no salt, written out.
  static func secret(_ purpose: String, seed: [UInt8]) -> [UInt8] {
    func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
      Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }
    let extracted = hmac([UInt8](repeating: 0, count: 32), seed)
    let info = Array("snapstore \(purpose) 1".utf8)
    var (block, secret) = ([UInt8](), [UInt8]())
    for number in UInt8(1)...6 {
      block = hmac(extracted, block + info + [number])
      secret += block
    }
    return secret
  }

  static func plainHash64(_ bytes: [UInt8]) -> UInt64 {
    unsafe XXH3_64bits(bytes, bytes.count)
  }

  static func hash64(_ bytes: some Sequence<UInt8>, secret: [UInt8]) -> UInt64 {
    let bytes = Array(bytes)
    return unsafe XXH3_64bits_withSecret(bytes, bytes.count, secret, secret.count)
  }

  static func fingerprint(_ bytes: [UInt8], seed: [UInt8]) -> Fingerprint {
    let key = secret("fingerprint", seed: seed)
    let hash = unsafe XXH3_128bits_withSecret(bytes, bytes.count, key, key.count)
    return Fingerprint(high: hash.high64, low: hash.low64)
  }

  static func sha256(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    Array(SHA256.hash(data: Array(bytes)))
  }

  static func littleEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  /// SHA-256 over tag, key, length and the SHA-256 of each 16 KiB.
  static func treeID(_ content: [UInt8], tag: String) -> String {
    var joined = Array(tag.utf8) + [UInt8](repeating: 0, count: 16 - tag.utf8.count)
    joined += [UInt8](repeating: 0, count: 32)
    joined += littleEndian(UInt64(content.count))
    for start in stride(from: 0, to: content.count, by: 16384) {
      joined += sha256(content[start..<min(start + 16384, content.count)])
    }
    return Hexadecimal.text(sha256(joined))
  }

  static func keyedID(_ content: [UInt8], seed: [UInt8]) -> String {
    let key = secret("id", seed: seed)
    let hash = unsafe XXH3_128bits_withSecret(content, content.count, key, key.count)
    let bytes =
      hash.high64.bigEndianBytes + hash.low64.bigEndianBytes + Array("snapstor".utf8)
      + littleEndian(UInt64(content.count))
    return Hexadecimal.text(bytes)
  }

  /// Cutting in three passes: which blocks are zero, which runs of them part the extent, and where
  /// what lies between them is cut.
  static func cut(_ extent: [UInt8], seed: [UInt8]) -> [ExtentPiece] {
    let key = secret("cut", seed: seed)
    let blocks = stride(from: 0, to: extent.count, by: 4096).map {
      $0..<min($0 + 4096, extent.count)
    }
    let isZero = blocks.map { extent[$0].allSatisfy { $0 == 0 } }
    var pieces: [ExtentPiece] = []

    func add(_ range: Range<Int>) {
      guard !range.isEmpty else { return }
      let zero = extent[range].allSatisfy { $0 == 0 }
      if zero, let last = pieces.last, last.isZero {
        pieces[pieces.count - 1].length += range.count
      } else {
        pieces.append(
          ExtentPiece(offset: range.lowerBound, length: range.count, isZero: zero))
      }
    }
    var first = 0
    while first < blocks.count {
      // A stretch of blocks up to the next long run of zeros, then that run.
      var end = first
      var runEnd = first
      while end < blocks.count {
        runEnd = end
        while runEnd < blocks.count, isZero[runEnd] { runEnd += 1 }
        if runEnd > end, blocks[runEnd - 1].upperBound - blocks[end].lowerBound >= 16384 { break }
        end = max(runEnd, end + 1)
      }
      var start = blocks[first].lowerBound
      for block in blocks[first..<min(end, blocks.count)] {
        let length = block.upperBound - start
        let isBoundary = hash64(extent[block], secret: key) % 16 == 0
        if length >= 16384 && isBoundary || length == 262_144 {
          add(start..<block.upperBound)
          start = block.upperBound
        }
      }
      guard end < blocks.count else {
        add(start..<extent.count)
        break
      }
      add(start..<blocks[end].lowerBound)
      add(blocks[end].lowerBound..<blocks[runEnd - 1].upperBound)
      first = runEnd
    }
    return pieces
  }
}
