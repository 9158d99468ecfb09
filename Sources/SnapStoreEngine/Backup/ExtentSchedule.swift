internal import SnapStoreDisks
internal import SnapStoreFormat

/// The order in which extents are read: one of each disk in turn, so that disks on different
/// devices are read at once and no disk waits for another.
struct ExtentSchedule: Sendable {
  /// An extent to be read: of which disk, and the how-manieth of that disk's.
  struct Item: Sendable {
    var disk: Int
    var ordinal: Int
    var plan: ExtentPlan
  }

  private struct Cursor {
    var disk: Int
    var ordinal = 0
    var extents: DiskExtents
  }

  private var cursors: [Cursor]
  private var turn = 0

  init(_ disks: [SourceDisk]) {
    cursors = disks.enumerated().map { Cursor(disk: $0, extents: DiskExtents($1)) }
  }

  /// The next extent of the next disk that has one; nil when all are done.
  mutating func next() throws -> Item? {
    while !cursors.isEmpty {
      turn %= cursors.count
      guard let plan = try cursors[turn].extents.next() else {
        cursors.remove(at: turn)
        continue
      }
      let item = Item(disk: cursors[turn].disk, ordinal: cursors[turn].ordinal, plan: plan)
      cursors[turn].ordinal += 1
      turn += 1
      return item
    }
    return nil
  }
}
