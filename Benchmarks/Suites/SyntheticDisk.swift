internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO

/// A disk that lies nowhere: every block of 4 KiB is made when it is read, no two of them are
/// alike, and each compresses to some tens of bytes. So a vault of very many chunks needs little
/// space.
package struct SyntheticDisk: Sendable {
  package var byteCount: UInt64
  /// Disks of different numbers have no block in common.
  package var number: UInt64
  /// Day 0 is the first. On each later day `churnPercent` of the runs have other content than on
  /// the day before.
  package var day: UInt64
  package var churnPercent: UInt64
  /// Where one block changes, all of its run do.
  package var churnRunByteCount: UInt64

  package init(
    byteCount: UInt64, number: UInt64, day: UInt64 = 0, churnPercent: UInt64 = 1,
    churnRunByteCount: UInt64 = 4 << 20
  ) {
    self.byteCount = byteCount
    self.number = number
    self.day = day
    self.churnPercent = churnPercent
    self.churnRunByteCount = churnRunByteCount
  }

  /// How often the block at `offset` has changed until this day.
  func version(at offset: UInt64) -> UInt64 {
    guard day > 0 else { return 0 }
    return (1...day).reduce(0) { version, day in
      var state = number << 48 ^ day << 32 ^ offset / churnRunByteCount
      return SyntheticContent.next(&state) % 100 < churnPercent ? version + 1 : version
    }
  }

  /// Fills `target` from the block at `offset` on; both are multiples of 4 KiB, but for the end.
  package func fill(_ target: inout MutableRawSpan, at offset: UInt64) {
    target.zero(0..<target.byteCount)
    for start in stride(from: 0, to: target.byteCount, by: FormatLimit.block) {
      guard target.byteCount - start >= 24 else { return }
      let position = offset + UInt64(start)
      // The number is never 0, so no block is all zeros.
      target.storeBytes(of: number + 1, toByteOffset: start, as: UInt64.self)
      target.storeBytes(of: position, toByteOffset: start + 8, as: UInt64.self)
      target.storeBytes(of: version(at: position), toByteOffset: start + 16, as: UInt64.self)
    }
  }

  /// Under this path the disk is found, whatever directory it is asked from.
  var path: String { "/synthetic-disk-\(number)" }
}
