package import SnapStoreFormat
internal import SnapStoreIO

/// A restored disk being written: a sparse file that exists under a temporary name only, until its
/// `RestoreTarget` publishes it. Any number of threads may write different extents.
package final class NewDisk: Sendable {
  package let name: Name
  private let file: OpenFile
  private let written = Lock<UInt64>(0)

  init(name: Name, file: OpenFile) {
    self.name = name
    self.file = file
  }

  func setSize(_ byteCount: UInt64) throws {
    try file.setSize(byteCount)
  }

  package var writtenByteCount: UInt64 { written.withLock { $0 } }

  /// Writes what is not zero of `bytes`, which begin at `offset`, a multiple of 4 KiB: zero blocks
  /// of 4 KiB stay holes.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    var start = 0
    while start < bytes.byteCount {
      let end = Self.endOfBlocks(bytes, from: start, zero: true)
      let dataEnd = Self.endOfBlocks(bytes, from: end, zero: false)
      if dataEnd > end {
        try file.write(bytes.extracting(end..<dataEnd), at: offset + UInt64(end))
        written.withLock { $0 += UInt64(dataEnd - end) }
      }
      start = dataEnd
    }
  }

  /// A hint to begin with writing out what was written in the range.
  package func startWriteback(_ range: Range<UInt64>) throws {
    try file.startWriteback(range)
  }

  /// Where the blocks that are zero, or are not, end that begin at `start`.
  private static func endOfBlocks(_ bytes: RawSpan, from start: Int, zero: Bool) -> Int {
    var position = start
    while position < bytes.byteCount {
      let end = min(position + FormatLimit.block, bytes.byteCount)
      guard ChunkCutter.isZero(bytes.extracting(position..<end)) == zero else { break }
      position = end
    }
    return position
  }

  /// Whether it is this disk's file that has the name.
  func isFile(_ name: String, in directory: Directory) throws -> Bool {
    let found = try directory.status(of: name)
    let own = try file.status()
    return found?.inode == own.inode && found?.device == own.device
  }

  func synchronize() throws {
    try file.synchronize()
  }
}
