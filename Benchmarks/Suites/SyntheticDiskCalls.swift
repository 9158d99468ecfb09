internal import SnapStoreFormat
package import SnapStoreIO
package import SystemPackage

/// The real system calls, but that some paths are synthetic disks.
package final class SyntheticDiskCalls: SystemCalls {
  private let base = LinuxSystemCalls()
  private let disks: [String: SyntheticDisk]
  /// The descriptors by which disks are open.
  private let open = Lock<[Int32: SyntheticDisk]>([:])

  package init(_ disks: [SyntheticDisk]) {
    self.disks = Dictionary(uniqueKeysWithValues: disks.map { ($0.path, $0) })
  }

  private func disk(_ file: Int32) -> SyntheticDisk? { open.withLock { $0[file] } }

  package func open(
    _ path: String, in directory: Int32, _ access: FileAccess
  ) throws(Errno) -> Int32 {
    guard let disk = disks[path] else {
      return try base.open(path, in: directory, access)
    }
    let file = try base.open("/dev/null", in: directory, access)
    open.withLock { $0[file] = disk }
    return file
  }

  package func close(_ file: Int32) throws(Errno) {
    open.withLock { $0[file] = nil }
    try base.close(file)
  }

  package func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32 {
    guard disk(file) == nil else { throw .invalidArgument }
    return try base.openDirect(file, direction)
  }

  package func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int {
    guard let disk = disk(file) else { return try base.read(file, into: &target, at: offset) }
    let count = Int(min(UInt64(target.byteCount), disk.byteCount - min(offset, disk.byteCount)))
    target.withBytes(0..<count) { disk.fill(&$0, at: offset) }
    return count
  }

  package func cachedByteCount(
    _ file: Int32, _ range: Range<UInt64>
  ) throws(Errno) -> Int {
    disk(file) == nil ? try base.cachedByteCount(file, range) : range.count
  }

  package func dropCache(_ file: Int32) throws(Errno) {
    if disk(file) == nil { try base.dropCache(file) }
  }

  package func status(_ file: Int32) throws(Errno) -> FileStatus {
    guard let disk = disk(file) else { return try base.status(file) }
    return FileStatus(
      kind: .regular, device: .max, inode: disk.number, byteCount: disk.byteCount)
  }

  package func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64 {
    guard let disk = disk(file) else { return try base.seek(file, target) }
    switch target {
    case .data(let offset) where offset < disk.byteCount: return offset
    case .data: throw .noSuchAddressOrDevice
    case .hole, .end: return disk.byteCount
    }
  }

  package func canonicalPath(_ path: String) throws(Errno) -> String {
    disks[path] == nil ? try base.canonicalPath(path) : path
  }

  // MARK: As they are

  package func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int {
    try base.write(file, bytes, at: offset)
  }
  package func synchronize(_ file: Int32) throws(Errno) { try base.synchronize(file) }
  package func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno) {
    try base.startWriteback(file, range)
  }
  package func setSize(_ file: Int32, _ byteCount: UInt64) throws(Errno) {
    try base.setSize(file, byteCount)
  }
  package func setMode(_ file: Int32, _ mode: UInt32) throws(Errno) {
    try base.setMode(file, mode)
  }
  package func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus {
    try base.status(of: path, in: directory)
  }
  package func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus {
    try base.fileSystem(file)
  }
  package func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool {
    try base.tryLock(file, isShared: isShared)
  }
  package func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool {
    try base.isLocked(file, byte: byte)
  }
  package func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool {
    guard disk(file) == nil else { return false }
    return try base.isOpenForWriting(file)
  }
  package func makeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try base.makeDirectory(path, in: directory)
  }
  package func removeFile(_ path: String, in directory: Int32) throws(Errno) {
    try base.removeFile(path, in: directory)
  }
  package func removeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try base.removeDirectory(path, in: directory)
  }
  package func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.renameWithoutReplacing(path, in: directory, to: newPath, in: newDirectory)
  }
  package func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.renameReplacing(path, in: directory, to: newPath, in: newDirectory)
  }
  package func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.link(path, in: directory, to: newPath, in: newDirectory)
  }
  package func names(in directory: Int32) throws(Errno) -> [String] {
    try base.names(in: directory)
  }
}
