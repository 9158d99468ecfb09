internal import Dispatch

/// Work in several stages at once: each stage a number of lanes, each lane a thread of its own.
///
/// All parallel work goes through this: the lanes are bounded, the first error is kept, and with it
/// every channel of the work is cancelled, so that no lane waits for one that is gone.
///
/// A lane is a serial Dispatch queue. `concurrentPerform` would run no more bodies than there are
/// cores, even while they block; so stages that compute get as many lanes as they may use cores,
/// and stages that wait for a disk a bounded number of their own. Lanes wait for each other: the
/// work fails where the system has not enough threads for all.
package final class ParallelWork: Sendable {
  private struct State {
    var firstError: (any Error)?
    var isCancelled = false
    var cancellations: [@Sendable () -> Void] = []
    var startedLanes = 0
    var begunLanes = 0
  }

  private let state = Lock(State())
  private let group = DispatchGroup()

  package init() {}

  /// Work that fails with `Interrupted` when the interruption is raised.
  package init(interruption: Interruption) {
    interruption.onRaise { [weak self] in self?.fail(Interrupted()) }
  }

  /// A channel that is cancelled when the work fails.
  package func channel<Element: Sendable>(
    of type: Element.Type = Element.self, capacity: Int
  ) -> Channel<Element> {
    let channel = Channel<Element>(capacity: capacity)
    onCancel { channel.cancel() }
    return channel
  }

  /// Runs `action` when the work fails, or at once if it has.
  package func onCancel(_ action: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if !state.isCancelled { state.cancellations.append(action) }
      return state.isCancelled
    }
    if isLate { action() }
  }

  package var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Starts `lanes` threads that run `body` with their number. When the last one is done and none
  /// failed, `then` runs on it: the place to finish the channel to the next stage.
  package func run(
    _ stage: String, lanes: Int, _ body: @escaping @Sendable (Int) throws -> Void,
    then: @escaping @Sendable () throws -> Void = {}
  ) {
    precondition(lanes > 0)
    let running = Lock(lanes)
    let waiting = state.withLock { state in
      state.startedLanes += lanes
      return state.startedLanes - state.begunLanes
    }
    do {
      // One more for Dispatch itself.
      try Threads.require(waiting + 1)
    } catch {
      return fail(error)
    }
    for lane in 0..<lanes {
      let queue = DispatchQueue(label: "snapstore.\(stage).\(lane)")
      queue.async(group: group) { [self] in
        state.withLock { $0.begunLanes += 1 }
        do {
          try body(lane)
          if running.withLock({
            $0 -= 1; return $0 == 0
          }) {
            try then()
          }
        } catch {
          fail(error)
        }
      }
    }
  }

  /// Ends the work with this error, unless it has ended with another.
  package func fail(_ error: any Error) {
    let actions = state.withLock { state -> [@Sendable () -> Void] in
      if state.firstError == nil { state.firstError = error }
      state.isCancelled = true
      let actions = state.cancellations
      state.cancellations = []
      return actions
    }
    for action in actions { action() }
  }

  /// Waits for every lane, then throws the first error.
  package func wait() throws {
    group.wait()
    if let error = state.withLock({ $0.firstError }) { throw error }
  }
}
