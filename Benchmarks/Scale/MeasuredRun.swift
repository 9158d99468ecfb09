import Glibc
import SnapStoreSuites

/// A program, run to its end: what the kernel says that it took. Whoever starts a program should be
/// small: the kernel counts the starter's memory as the program's until that begins.
struct MeasuredRun {
  /// The most memory that it had at once.
  let peakByteCount: Int
  /// Its exit code; 128 and the signal's number where a signal ended it.
  let exitCode: Int32

  /// Standard output goes to nowhere. `words`: the program's path, and its arguments.
  init(_ words: [String]) throws {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe _ = posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { unsafe arguments.forEach { unsafe free($0) } }
    var process: pid_t = 0
    let error = unsafe posix_spawn(&process, words[0], &actions, nil, &arguments, environ)
    guard error == 0 else { throw SuiteError("can't start \(words[0]): error \(error)") }
    // Not Foundation's Process, which does not tell what its child took.
    var usage = rusage()
    var status: Int32 = 0
    while unsafe wait4(process, &status, 0, &usage) < 0 {
      guard errno == EINTR else { throw SuiteError("can't wait for \(words[0]): error \(errno)") }
    }
    peakByteCount = usage.ru_maxrss * 1024
    exitCode = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }
}
