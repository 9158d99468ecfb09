internal import SystemPackage

/// An open file: owns its descriptor, which is closed when the last reference goes.
///
/// All reads and writes name their offset, so that any number of threads may use one file.
package final class OpenFile: Sendable {
  package let path: String
  let descriptor: Int32
  private let calls: any SystemCalls
  private let direct: DirectPath?

  /// With `aroundCache`, large aligned reads and writes go around the page cache where the file
  /// system can do that (see `DirectPath`): for what is much, and is not needed again soon.
  package init(
    _ path: String, in directory: Directory? = nil, _ access: FileAccess,
    aroundCache: Bool = false, calls: any SystemCalls
  ) throws(IOError) {
    self.path = directory.map { "\($0.path)/\(path)" } ?? path
    self.calls = calls
    let base = directory?.descriptor ?? calls.workingDirectory
    descriptor = try system(access == .create ? "create" : "open", self.path) {
      () throws(Errno) in try calls.open(path, in: base, access)
    }
    direct =
      aroundCache
      ? DirectPath(descriptor, access == .create ? .write : .read, calls: calls) : nil
    if access == .create {
      do {
        try system("set the permissions of", self.path) { () throws(Errno) in
          try calls.setModeOfNew(descriptor, 0o600)
        }
      } catch let failure {
        do throws(Errno) {
          try calls.removeFile(path, in: base)
        } catch {
          // It stays; why it was no use is what counts.
        }
        throw failure
      }
    }
  }

  deinit {
    closing(descriptor, calls)
  }

  /// Reads nothing any more that the page cache had until now. For a block device: Linux keeps one
  /// cache for a disk and one for each partition or mapping of it, and of what was written through
  /// another, here or on another host that has the disk too, this one knows nothing for as long as
  /// anybody has it open.
  package func distrustCache() throws(IOError) {
    direct?.distrustCache()
    try system("drop what is cached of", path) { () throws(Errno) in
      try calls.dropCache(descriptor)
    }
  }

  package func status() throws(IOError) -> FileStatus {
    try system("look at", path) { () throws(Errno) in try calls.status(descriptor) }
  }

  package func fileSystem() throws(IOError) -> FileSystemStatus {
    try system("look at the file system of", path) { () throws(Errno) in
      try calls.fileSystem(descriptor)
    }
  }

  /// Reads until `target` is full or the file ends; returns how many bytes that were.
  package func read(into target: inout MutableRawSpan, at offset: UInt64) throws(IOError) -> Int {
    var done = 0
    while done < target.byteCount {
      let position = offset + UInt64(done)
      let count: Int
      do throws(Errno) {
        count = try target.withBytes(done..<target.byteCount) { (rest) throws(Errno) in
          if let count = try direct?.read(into: &rest, at: position) { return count }
          return try calls.read(descriptor, into: &rest, at: position)
        }
      } catch {
        if error == .interrupted { continue }
        throw IOError("read", path, error, offset: position)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all bytes.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws(IOError) {
    var done = 0
    while done < bytes.byteCount {
      let position = offset + UInt64(done)
      let rest = bytes.extracting(done..<bytes.byteCount)
      do throws(Errno) {
        var count = try direct?.write(rest, at: position)
        if count == nil { count = try calls.write(descriptor, rest, at: position) }
        guard let count, count > 0 else { throw Errno.ioError }
        done += count
      } catch {
        if error == .interrupted { continue }
        throw IOError("write", path, error, offset: position)
      }
    }
  }

  /// fsync. Never retried: after a failure the kernel may have dropped what it could not write.
  package func synchronize() throws(IOError) {
    try system("synchronize", path, retry: false) { () throws(Errno) in
      try calls.synchronize(descriptor)
    }
  }

  /// A hint that the range will be synchronized soon. Not every file system takes it.
  package func startWriteback(_ range: Range<UInt64>) throws(IOError) {
    do throws(Errno) {
      try calls.startWriteback(descriptor, range)
    } catch {
      let harmless: Set<Errno> = [
        .interrupted, .invalidArgument, .noFunction, .notSupported, .illegalSeek,
      ]
      guard harmless.contains(error) else { throw IOError("write", path, error) }
    }
  }

  package func setSize(_ byteCount: UInt64) throws(IOError) {
    try system("set the size of", path) { () throws(Errno) in
      try calls.setSize(descriptor, byteCount)
    }
  }

  package func setMode(_ mode: UInt32) throws(IOError) {
    try system("set the permissions of", path) { () throws(Errno) in
      try calls.setMode(descriptor, mode)
    }
  }

  /// `ENXIO` is an answer and not an error: nil, there is no data from there on.
  package func nextData(from offset: UInt64) throws(IOError) -> UInt64? {
    do {
      return try seek(.data(from: offset))
    } catch  where error.errno == .noSuchAddressOrDevice {
      return nil
    }
  }

  package func nextHole(from offset: UInt64) throws(IOError) -> UInt64 {
    try seek(.hole(from: offset))
  }

  /// The size by seeking, which works for block devices too.
  package func end() throws(IOError) -> UInt64 {
    try seek(.end)
  }

  private func seek(_ target: SeekTarget) throws(IOError) -> UInt64 {
    try system("seek in", path) { () throws(Errno) in try calls.seek(descriptor, target) }
  }

  /// Whether another open file has a record lock on the byte.
  package func isLocked(byte: UInt64) throws(IOError) -> Bool {
    try system("ask for locks of", path) { () throws(Errno) in
      try calls.isLocked(descriptor, byte: byte)
    }
  }

  /// Whether anybody has the file open for writing; not every user may know.
  package func isOpenForWriting() throws(IOError) -> Bool {
    try system("ask for writers of", path) { () throws(Errno) in
      try calls.isOpenForWriting(descriptor)
    }
  }

  /// False if another open file holds the lock.
  package func tryLock() throws(IOError) -> Bool { try lock(isShared: false) }

  /// Whether another open file holds the lock. Asked for by a shared one, so that two who ask don't
  /// take each other for the holder.
  package func isLocked() throws(IOError) -> Bool { try !lock(isShared: true) }

  private func lock(isShared: Bool) throws(IOError) -> Bool {
    try system("lock", path) { () throws(Errno) in
      try calls.tryLock(descriptor, isShared: isShared)
    }
  }
}
