internal import Dispatch

/// Calls an action again and again from a thread of its own, as long as it is referenced.
package final class Ticker: @unchecked Sendable {
  // Sendable because Dispatch allows its sources to be cancelled from any thread.
  private let timer: any DispatchSourceTimer
  private let queue = DispatchQueue(label: "snapstore.ticker")

  package init(everySeconds seconds: Double, _ action: @escaping @Sendable () -> Void) {
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + seconds, repeating: seconds)
    timer.setEventHandler(handler: action)
    timer.activate()
  }

  /// Stops; when it returns, the action does not run and will not again.
  package func stop() {
    timer.cancel()
    queue.sync {}
  }
}
