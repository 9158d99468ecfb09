internal import Glibc
internal import SystemPackage

/// Standard output: for results. What can't be written there is an error, so that a script which
/// reads a result never takes half of one for all of it.
package enum StandardOutput {
  package static func write(_ text: String) throws(IOError) {
    try writeAll(text, to: 1, "standard output")
  }
}

/// Standard error: for people. What can't be written there is lost, and nothing depends on it.
package enum StandardError {
  package static func write(_ text: String) {
    do throws(IOError) {
      try writeAll(text, to: 2, "standard error")
    } catch {
      // Nobody is there to be told.
    }
  }
}

private func writeAll(_ text: String, to file: Int32, _ name: String) throws(IOError) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
    if count < 0 {
      guard errno == EINTR else { throw IOError("write to", name, Errno(rawValue: errno)) }
      continue
    }
    bytes = bytes.dropFirst(count)
  }
}
