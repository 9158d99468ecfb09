internal import Foundation

/// Makes a FIFO, on which whoever opens it to read without care hangs. False if that failed.
package func makeFIFO(_ path: String) -> Bool {
  unsafe mkfifo(path, 0o600) == 0
}
