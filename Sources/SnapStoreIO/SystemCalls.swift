package import SystemPackage

/// Every system call that snapstore makes, in one protocol: the seam at which tests put a
/// simulated file system, or a fault at the n-th call.
///
/// Descriptors are plain numbers here; `OpenFile` and `Directory` own them, retry `EINTR` and add
/// the operation and path to an error.
package protocol SystemCalls: Sendable {
  /// `path` is taken relative to `directory` (`workingDirectory` for the current one).
  func open(
    _ path: String, in directory: Int32, _ access: FileAccess
  ) throws(Errno) -> Int32
  func close(_ file: Int32) throws(Errno)
  /// Another descriptor of the same file, whose reads or writes go around the page cache. They want
  /// offsets, lengths and memory in whole blocks, else `EINVAL`; so do file systems that can't.
  func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32

  /// Reads at most `target.byteCount` bytes; 0 at the end of the file.
  func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int
  /// How many bytes of the range the page cache has, in whole pages; where this user may not know,
  /// all. Brings nothing into it.
  func cachedByteCount(_ file: Int32, _ range: Range<UInt64>) throws(Errno) -> Int
  /// Lets the page cache forget what it has of the file and nobody changed.
  func dropCache(_ file: Int32) throws(Errno)
  func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int
  func synchronize(_ file: Int32) throws(Errno)
  /// Starts writing what is dirty in the range, without waiting. Promises nothing.
  func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno)
  func setSize(_ file: Int32, _ byteCount: UInt64) throws(Errno)
  func setMode(_ file: Int32, _ mode: UInt32) throws(Errno)

  func status(_ file: Int32) throws(Errno) -> FileStatus
  /// Of what `path` names itself: a symbolic link is not followed.
  func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus
  func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus
  /// `lseek`: the next data, the next hole, or the end. `ENXIO`: no data from there on.
  func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64

  /// A lock of the open file, held until it is closed: exclusive, or beside other shared ones.
  /// False if another open file holds one that does not go with it.
  func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool
  /// Whether another open file has locked this byte (fcntl(2), record locks), as QEMU does to tell
  /// others how it uses an image.
  func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool
  /// Whether anybody has the file open for writing: asked for by a read lease (fcntl(2)), which is
  /// let go of at once. Refused to users who do not own the file, and for what is no regular file.
  func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool

  func makeDirectory(_ path: String, in directory: Int32) throws(Errno)
  func removeFile(_ path: String, in directory: Int32) throws(Errno)
  func removeDirectory(_ path: String, in directory: Int32) throws(Errno)
  /// Renames, and fails with `EEXIST` where the new name is taken by anything.
  func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno)
  /// Renames, and the new name's file, if there is one, is gone at that instant.
  func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno)
  func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno)
  /// The names in a directory, without `.` and `..`, in no order.
  func names(in directory: Int32) throws(Errno) -> [String]
  /// The absolute path without symbolic links; `EILSEQ` where that is not UTF-8.
  func canonicalPath(_ path: String) throws(Errno) -> String
}

extension SystemCalls {
  /// What `open` and its kin take for "relative to the current directory".
  package var workingDirectory: Int32 { -100 }

  /// Gives what was just made its mode, whatever the umask took away. Where its maker may not do
  /// that, the file system has no permissions of its own (vfat, exFAT): those of the mount hold.
  func setModeOfNew(_ file: Int32, _ mode: UInt32) throws(Errno) {
    do throws(Errno) {
      try setMode(file, mode)
    } catch {
      guard error == .notPermitted else { throw error }
    }
  }
}

/// How a file is opened. `O_CLOEXEC`, `O_NOCTTY` and, so that a FIFO can't hang us, `O_NONBLOCK`
/// always; a new file's mode is 0600.
package enum FileAccess: Equatable, Sendable {
  case read(followLinks: Bool)
  /// A block device, for reading: `EBUSY` where it is mounted, or another has claimed it.
  case claim
  /// Must not exist.
  case create
  case directory(followLinks: Bool)
}

package enum DirectAccess: Equatable, Sendable {
  case read, write
}

package enum SeekTarget: Equatable, Sendable {
  case data(from: UInt64)
  case hole(from: UInt64)
  case end
}

package struct FileStatus: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case regular, directory, blockDevice, characterDevice, fifo, socket, symbolicLink, other
  }

  package var kind: Kind
  package var device: UInt64
  package var inode: UInt64
  /// For a device file: which device it stands for.
  package var representedDevice: UInt64
  package var byteCount: UInt64
  package var allocatedByteCount: UInt64
  package var linkCount: UInt64
  /// The user that it belongs to.
  package var owner: UInt32
  /// The permission bits, and no others.
  package var mode: UInt32
  package var modified: FileTime
  /// When anything about the file changed last; a program can't set it back.
  package var changed: FileTime

  package init(
    kind: Kind, device: UInt64, inode: UInt64, representedDevice: UInt64 = 0, byteCount: UInt64,
    allocatedByteCount: UInt64 = 0, linkCount: UInt64 = 1, owner: UInt32 = 0, mode: UInt32 = 0o600,
    modified: FileTime = FileTime(), changed: FileTime = FileTime()
  ) {
    self.kind = kind
    self.device = device
    self.inode = inode
    self.representedDevice = representedDevice
    self.byteCount = byteCount
    self.allocatedByteCount = allocatedByteCount
    self.linkCount = linkCount
    self.owner = owner
    self.mode = mode
    self.modified = modified
    self.changed = changed
  }
}

package struct FileTime: Equatable, Sendable {
  package var seconds: Int64
  package var nanoseconds: Int64

  package init(seconds: Int64 = 0, nanoseconds: Int64 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

package struct FileSystemStatus: Equatable, Sendable {
  /// The magic number of statfs(2).
  package var type: UInt64
  /// What an unprivileged process can still write.
  package var availableByteCount: UInt64

  package init(type: UInt64, availableByteCount: UInt64) {
    self.type = type
    self.availableByteCount = availableByteCount
  }
}
