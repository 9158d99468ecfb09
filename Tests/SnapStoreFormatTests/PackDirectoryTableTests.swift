import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite("A pack's directory as a table")
struct PackDirectoryTableTests {
  private var random = SeededGenerator(seed: 11)

  /// The directory of a pack with these records, one behind the other, and its section.
  private func table(
    _ ids: [ChunkID], recordsEnd: UInt64? = nil
  ) throws -> (table: PackDirectoryTable, entries: [PackDirectoryEntry]) {
    var end = UInt64(ObjectHeader.byteCount)
    let entries = ids.enumerated().map { number, id in
      let entry = PackDirectoryEntry(
        id: id, kind: .chunk,
        record: RecordPlace(
          offset: end, rawLength: UInt32(number % 200 + 1), storedLength: UInt32(number % 100 + 1),
          codec: .lz4))
      end += UInt64(entry.record.byteCount)
      return entry
    }
    let identity = PackIdentity(
      vault: try #require(VaultID([UInt8](repeating: 1, count: VaultID.byteCount))),
      name: SerialName(session: SessionID(high: 3, low: 4), number: 5))
    let trailer = PackLayout.trailer(identity: identity, directory: entries, recordsEnd: end)
    let length = end + UInt64(trailer.count)
    let bytes = trailer.rawSpan
    let footerBytes = bytes.extracting((trailer.count - ObjectHeader.byteCount)..<trailer.count)
    let (footer, range) = try PackLayout.tableRange(footer: footerBytes, packLength: length)
    let sections = try PackLayout.sections(
      footer: footer,
      table: bytes.extracting(Int(range.lowerBound - end)..<Int(range.upperBound - end)),
      tableOffset: range.lowerBound)
    var section = sections.directory
    let start = Int(section.offset - end)
    let body = Array(trailer[start..<(start + Int(section.length))])
    if let recordsEnd { section.offset = recordsEnd }
    return (try PackDirectoryTable(body, section: section), entries)
  }

  private mutating func randomIDs(_ count: Int) -> [ChunkID] {
    (0..<count).map { _ in ChunkID(random.next(), random.next(), random.next(), random.next()) }
  }

  @Test("has every record and no other", arguments: [0, 1, 15, 16, 17, 5_000])
  mutating func lookups(_ count: Int) throws {
    let (table, entries) = try table(randomIDs(count))
    #expect(entries.count { table.record(of: $0.id) != $0.record } == 0)
    #expect(randomIDs(1_000).count { table.record(of: $0) != nil } == 0)
  }

  @Test("takes the memory that its section says")
  mutating func memory() throws {
    let (table, entries) = try table(randomIDs(1_000))
    let section = SectionEntry(
      type: 2, flags: 1, offset: 64,
      length: UInt64(entries.count * PackDirectoryEntry.byteCount), checksum: 0)
    #expect(PackDirectoryTable.byteCount(section) == table.byteCount)
    var huge = section
    huge.length = .max
    #expect(PackDirectoryTable.byteCount(huge) == .max)
  }

  @Test("IDs that are alike make it slow for nobody, and never wrong")
  mutating func crowded() throws {
    let ids = (0..<20_000 as Range<UInt64>).map { ChunkID(7, 7, 7, $0) }
    let (table, entries) = try table(ids)
    let found = entries.filter { table.record(of: $0.id) != nil }
    #expect(!found.isEmpty && found.count < 100)
    #expect(found.allSatisfy { table.record(of: $0.id) == $0.record })
  }

  @Test("a record that would lie outside of the pack's records is none")
  mutating func outside() throws {
    let (table, entries) = try table(randomIDs(50), recordsEnd: 1_000)
    for entry in entries {
      let isInside = entry.record.offset + UInt64(entry.record.byteCount) <= 1_000
      #expect((table.record(of: entry.id) != nil) == isInside)
    }
  }

  @Test("wrong bytes are refused")
  func wrong() {
    let body = [UInt8](repeating: 0, count: 2 * PackDirectoryEntry.byteCount)
    let section = SectionEntry(
      type: 2, flags: 1, offset: 64, length: UInt64(body.count), checksum: 1)
    #expect(throws: FormatError.self) { try PackDirectoryTable(body, section: section) }
  }
}
