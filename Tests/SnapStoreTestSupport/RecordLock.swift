internal import Glibc

/// A lock on one byte of a file, as QEMU's programs hold on images that they use: an open file
/// description lock, which other open files meet, in this process too. Gone with the last use.
package final class RecordLock {
  package struct Failed: Error {}

  private let file: Int32

  /// `byte` 101 is what QEMU holds while it may write.
  package init(_ path: String, byte: Int64 = 101) throws {
    file = unsafe open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw Failed() }
    var lock = flock()
    lock.l_type = Int16(F_RDLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(byte)
    lock.l_len = 1
    let setOpenFileLock: Int32 = 37  // F_OFD_SETLK
    guard unsafe fcntl(file, setOpenFileLock, &lock) == 0 else { throw Failed() }
  }

  deinit { _ = close(file) }
}
