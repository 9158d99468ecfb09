internal import Foundation

/// Makes a socket, which can't be opened at all. False if that failed.
package func makeSocket(_ path: String) -> Bool {
  unsafe mknod(path, S_IFSOCK | 0o600, 0) == 0
}

/// Makes a FIFO, on which whoever opens it to read without care hangs. False if that failed.
package func makeFIFO(_ path: String) -> Bool {
  unsafe mkfifo(path, 0o600) == 0
}
