import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Packs that are being written")
struct PackWriterTests {
  private let fixture: IndexMergeFixture

  init() throws {
    fixture = try IndexMergeFixture()
  }

  @Test("a pack ends at so many records, however small, since its directory is held in memory")
  func manyTinyRecords() throws {
    let session = try fixture.session()
    let index = try ChunkIndex(session: session, memory: 8 << 20)
    let writer = PackWriter(session: session, index: index)
    let perBatch = 1024
    let record = PackRecord.headByteCount + 1
    let bytes = [UInt8](repeating: 0, count: perBatch * record)
    for _ in 0..<(PackWriter.recordsPerPack / perBatch + 1) {
      let entries = (0..<perBatch).map { number in
        PackDirectoryEntry(
          id: fixture.randomID(), kind: .chunk,
          record: RecordPlace(
            offset: UInt64(number * record), rawLength: 1, storedLength: 1, codec: .raw))
      }
      try bytes.withRawSpan { try writer.append($0, entries) }
    }
    try writer.finish()
    // All of them are less than a pack's first 8 MiB.
    #expect(try fixture.vault().listPacks().count == 2)
  }

  @Test("the index hears of a pack once that is durable")
  func order() throws {
    let index = Lock<ChunkIndex?>(nil)
    let id = fixture.randomID()
    let finished = Lock(0)
    let session = try fixture.session { store in
      ObservedStore(store) { event in
        guard case .finish(let name) = event, name.folder == VaultFolder.packs else { return }
        finished.withLock { $0 += 1 }
        let known = try index.withLock { $0 }?.locations(of: id)
        #expect(known == [])
      }
    }
    let opened = try ChunkIndex(session: session, memory: 8 << 20)
    index.withLock { $0 = opened }
    let writer = PackWriter(session: session, index: opened)
    let bytes = [UInt8](repeating: 0, count: PackRecord.headByteCount + 1)
    let entry = PackDirectoryEntry(
      id: id, kind: .chunk,
      record: RecordPlace(offset: 0, rawLength: 1, storedLength: 1, codec: .raw))
    try bytes.withRawSpan { try writer.append($0, [entry]) }
    try writer.finish()
    #expect(finished.withLock { $0 } == 1)
    #expect(try opened.locations(of: id).count == 1)
  }

  @Test(
    "what was compressed is decoded and compared, unless it is told not to",
    arguments: [true, false])
  func verifiesWrites(_ isVerified: Bool) throws {
    let vault = try fixture.vault()
    let raw = [UInt8](repeating: 7, count: 20_000)
    // What was read from the disk was something else: memory changed, or the compressor is wrong.
    let other = [UInt8](repeating: 8, count: 20_000)
    let fingerprint = other.withRawSpan { Fingerprint(of: $0, secrets: vault.secrets) }
    func encode() throws {
      var target = [UInt8](repeating: 0, count: 21_000)
      var scratch = target
      let encoder = RecordEncoder(vault: vault, verifiesWrites: isVerified)
      _ = try target.withMutableRawSpan { target in
        try scratch.withMutableRawSpan { scratch in
          try encoder.encode(
            raw.rawSpan, id: fixture.randomID(), kind: .chunk, fingerprint: fingerprint,
            to: &target, at: 0, scratch: &scratch)
        }
      }
    }
    if isVerified {
      #expect(throws: VaultError.self) { try encode() }
    } else {
      try encode()
    }
  }
}
