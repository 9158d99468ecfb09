import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct ChunkHasherTests {
  static let lengths = [1, 16383, 16384, 16385, 262_144]
  static let noise = DiskImage(seed: 77, [.noise(262_144)]).bytes

  static func id(_ content: [UInt8], _ hash: ChunkHash, _ domain: ChunkHasher.Domain = .chunk)
    -> ChunkID
  {
    ChunkHasher(hash, secrets: Sample.secrets).id(of: content.rawSpan, domain: domain)
  }

  @Test(arguments: ChunkHash.allCases) func goldenIDs(_ hash: ChunkHash) throws {
    var writer = ByteWriter()
    for length in Self.lengths {
      Self.id(Array(Self.noise.prefix(length)), hash).encode(to: &writer)
      Self.id(Array(Self.noise.prefix(length)), hash, .mapNode).encode(to: &writer)
    }
    try expectGolden(writer.bytes, "chunk-ids-\(hash.recordedName)")
  }

  @Test func goldenFingerprints() throws {
    var writer = ByteWriter()
    for length in Self.lengths {
      let content = Array(Self.noise.prefix(length))
      Fingerprint(of: content.rawSpan, secrets: Sample.secrets).encode(to: &writer)
    }
    try expectGolden(writer.bytes, "fingerprints")
  }

  /// The derived secrets are not shown; hashes under them are. Their bytes, from RFC 5869:
  @Test func goldenSecrets() throws {
    let secrets = ["cut", "fingerprint", "id"].map { Naive.secret($0, seed: Sample.seed) }
    #expect(secrets.allSatisfy { $0.count == 192 })
    try expectGolden(Array(secrets.joined()), "secrets")
  }

  static let someLengths =
    lengths + [0, 2, 4096, 32767, 32768, 32769, 49152, 100_000, 262_143]

  @Test(arguments: someLengths) func agreesWithTheNaiveConstruction(_ length: Int) {
    let content = Array(Self.noise.prefix(length))
    #expect(
      Self.id(content, .sha256).description == Naive.treeID(content, tag: "snapstore chunk"))
    for hash in ChunkHash.allCases {
      #expect(
        Self.id(content, hash, .mapNode).description
          == Naive.treeID(content, tag: "snapstore map"), "map nodes are always named by SHA-256")
    }
    #expect(Self.id(content, .xxh3).description == Naive.keyedID(content, seed: Sample.seed))
    #expect(
      Fingerprint(of: content.rawSpan, secrets: Sample.secrets)
        == Naive.fingerprint(content, seed: Sample.seed))
  }

  @Test func everyPartOfTheContentCounts() {
    let content = Array(Self.noise.prefix(40_000))
    var ids: Set<ChunkID> = [Self.id(content, .sha256), Self.id(content, .xxh3)]
    var expected = 2
    for place in [0, 1, 16383, 16384, 32767, 32768, 39_999] {
      var changed = content
      changed[place] ^= 1
      ids.insert(Self.id(changed, .sha256))
      ids.insert(Self.id(changed, .xxh3))
      expected += 2
    }
    ids.insert(Self.id(content, .sha256, .mapNode))
    ids.insert(Self.id(Array(content.dropLast()), .sha256))
    ids.insert(Self.id(content + [0], .sha256))
    #expect(ids.count == expected + 3)
  }

  @Test func keyedNamesDependOnTheVault() {
    let content = Array(Self.noise.prefix(5000))
    let other = VaultSecrets(seed: [UInt8](repeating: 9, count: 32))
    #expect(
      ChunkHasher(.xxh3, secrets: other).id(of: content.rawSpan, domain: .chunk)
        != Self.id(content, .xxh3))
    #expect(
      Fingerprint(of: content.rawSpan, secrets: other)
        != Fingerprint(of: content.rawSpan, secrets: Sample.secrets))
  }

  @Test func objectHashIsSHA256() {
    let content = Array(Self.noise.prefix(1000))
    #expect(ObjectHash.of(content.rawSpan) == Naive.sha256(content))
    #expect(
      Hexadecimal.text(ObjectHash.of(Array("abc".utf8).rawSpan))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  /// XXH3-64 of nothing and of "xxhash", by the reference implementation.
  @Test func checksumIsXXH3() {
    #expect(Checksum.of([UInt8]().rawSpan) == 0x2D06_8005_38D3_94C2)
    #expect(Checksum.of(Array("xxhash".utf8).rawSpan) == Self.reference)
  }
  static let reference = Naive.plainHash64(Array("xxhash".utf8))
}

