internal import SnapStoreFormat
internal import SnapStoreIO

/// An index segment in the store, as a merge sees it.
struct MergeInput: Sendable {
  var name: SerialName
  var reader: any ObjectReader
  var head: IndexSegmentHead

  /// Bytes of it that are wrong, or that the store does not give.
  struct Unreadable: Error {
    var name: SerialName
    var reason: String
  }
}

/// Goes through the entries of a segment in their order, a few pages in memory.
struct SegmentCursor {
  private static let pagesPerRead: UInt64 = 16

  private let input: MergeInput
  /// Of each pack of the segment, its place in the merged table; nil for one that is left out.
  private let packs: [UInt32?]
  private let interruption: Interruption
  private var pages: [UInt8] = []
  private var firstPage: UInt64 = 0
  private var position: UInt64 = 0
  /// The entry that the cursor stands on, with the pack's place in the merged table; nil behind the
  /// last one.
  private(set) var entry: IndexEntry?

  init(_ input: MergeInput, packs: [UInt32?], interruption: Interruption) throws {
    self.input = input
    self.packs = packs
    self.interruption = interruption
    try load()
  }

  mutating func advance() throws {
    let last = entry
    position += 1
    try load()
    if let last, let entry, entry.id < last.id {
      throw unreadable("its entries are not in order")
    }
  }

  /// Loads the entry at `position`, or the next one that is not left out.
  private mutating func load() throws {
    while try !loadOne() { position += 1 }
  }

  /// False where the entry there is left out.
  private mutating func loadOne() throws -> Bool {
    entry = nil
    guard position < input.head.layout.entryCount else { return true }
    let (page, index) = position.quotientAndRemainder(dividingBy: UInt64(IndexPage.entriesPerPage))
    do {
      let size = UInt64(IndexPage.byteCount)
      if index == 0 && (page - firstPage) * size >= UInt64(pages.count) {
        try readPages(from: page)
      }
      let start = Int((page - firstPage) * size)
      var loaded = try IndexPage.entry(
        Int(index), in: pages.rawSpan.extracting(start..<(start + IndexPage.byteCount)))
      guard loaded.pack < UInt32(packs.count) else {
        throw FormatError.damaged("an entry names a pack that is not in the table")
      }
      guard let place = packs[Int(loaded.pack)] else { return false }
      loaded.pack = place
      entry = loaded
      return true
    } catch {
      guard let reason = damageReason(error) else { throw error }
      throw unreadable(reason)
    }
  }

  private mutating func readPages(from page: UInt64) throws {
    if interruption.isRaised { throw Interrupted() }
    let size = UInt64(IndexPage.byteCount)
    let start = input.head.layout.entriesOffset + page * size
    let count = min(Self.pagesPerRead, input.head.layout.entryPages - page)
    pages = try IndexSegmentHead.read(start..<(start + count * size), input.reader)
    firstPage = page
    for offset in stride(from: 0, to: pages.count, by: IndexPage.byteCount) {
      try IndexPage.check(pages.rawSpan.extracting(offset..<(offset + IndexPage.byteCount)))
    }
  }

  private func unreadable(_ reason: String) -> MergeInput.Unreadable {
    MergeInput.Unreadable(name: input.name, reason: reason)
  }
}

/// The entries of several segments in one order. Where packs are covered twice, equal entries
/// become one; other copies of an ID are all kept.
struct MergedEntries {
  /// More copies of one ID than a vault has; behind so many, an entry may come twice.
  private static let maximumCopies = 64

  private var cursors: [SegmentCursor]
  private let dropsEqual: Bool

  init(_ cursors: [SegmentCursor], dropsEqual: Bool) {
    self.cursors = cursors.filter { $0.entry != nil }
    self.dropsEqual = dropsEqual
  }

  mutating func forEach(_ body: (IndexEntry) throws -> Void) throws {
    var ids = cursors.compactMap { $0.entry?.id }
    var copies: [IndexEntry] = []
    while var least = ids.indices.first {
      for index in ids.indices.dropFirst() where ids[index] < ids[least] { least = index }
      guard let entry = cursors[least].entry else { preconditionFailure("a cursor at its end") }
      if dropsEqual {
        if copies.first?.id != entry.id || copies.count == Self.maximumCopies {
          copies.removeAll(keepingCapacity: true)
        }
        let isKnown = copies.contains {
          $0.pack == entry.pack && $0.record.offset == entry.record.offset
        }
        if !isKnown {
          copies.append(entry)
          try body(entry)
        }
      } else {
        try body(entry)
      }
      try cursors[least].advance()
      if let next = cursors[least].entry {
        ids[least] = next.id
      } else {
        cursors.remove(at: least)
        ids.remove(at: least)
      }
    }
  }
}
