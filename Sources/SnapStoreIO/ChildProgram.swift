internal import CLinux
internal import Dispatch
internal import Glibc
internal import SystemPackage

/// Another program, run by us and waited for, without a shell. It reads what it is given from its
/// standard input; what it prints on standard output goes nowhere, and its standard error is ours.
///
/// It leads a process group of its own, so that a terminal's signals do not reach it, and all that
/// it has started can be ended with it. It has no descriptor of ours but these, and no signal is
/// ignored in it that is in us; our umask it has.
package struct ChildProgram: Sendable {
  package enum Outcome: Equatable, Sendable {
    case exited(Int32)
    case killed(signal: Int32)
    /// It was ended, with its group, after the limit.
    case tookTooLong
    /// It has ended, and the kernel told nobody how (SIGCHLD is ignored in this process).
    case unknown
  }

  /// An absolute path: nobody looks for it.
  package var path: String
  package var arguments: [String]
  /// All of its environment.
  package var environment: [String: String]
  /// How long it may run; then it is asked to end (SIGTERM).
  package var limitSeconds: Double
  /// How long it may take to end then, before it is killed.
  package var graceSeconds: Double

  package init(
    path: String, arguments: [String], environment: [String: String], limitSeconds: Double,
    graceSeconds: Double = 5
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.limitSeconds = limitSeconds
    self.graceSeconds = graceSeconds
  }

  /// Runs it to its end. Throws where it can't be started.
  package func run(input: [UInt8]) throws(IOError) -> Outcome {
    // Who waits for its end; without, nobody would ever know of it.
    try Threads.require(1)
    let process = try start(input)
    let ended = DispatchSemaphore(value: 0)
    DispatchQueue(label: "snapstore.child").async {
      Self.waitForEnd(of: process)
      ended.signal()
    }
    guard ended.wait(timeout: .now() + limitSeconds) == .timedOut else {
      return Self.outcome(of: process)
    }
    kill(-process, SIGTERM)
    let hasEnded = ended.wait(timeout: .now() + graceSeconds) == .success
    // Whatever of its group is left, also where it has ended itself.
    kill(-process, SIGKILL)
    if !hasEnded { ended.wait() }
    _ = Self.outcome(of: process)
    return .tookTooLong
  }

  private func start(_ input: [UInt8]) throws(IOError) -> pid_t {
    let file = try Self.file(with: input)
    defer { Glibc.close(file) }
    var process: pid_t = 0
    let words = [path] + arguments
    let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let error = unsafe withCStrings(words) { words in
      unsafe withCStrings(variables) { variables in
        unsafe linux_start_program(&process, path, words, variables, file)
      }
    }
    guard error == 0 else { throw IOError("run", path, Errno(rawValue: error)) }
    return process
  }

  /// In memory, and not a pipe: nobody has to feed a program that reads slowly or not at all.
  private static func file(with bytes: [UInt8]) throws(IOError) -> Int32 {
    let file = unsafe linux_file_in_memory("snapstore")
    guard file >= 0 else { throw IOError("create", "a file in memory", Errno(rawValue: errno)) }
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe pwrite(file, $0.baseAddress.map { unsafe $0 + done }, $0.count - done, off_t(done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let error = Errno(rawValue: errno)
        Glibc.close(file)
        throw IOError("write to", "a file in memory", error)
      }
      done += count
    }
    return file
  }

  /// Leaves it to be reaped: until then its number is nobody else's, so no signal can go astray.
  private static func waitForEnd(of process: pid_t) {
    var information = unsafe siginfo_t()
    while unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) != 0 {
      guard errno == EINTR else { return }
    }
  }

  private static func outcome(of process: pid_t) -> Outcome {
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { return .unknown }
    }
    let signal = status & 0x7F
    return signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
  }
}

/// Calls `body` with C's form of a list of words, which end with a null.
private func withCStrings<Result>(
  _ words: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var copies = unsafe words.map { unsafe strdup($0) }
  defer { unsafe copies.forEach { unsafe free($0) } }
  unsafe copies.append(nil)
  return unsafe copies.withUnsafeBufferPointer { list in
    guard let start = list.baseAddress else { preconditionFailure("it has an end") }
    return unsafe body(start)
  }
}
