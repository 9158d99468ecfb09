internal import Foundation
internal import SnapStoreIO

/// The bytes of a simulated file: as the program sees them, and as they are durable. Pages that
/// nobody wrote are holes.
struct SimulatedContent: Sendable {
  static let pageByteCount = 4096
  static let sectorByteCount = 512

  private(set) var pages: [UInt64: [UInt8]] = [:]
  private(set) var byteCount: UInt64 = 0
  private var durablePages: [UInt64: [UInt8]] = [:]
  private var durableByteCount: UInt64 = 0
  /// Pages that an fsync would write.
  private var dirty: Set<UInt64> = []
  private var isSizeDirty = false

  init() {}

  /// Bytes that are durable; blocks of zeros are holes.
  init(durable bytes: [UInt8]) {
    for start in stride(from: 0, to: bytes.count, by: Self.pageByteCount) {
      let range = start..<min(start + Self.pageByteCount, bytes.count)
      if Self.areEqual(bytes, range, Self.emptyPage, 0) { continue }
      pages[UInt64(start / Self.pageByteCount)] =
        Array(bytes[range]) + [UInt8](repeating: 0, count: Self.pageByteCount - range.count)
    }
    byteCount = UInt64(bytes.count)
    (durablePages, durableByteCount) = (pages, byteCount)
  }

  var blockCount: UInt64 { UInt64(pages.count) }

