internal import CLinux
internal import Glibc
package import SystemPackage

/// The real system calls.
package struct LinuxSystemCalls: SystemCalls {
  private let hasCacheStatistics: Bool

  /// `hasCacheStatistics` false: as on Linux before 6.5, which has no cachestat.
  package init(hasCacheStatistics: Bool = true) {
    self.hasCacheStatistics = hasCacheStatistics
  }

  package func open(
    _ path: String, in directory: Int32, _ access: FileAccess
  ) throws(Errno) -> Int32 {
    let always = O_CLOEXEC | O_NOCTTY | O_NONBLOCK
    let flags: Int32 =
      switch access {
      case .read(let followLinks): O_RDONLY | (followLinks ? 0 : O_NOFOLLOW)
      case .claim: O_RDONLY | O_EXCL
      case .create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
      case .directory(let followLinks): O_RDONLY | O_DIRECTORY | (followLinks ? 0 : O_NOFOLLOW)
      }
    do throws(Errno) {
      return try check(unsafe openat(directory, path, flags | always, 0o600))
    } catch {
      // Another has a lease on the file (Samba, an NFS server), and was asked to give it back. The
      // kernel waits for that, some 45 s at most (/proc/sys/fs/lease-break-time), if it may.
      guard error == .wouldBlock, case .read(let followLinks) = access,
        isRegularFile(path, directory, followLinks: followLinks)
      else { throw error }
      return try check(unsafe openat(directory, path, flags | always & ~O_NONBLOCK))
    }
  }

  private func isRegularFile(_ path: String, _ directory: Int32, followLinks: Bool) -> Bool {
    var status = stat()
    let flags = followLinks ? 0 : AT_SYMLINK_NOFOLLOW
    return unsafe fstatat(directory, path, &status, flags) == 0
      && FileStatus(status).kind == .regular
  }

  package func close(_ file: Int32) throws(Errno) {
    // A process that another thread starts right now has every descriptor until it becomes its
    // program, and with them the lock.
    _ = flock(file, LOCK_UN)
    try check(Glibc.close(file))
  }

  package func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32 {
    try check(linux_open_direct(file, direction == .write ? O_WRONLY : O_RDONLY))
  }

  package func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int {
    let count = unsafe target.withUnsafeMutableBytes {
      unsafe pread(file, $0.baseAddress, $0.count, off_t(offset))
    }
    return try check(count)
  }

  package func cachedByteCount(
    _ file: Int32, _ range: Range<UInt64>
  ) throws(Errno) -> Int {
    let (start, count) = (Int64(range.lowerBound), UInt64(range.count))
    var pages = hasCacheStatistics ? linux_cached_pages(file, start, count) : -1
    // On a file system in layers (overlayfs), cachestat finds nothing. mincore says that all is
    // cached where this user may not know. preadv2 with RWF_NOWAIT would tell too, but starts
    // reading ahead what it does not find.
    if pages <= 0 { pages = linux_mapped_pages(file, start, count) }
    return try check(pages) * sysconf(Int32(_SC_PAGESIZE))
  }

  package func dropCache(_ file: Int32) throws(Errno) {
    let error = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
    if error != 0 { throw Errno(rawValue: error) }
  }

  package func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe pwrite(file, $0.baseAddress, $0.count, off_t(offset))
    }
    return try check(count)
  }

  package func synchronize(_ file: Int32) throws(Errno) {
    try check(fsync(file))
  }

  package func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno) {
    try check(
      linux_start_writeback(file, Int64(range.lowerBound), Int64(range.count)))
  }

  package func setSize(_ file: Int32, _ byteCount: UInt64) throws(Errno) {
    try check(ftruncate(file, off_t(byteCount)))
  }

  package func setMode(_ file: Int32, _ mode: UInt32) throws(Errno) {
    try check(fchmod(file, mode_t(mode)))
  }

  package func status(_ file: Int32) throws(Errno) -> FileStatus {
    var status = stat()
    try check(unsafe fstat(file, &status))
    return FileStatus(status)
  }

  package func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus {
    var status = stat()
    try check(unsafe fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW))
    return FileStatus(status)
  }

  package func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus {
    var status = linux_file_system()
    try check(unsafe linux_file_system_status(file, &status))
    return FileSystemStatus(type: status.type, availableByteCount: status.available_bytes)
  }

  package func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64 {
    let position =
      switch target {
      case .data(let offset): linux_seek(file, Int64(offset), Int32(linux_seek_data))
      case .hole(let offset): linux_seek(file, Int64(offset), Int32(linux_seek_hole))
      case .end: linux_seek(file, 0, SEEK_END)
      }
    // The end of the last page that a file can have is 2^63, which is negative there and no error.
    guard position != -1 else { throw Errno(rawValue: errno) }
    return UInt64(bitPattern: position)
  }

  package func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool {
    do throws(Errno) {
      try check(flock(file, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB))
      return true
    } catch .wouldBlock {
      return false
    }
  }

  package func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool {
    try check(linux_is_locked(file, Int64(byte))) == 1
  }

  package func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool {
    try check(linux_is_open_for_writing(file)) == 1
  }

  package func makeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try check(unsafe mkdirat(directory, path, 0o700))
  }

  package func removeFile(_ path: String, in directory: Int32) throws(Errno) {
    try check(unsafe unlinkat(directory, path, 0))
  }

  package func removeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try check(unsafe unlinkat(directory, path, AT_REMOVEDIR))
  }

  package func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try check(unsafe linux_rename_noreplace(directory, path, newDirectory, newPath))
  }

  package func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try check(unsafe renameat(directory, path, newDirectory, newPath))
  }

  package func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try check(unsafe linkat(directory, path, newDirectory, newPath, 0))
  }

  package func names(in directory: Int32) throws(Errno) -> [String] {
    // The stream gets a descriptor of its own, since it closes what it was given and moves the
    // position that duplicates share.
    let own = try check(unsafe openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    guard let stream = unsafe fdopendir(own) else {
      let error = Errno(rawValue: errno)
      _ = Glibc.close(own)
      throw error
    }
    defer { unsafe _ = closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        guard errno == 0 else { throw Errno(rawValue: errno) }
        return names
      }
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  package func canonicalPath(_ path: String) throws(Errno) -> String {
    guard let resolved = unsafe realpath(path, nil) else { throw Errno(rawValue: errno) }
    defer { unsafe free(resolved) }
    guard let text = unsafe String(validatingCString: resolved) else {
      throw .illegalByteSequence
    }
    return text
  }

  @discardableResult
  private func check<Value: FixedWidthInteger>(_ value: Value) throws(Errno) -> Value {
    guard value >= 0 else { throw Errno(rawValue: errno) }
    return value
  }
}

extension FileTime {
  fileprivate init(_ time: timespec) {
    self.init(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }
}

extension FileStatus {
  fileprivate init(_ status: stat) {
    let kind: Kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFBLK: .blockDevice
      case S_IFCHR: .characterDevice
      case S_IFIFO: .fifo
      case S_IFSOCK: .socket
      case S_IFLNK: .symbolicLink
      default: .other
      }
    self.init(
      kind: kind, device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
      representedDevice: UInt64(status.st_rdev), byteCount: UInt64(max(0, status.st_size)),
      // A file system of a user's own may say anything.
      allocatedByteCount: min(UInt64(max(0, status.st_blocks)), UInt64(Int64.max) / 512) * 512,
      linkCount: UInt64(status.st_nlink), owner: status.st_uid, mode: status.st_mode & 0o777,
      modified: FileTime(status.st_mtim), changed: FileTime(status.st_ctim))
  }
}