@Suite struct ChunkIDTests {
  @Test func isStoredAndShownInTheOrderOfItsBytes() throws {
    let bytes = Array(UInt8(0)..<32)
    let id = ChunkID(bytes.rawSpan)
    #expect(id.description == Hexadecimal.text(bytes))
    var writer = ByteWriter()
    id.encode(to: &writer)
    #expect(writer.bytes == bytes)
    var reader = ByteReader(bytes.rawSpan)
    #expect(try ChunkID(from: &reader) == id)
    var stored = [UInt8](repeating: 0xFF, count: 40)
    stored.withMutableBytes { id.store(to: &$0, at: 5) }
    #expect(
      stored == [UInt8](repeating: 0xFF, count: 5) + bytes + [UInt8](repeating: 0xFF, count: 3))
    #expect(ChunkID(stored.rawSpan, at: 5) == id)
  }

  @Test func ordersAsItsBytesDo() {
    let ids = Sample.ids(200, seed: 4)
    #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    let close = [
      ChunkID(1, 1, 1, 2), ChunkID(1, 1, 2, 1), ChunkID(1, 2, 1, 1), ChunkID(2, 1, 1, 1),
    ]
    #expect(close.reversed().sorted() == close)
    #expect(Set(close + close).count == 4)
  }

  @Test func fingerprintsAreStoredHighHalfFirst() throws {
    var writer = ByteWriter()
    let fingerprint = Fingerprint(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
    fingerprint.encode(to: &writer)
    #expect(writer.bytes == Array(1...16))
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try Fingerprint(from: &reader) == fingerprint)
  }
}

/// Whatever is hashed side by side has the names that it has alone.
@Suite struct ChunkNamerTests {
  static let content = DiskImage(seed: 78, [.noise(1 << 20)]).bytes

  func names(_ ranges: [Range<Int>], by namer: ChunkNamer) -> [ChunkID] {
    var ids = [ChunkID(1, 2, 3, 4)]
    namer.name(ranges, of: Self.content.rawSpan, into: &ids)
    return ids
  }

  @Test(arguments: ChunkHash.allCases, 0..<20 as Range<UInt64>)
  func namesAreThoseOfTheHasher(_ hash: ChunkHash, _ seed: UInt64) {
    let hasher = ChunkHasher(hash, secrets: Sample.secrets)
    let namer = ChunkNamer(hasher)
    var generator = SeededGenerator(seed: seed)
    // The same namer again and again: nothing of an earlier call may be left.
    for _ in 0..<5 {
      let ranges = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
        let count = Int.random(
          in: 0...(Bool.random(using: &generator) ? 300 : 262_144), using: &generator)
        let start = Int.random(in: 0...(Self.content.count - count), using: &generator)
        return start..<(start + count)
      }
      let expected = ranges.map { range in
        hasher.id(of: Self.content.rawSpan.extracting(range), domain: .chunk)
      }
      #expect(names(ranges, by: namer) == expected, "seed \(seed)")
    }
  }

  @Test func lengthsAroundAPiece() {
    let hasher = ChunkHasher(.sha256, secrets: Sample.secrets)
    let lengths = [0, 1, 55, 56, 63, 64, 65, 4096, 16383, 16384, 16385, 32768, 262_143, 262_144]
    let ranges = lengths.map { 7..<(7 + $0) }
    #expect(
      names(ranges, by: ChunkNamer(hasher)).map(\.description)
        == ranges.map { Naive.treeID(Array(Self.content[$0]), tag: "snapstore chunk") })
  }
}