  var allBytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(byteCount))
    _ = bytes.withMutableRawSpan { read(into: &$0, at: 0) }
    return bytes
  }

  /// Whether the file holds just these bytes: compared by pages, and so fast without optimization.
  func holds(_ bytes: [UInt8]) -> Bool {
    guard byteCount == UInt64(bytes.count) else { return false }
    var isEqual = true
    forEachPage(0, bytes.count) { number, inPage, inBytes in
      let page = pages[number] ?? Self.emptyPage
      isEqual = isEqual && Self.areEqual(bytes, inBytes, page, inPage.lowerBound)
    }
    return isEqual
  }

  private static func areEqual(
    _ bytes: [UInt8], _ range: Range<Int>, _ page: [UInt8], _ start: Int
  ) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe page.withUnsafeBytes { page in
        guard let from = bytes.baseAddress, let to = page.baseAddress else { return range.isEmpty }
        return unsafe memcmp(from + range.lowerBound, to + start, range.count) == 0
      }
    }
  }

  func read(into target: inout MutableRawSpan, at offset: UInt64) -> Int {
    guard offset < byteCount else { return 0 }
    let count = Int(min(UInt64(target.byteCount), byteCount - offset))
    forEachPage(offset, count) { number, inPage, inBytes in
      guard let page = pages[number] else { return target.zero(inBytes) }
      page.withRawSpan { page in
        target.withBytes(inBytes) { $0.copy(page.extracting(inPage)) }
      }
    }
    return count
  }

  /// How many bytes can be written, from the first on, if there is room for so many new pages.
  func writableByteCount(_ count: Int, at offset: UInt64, freeBlocks: UInt64) -> Int {
    var left = freeBlocks
    var writable = 0
    var isFull = false
    forEachPage(offset, count) { number, _, inBytes in
      if pages[number] == nil {
        if left == 0 { isFull = true } else { left -= 1 }
      }
      if !isFull { writable = inBytes.upperBound }
    }
    return writable
  }

  mutating func write(_ bytes: RawSpan, at offset: UInt64) {
    forEachPage(offset, bytes.byteCount) { number, inPage, inBytes in
      var page = pages.removeValue(forKey: number) ?? Self.emptyPage
      page.withMutableRawSpan { page in
        page.withBytes(inPage) { $0.copy(bytes.extracting(inBytes)) }
      }
      pages[number] = page
      dirty.insert(number)
    }
    let end = offset + UInt64(bytes.byteCount)
    if end > byteCount { (byteCount, isSizeDirty) = (end, true) }
  }

  mutating func setSize(_ count: UInt64) {
    let pageByteCount = UInt64(Self.pageByteCount)
    for number in pages.keys where number * pageByteCount >= count {
      pages[number] = nil
      dirty.insert(number)
    }
    let rest = Int(count % pageByteCount)
    if rest > 0, var page = pages[count / pageByteCount] {
      page.withMutableRawSpan { $0.zero(rest..<Self.pageByteCount) }
      pages[count / pageByteCount] = page
      dirty.insert(count / pageByteCount)
    }
    (byteCount, isSizeDirty) = (count, true)
  }

  mutating func synchronize() {
    for number in dirty { durablePages[number] = pages[number] }
    dirty = []
    if isSizeDirty { durableByteCount = byteCount }
    isSizeDirty = false
  }

  mutating func loseUnsynchronized() {
    dirty = []
    isSizeDirty = false
  }

  func hash(isDurable: Bool, into hasher: inout Hasher) {
    hasher.combine(isDurable ? durableByteCount : byteCount)
    for (number, page) in (isDurable ? durablePages : pages).sorted(by: { $0.key < $1.key }) {
      hasher.combine(number)
      unsafe page.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
  }

  func nextData(from offset: UInt64) -> UInt64? {
    let pageByteCount = UInt64(Self.pageByteCount)
    let first = offset / pageByteCount
    guard let page = pages.keys.lazy.filter({ $0 >= first }).min() else { return nil }
    let start = max(offset, page * pageByteCount)
    return start < byteCount ? start : nil
  }

  func nextHole(from offset: UInt64) -> UInt64 {
    let pageByteCount = UInt64(Self.pageByteCount)
    var page = offset / pageByteCount
    while pages[page] != nil { page += 1 }
    return min(byteCount, max(offset, page * pageByteCount))
  }

  /// What a cut leaves. Each file has its own luck: all of what was not durable is lost, or all of
  /// it is there, or each sector decides for itself.
  func afterCut(_ survival: inout CutChoice) -> SimulatedContent {
    var left = SimulatedContent()
    (left.pages, left.byteCount) = (durablePages, durableByteCount)
    let chance = survival.chance()
    for number in dirty.sorted() {
      let (old, new) = (durablePages[number], pages[number])
      var page = old ?? Self.emptyPage
      var isKept = false
      for sector in stride(from: 0, to: Self.pageByteCount, by: Self.sectorByteCount)
      where survival.keeps(chance) {
        let range = sector..<(sector + Self.sectorByteCount)
        page.replaceSubrange(range, with: (new ?? Self.emptyPage)[range])
        isKept = true
      }
      left.pages[number] = isKept || old != nil ? page : nil
    }
    if isSizeDirty {
      left.byteCount = survival.size(from: durableByteCount, to: byteCount, chance)
    }
    let pageByteCount = UInt64(Self.pageByteCount)
    for number in left.pages.keys where number * pageByteCount >= left.byteCount {
      left.pages[number] = nil
    }
    (left.durablePages, left.durableByteCount) = (left.pages, left.byteCount)
    return left
  }

  private static let emptyPage = [UInt8](repeating: 0, count: pageByteCount)

  /// Calls `body` with each page that the range touches: its number, the part of it, and the part
  /// of the range.
  private func forEachPage(
    _ offset: UInt64, _ count: Int, _ body: (UInt64, Range<Int>, Range<Int>) -> Void
  ) {
    Self.forEachPage(offset, count, body)
  }

  private static func forEachPage(
    _ offset: UInt64, _ count: Int, _ body: (UInt64, Range<Int>, Range<Int>) -> Void
  ) {
    var done = 0
    while done < count {
      let position = offset + UInt64(done)
      let start = Int(position % UInt64(pageByteCount))
      let length = min(pageByteCount - start, count - done)
      body(position / UInt64(pageByteCount), start..<(start + length), done..<(done + length))
      done += length
    }
  }
}

/// The luck of a cut, piece by piece.
struct CutChoice {
  private let survival: SimulatedFileSystem.Survival
  private var generator: SeededGenerator

  init(_ survival: SimulatedFileSystem.Survival) {
    self.survival = survival
    if case .some(let seed) = survival {
      generator = SeededGenerator(seed: seed)
    } else {
      generator = SeededGenerator(seed: 0)
    }
  }

  /// How likely it is, in quarters, that pieces which belong together are kept.
  mutating func chance() -> Int {
    switch survival {
    case .nothing: 0
    case .everything: 4
    case .some: Int.random(in: 0...4, using: &generator)
    }
  }

  mutating func keeps(_ chance: Int) -> Bool {
    switch chance {
    case 0: false
    case 4: true
    default: Int.random(in: 0..<4, using: &generator) < chance
    }
  }

  mutating func size(from old: UInt64, to new: UInt64, _ chance: Int) -> UInt64 {
    guard keeps(chance) else { return old }
    guard chance < 4, new > old, keeps(2) else { return new }
    let sector = UInt64(SimulatedContent.sectorByteCount)
    return max(old, UInt64.random(in: old...new, using: &generator) / sector * sector)
  }
}
