import SnapStoreIO
import SystemPackage

/// System calls under which one file can't be read from an offset on.
final class FaultyReads: SystemCalls {
  enum Fault: Sendable {
    /// An input/output error.
    case error
    /// The end of the file, though its size says otherwise.
    case end
  }

  let path = Lock<String?>(nil)
  private let fault: Fault
  private let offset: UInt64
  private let base = LinuxSystemCalls()
  private let file = Lock<Int32?>(nil)

  init(_ fault: Fault, from offset: UInt64) {
    self.fault = fault
    self.offset = offset
  }

  func open(_ path: String, in directory: Int32, _ access: FileAccess) throws(Errno) -> Int32 {
    let opened = try base.open(path, in: directory, access)
    if path == self.path.withLock({ $0 }) { file.withLock { $0 = opened } }
    return opened
  }

  func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int {
    if file == self.file.withLock({ $0 }), offset >= self.offset {
      if fault == .error { throw .ioError }
      return 0
    }
    return try base.read(file, into: &target, at: offset)
  }

  func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32 {
    throw .notSupported
  }
  func cachedByteCount(_ file: Int32, _ range: Range<UInt64>) throws(Errno) -> Int { 0 }
  func dropCache(_ file: Int32) throws(Errno) { try base.dropCache(file) }
  func close(_ file: Int32) throws(Errno) { try base.close(file) }
  func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int {
    try base.write(file, bytes, at: offset)
  }
  func synchronize(_ file: Int32) throws(Errno) { try base.synchronize(file) }
  func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno) {
    try base.startWriteback(file, range)
  }
  func setSize(_ file: Int32, _ count: UInt64) throws(Errno) { try base.setSize(file, count) }
  func setMode(_ file: Int32, _ mode: UInt32) throws(Errno) { try base.setMode(file, mode) }
  func status(_ file: Int32) throws(Errno) -> FileStatus { try base.status(file) }
  func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus {
    try base.status(of: path, in: directory)
  }
  func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus { try base.fileSystem(file) }
  func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64 {
    try base.seek(file, target)
  }
  func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool {
    try base.tryLock(file, isShared: isShared)
  }
  func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool {
    try base.isLocked(file, byte: byte)
  }
  func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool {
    try base.isOpenForWriting(file)
  }
  func makeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try base.makeDirectory(path, in: directory)
  }
  func removeFile(_ path: String, in directory: Int32) throws(Errno) {
    try base.removeFile(path, in: directory)
  }
  func removeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try base.removeDirectory(path, in: directory)
  }
  func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.renameWithoutReplacing(path, in: directory, to: newPath, in: newDirectory)
  }
  func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.renameReplacing(path, in: directory, to: newPath, in: newDirectory)
  }
  func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try base.link(path, in: directory, to: newPath, in: newDirectory)
  }
  func names(in directory: Int32) throws(Errno) -> [String] { try base.names(in: directory) }
  func canonicalPath(_ path: String) throws(Errno) -> String { try base.canonicalPath(path) }
}
