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
}
