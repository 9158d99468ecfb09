internal import SnapStoreFormat

/// An extent of a source disk that holds data, and which parts of it do.
package struct ExtentPlan: Equatable, Sendable {
  /// Which extent of the disk: its range begins at `number` times 4 MiB.
  package var number: UInt64
  /// Bytes on the disk: 4 MiB, or less at the disk's end.
  package var range: Range<UInt64>
  /// What is to be read, ascending and inside of `range`; the rest is holes.
  package var data: [Range<UInt64>]
}

/// The extents of a disk that hold data, in ascending order, found by asking for holes. What is all
/// hole is passed over without a step, so that a sparse disk of terabytes costs nothing.
package struct DiskExtents: Sendable {
  private let disk: SourceDisk
  private var position: UInt64 = 0
  private var pending: Range<UInt64>?

  package init(_ disk: SourceDisk) {
    self.disk = disk
  }

  /// The next extent with data; nil at the end.
  package mutating func next() throws -> ExtentPlan? {
    guard let first = try takeData() else { return nil }
    let number = first.lowerBound / UInt64(FormatLimit.extent)
    let range = DiskMap.range(ofExtent: number, disk: disk.byteCount)
    var plan = ExtentPlan(number: number, range: range, data: [])
    var data: Range<UInt64>? = first
    while let piece = data, piece.lowerBound < range.upperBound {
      plan.data.append(piece.clamped(to: range))
      if piece.upperBound > range.upperBound {
        pending = range.upperBound..<piece.upperBound
        return plan
      }
      data = try takeData()
    }
    pending = data
    return plan
  }

  private mutating func takeData() throws -> Range<UInt64>? {
    if let piece = pending {
      pending = nil
      return piece
    }
    guard let piece = try disk.nextData(from: position) else {
      position = disk.byteCount
      return nil
    }
    position = piece.upperBound
    return piece
  }
}
