/// A pack's directory as its bytes, with a table by which IDs are found in it: for who asks for
/// many of a pack's records, and not for all of them. An entry is decoded when it is asked for.
package struct PackDirectoryTable: Sendable {
  /// An ID is looked for in so many slots from its own on. One that a hostile directory, or very
  /// bad luck, crowds out is not found here; whoever asks looks elsewhere then.
  private static let maximumProbes = 32

  private let body: [UInt8]
  private let recordsEnd: UInt64
  /// A power of two, twice as many as entries or more: the number of an entry and one, or zero.
  private var slots: [UInt32]

  /// The bytes of memory that a directory takes as a table.
  package static func byteCount(_ section: SectionEntry) -> Int {
    // No pack is as long as what does not fit.
    guard let length = Int(exactly: section.length), length <= 1 << 40 else { return .max }
    return length + slotCount(length / PackDirectoryEntry.byteCount) * 4
  }

  private static func slotCount(_ entries: Int) -> Int {
    var count = 16
    while count < 2 * entries { count *= 2 }
    return count
  }

  /// Throws where these are not the bytes of the section.
  package init(_ body: [UInt8], section: SectionEntry) throws(FormatError) {
    try PackLayout.checkDirectory(body.rawSpan, section)
    self.body = body
    recordsEnd = section.offset
    let count = body.count / PackDirectoryEntry.byteCount
    slots = [UInt32](repeating: 0, count: Self.slotCount(count))
    let mask = slots.count - 1
    for number in 0..<count {
      let id = ChunkID(body.rawSpan, at: number * PackDirectoryEntry.byteCount)
      for probe in 0..<Self.maximumProbes {
        let slot = (Self.hash(id) + probe) & mask
        guard slots[slot] == 0 else { continue }
        slots[slot] = UInt32(number + 1)
        break
      }
    }
  }

  /// The first word of an ID is uniform already. Half of it, which fits a positive `Int`.
  private static func hash(_ id: ChunkID) -> Int { Int(truncatingIfNeeded: id.words.0 >> 8) }

  /// The memory that it takes.
  package var byteCount: Int { body.count + slots.count * 4 }

  /// The record of an ID; nil where the directory does not name it, or says what can't be.
  package func record(of id: ChunkID) -> RecordPlace? {
    let mask = slots.count - 1
    for probe in 0..<Self.maximumProbes {
      let slot = slots[(Self.hash(id) + probe) & mask]
      guard slot != 0 else { return nil }
      let start = (Int(slot) - 1) * PackDirectoryEntry.byteCount
      guard ChunkID(body.rawSpan, at: start) == id else { continue }
      return decode(at: start)
    }
    return nil
  }

  private func decode(at start: Int) -> RecordPlace? {
    var reader = ByteReader(body.rawSpan.extracting(start..<(start + PackDirectoryEntry.byteCount)))
    do throws(FormatError) {
      let record = try PackDirectoryEntry(from: &reader).record
      guard record.offset >= UInt64(ObjectHeader.byteCount), record.offset < recordsEnd,
        UInt64(record.byteCount) <= recordsEnd - record.offset
      else { return nil }
      return record
    } catch {
      return nil
    }
  }
}
