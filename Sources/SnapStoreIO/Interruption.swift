internal import Dispatch
internal import Glibc

/// The run was told to end.
package struct Interrupted: Error {
  package init() {}
}

/// Whether somebody wants a run to end. Parallel work that knows of it fails with `Interrupted`,
/// and leaves things as every failure does.
package final class Interruption: Sendable {
  private struct State {
    var isRaised = false
    var actions: [@Sendable () -> Void] = []
  }

  private let state = Lock(State())

  package init() {}

  package var isRaised: Bool { state.withLock { $0.isRaised } }

  /// Throws `Interrupted` once it is raised.
  package func check() throws(Interrupted) {
    if isRaised { throw Interrupted() }
  }

  package func raise() {
    let actions = state.withLock { state in
      state.isRaised = true
      defer { state.actions = [] }
      return state.actions
    }
    for action in actions { action() }
  }

  /// Runs `action` when it is raised, or at once if it has been.
  func onRaise(_ action: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if !state.isRaised { state.actions.append(action) }
      return state.isRaised
    }
    if isLate { action() }
  }
}

/// Raises an interruption when the process gets SIGINT, SIGTERM or SIGHUP for the first time; the
/// second time the process dies as it would have. A SIGHUP or SIGINT that the process was started
/// to ignore (`nohup`; in the background of a script) stays ignored.
package final class SignalWatch: @unchecked Sendable {
  // Sendable because Dispatch allows its sources to be cancelled from any thread.
  private let sources: [any DispatchSourceSignal]
  private let numbers: [Int32]

  /// Throws where the system does not make the threads that this takes, and whoever shows progress:
  /// Dispatch would wait for them for ever.
  package init(_ interruption: Interruption) throws(IOError) {
    try Threads.require(3)
    numbers = [SIGTERM] + [SIGINT, SIGHUP].filter { !isIgnored($0) }
    sources = numbers.map { number in
      Glibc.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number, queue: DispatchQueue(label: "snapstore.signals"))
      source.setEventHandler {
        Glibc.signal(number, SIG_DFL)
        interruption.raise()
      }
      source.activate()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in numbers { Glibc.signal(number, SIG_DFL) }
  }
}

/// Whether the process ignores a signal.
func isIgnored(_ number: Int32) -> Bool {
  var action = sigaction()
  let result = unsafe sigaction(number, nil, &action)
  precondition(result == 0)
  // The handlers can't be compared but as numbers; see signal.h.
  return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    == unsafeBitCast(SIG_IGN, to: Int.self)
}
