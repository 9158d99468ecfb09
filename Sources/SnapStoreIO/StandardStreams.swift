internal import Glibc
internal import SystemPackage

/// Standard output: for results. What can't be written there is an error, so that a script which
/// reads a result never takes half of one for all of it.
package enum StandardOutput {
  /// Whether a pipe without a reader ends the process, as it does unless who started it said no.
  private static let endsByPipe = Lock(false)

  /// From now on a reader that goes away ends no work in its middle, only `write`.
  package static func outliveReader() {
    guard !isIgnored(SIGPIPE) else { return }
    Glibc.signal(SIGPIPE, SIG_IGN)
    endsByPipe.withLock { $0 = true }
  }

  /// Writes a result. Where its reader has gone, the process ends in silence by SIGPIPE, as the
  /// programs of a pipeline do.
  package static func write(_ text: String) throws(IOError) {
    do throws(IOError) {
      try writeAll(text, to: 1, "standard output")
    } catch {
      if error.errno == .brokenPipe && endsByPipe.withLock({ $0 }) {
        Glibc.signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
      }
      throw error
    }
  }

  /// Writes what may be lost, such as how far a run is.
  package static func offer(_ text: String) {
    do throws(IOError) {
      try writeAll(text, to: 1, "standard output")
    } catch {
      // The result will meet the same fault, and end the run with it.
    }
  }
}

/// Standard error: for people. What can't be written there is lost, and nothing depends on it.
///
/// On a terminal its last line may be a status line, which is replaced again and again: whatever
/// else is written, from any thread, takes its place and pushes it down.
package enum StandardError {
  /// The lock is held while something is written: what several threads write must not mix.
  private static let status = Lock(StatusLine())

  package static func write(_ text: String) {
    status.withLock { attempt($0.text(above: text)) }
  }

  /// Shows `line` as the status line, in place of the one before; an empty one takes it away. Only
  /// for terminals that can clear a line (ECMA-48), and no wider than one.
  package static func showStatus(_ line: String) {
    status.withLock { status in
      if let text = status.change(to: line) { attempt(text) }
    }
  }

  /// The terminal's width now; nil where standard error is no terminal.
  package static var terminalColumns: Int? {
    guard isatty(2) == 1 else { return nil }
    var size = winsize()
    // A terminal that does not know its size says that it has no columns.
    guard unsafe ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  private static func attempt(_ text: String) {
    do throws(IOError) {
      try writeAll(text, to: 2, "standard error")
    } catch {
      // Nobody is there to be told.
    }
  }
}

/// The last line of a terminal, and what to write so that it stays the last. A plain value.
package struct StatusLine {
  private static let clear = "\r\u{1B}[K"
  /// What stands there; empty where nothing does.
  private var line = ""

  package init() {}

  /// What to write so that `line` stands there; nil where it does.
  package mutating func change(to line: String) -> String? {
    guard line != self.line else { return nil }
    self.line = line
    return Self.clear + line
  }

  /// What to write so that `text`, whole lines, stands above it.
  package func text(above text: String) -> String {
    line.isEmpty ? text : Self.clear + text + line
  }
}

private func writeAll(_ text: String, to file: Int32, _ name: String) throws(IOError) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
    if count < 0 {
      guard errno == EINTR || (errno == EAGAIN && waitForRoom(file)) else {
        throw IOError("write to", name, Errno(rawValue: errno))
      }
      continue
    }
    bytes = bytes.dropFirst(count)
  }
}

/// Waits until something can be written: whoever shares the open file may have made it one that
/// makes nobody wait. False, and `errno` as `poll` left it, where there is no waiting.
private func waitForRoom(_ file: Int32) -> Bool {
  var state = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
  return unsafe poll(&state, 1, -1) >= 0 || errno == EINTR
}
