internal import Crypto

/// How a vault names its chunks. Recorded in the descriptor; it holds for the vault's whole life.
package enum ChunkHash: UInt32, Sendable, CaseIterable {
  /// SHA-256 over the SHA-256 of each 16 KiB piece. The default.
  case sha256 = 1
  /// Keyed XXH3-128. Only for vaults whose guests are trusted not to forge collisions.
  case xxh3 = 2

  /// The name on the command line.
  package var optionName: String {
    switch self {
    case .sha256: "sha256"
    case .xxh3: "xxh3-128"
    }
  }

  /// The name that records say, exact about the construction.
  package var recordedName: String {
    switch self {
    case .sha256: "sha256-tree16k"
    case .xxh3: "xxh3-128"
    }
  }
}

/// Names content: the one place where chunk IDs are computed.
///
/// `sha256-tree16k` is SHA-256 over: a 16-byte domain tag, the 32-byte ID key (zeros in a vault
/// without encryption), the content's length (64 bits, little-endian), and the SHA-256 of each
/// 16 KiB piece in order. The pieces are there so that several streams can be hashed at once.
///
/// `xxh3-128` is the keyed hash (16 bytes, canonical order), the first 8 bytes of the domain tag,
/// and the length. Map nodes are always named by SHA-256.
package struct ChunkHasher: Sendable {
  package enum Domain: Sendable {
    case chunk
    case mapNode

    var tag: [UInt8] {
      switch self {
      case .chunk: Array("snapstore chunk\0".utf8)
      case .mapNode: Array("snapstore map\0\0\0".utf8)
      }
    }
  }

  package static let pieceByteCount = 16 * 1024
  static let prefixByteCount = 56
  static let digestByteCount = 32

  package let algorithm: ChunkHash
  private let secrets: VaultSecrets
  private let chunkTag = Domain.chunk.tag
  private let nodeTag = Domain.mapNode.tag

  package init(_ algorithm: ChunkHash, secrets: VaultSecrets) {
    self.algorithm = algorithm
    self.secrets = secrets
  }

  package func id(of content: RawSpan, domain: Domain) -> ChunkID {
    switch (algorithm, domain) {
    case (.sha256, _), (_, .mapNode): treeID(of: content, domain: domain)
    case (.xxh3, .chunk): keyedID(of: content)
    }
  }

  private func treeID(of content: RawSpan, domain: Domain) -> ChunkID {
    let pieces = (content.byteCount + Self.pieceByteCount - 1) / Self.pieceByteCount
    let byteCount = Self.prefixByteCount + pieces * Self.digestByteCount
    return withTemporaryBytes(byteCount) { (message: inout MutableRawSpan) in
      storePrefix(domain, contentByteCount: content.byteCount, to: &message, at: 0)
      for piece in 0..<pieces {
        let start = piece * Self.pieceByteCount
        let end = min(start + Self.pieceByteCount, content.byteCount)
        SHA256.digest(of: content.extracting(start..<end))
          .store(to: &message, at: Self.prefixByteCount + piece * Self.digestByteCount)
      }
      return SHA256.digest(of: message.bytes)
    }
  }

  /// Writes the 56 bytes that stand before the digests of the pieces: domain tag, ID key, length.
  func storePrefix(
    _ domain: Domain, contentByteCount: Int, to message: inout MutableRawSpan, at offset: Int
  ) {
    let tag = domain == .chunk ? chunkTag : nodeTag
    for (index, byte) in tag.enumerated() {
      message.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
    }
    for word in 0..<4 {
      message.storeBytes(of: 0, toByteOffset: offset + 16 + 8 * word, as: UInt64.self)
    }
    message.storeBytes(
      of: UInt64(contentByteCount).littleEndian, toByteOffset: offset + 48, as: UInt64.self)
  }

  private func keyedID(of content: RawSpan) -> ChunkID {
    let hash = XXH3.hash128(content, secret: secrets.id.rawSpan)
    let tag = chunkTag[..<8].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    return ChunkID(hash.high, hash.low, tag, UInt64(content.byteCount).byteSwapped)
  }
}

/// SHA-256 of a whole object: what links a recovery point to those before it.
package enum ObjectHash {
  package static func of(_ bytes: RawSpan) -> [UInt8] {
    var sha = SHA256()
    unsafe bytes.withUnsafeBytes { unsafe sha.update(bufferPointer: $0) }
    return Array(sha.finalize())
  }
}

/// A zeroed scratch of up to some hundred bytes on the stack.
private func withTemporaryBytes<Result>(
  _ byteCount: Int, _ body: (inout MutableRawSpan) -> Result
) -> Result {
  unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { buffer in
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
    var span = unsafe MutableRawSpan(_unsafeBytes: buffer)
    return body(&span)
  }
}
