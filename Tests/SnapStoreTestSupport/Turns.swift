import Foundation
package import SystemPackage

/// Lets several processes on one simulated machine make their system calls one after the other, in
/// an order that a seed chooses: the same interleaving each time.
///
/// A process keeps the turn for a few calls, and whoever calls out of turn waits. No process may
/// wait for another in any other way, and each says when it has ended.
package final class Turns: @unchecked Sendable {
  // Sendable because all of it is only touched under the condition's lock.
  private let changed = NSCondition()
  private var random: SeededGenerator
  private var running: [Int]
  private var current = 0
  private var callsLeft = 1

  package init(seed: UInt64, processes count: Int) {
    random = SeededGenerator(seed: seed)
    running = Array(0..<count)
    pass()
  }

  /// Waits for the process's turn, and does something in it; at once where it has ended.
  package func take<Result>(
    _ process: Int, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    changed.lock()
    defer { changed.unlock() }
    while current != process, running.contains(process) { changed.wait() }
    defer {
      callsLeft -= 1
      if callsLeft == 0 { pass() }
    }
    return try body()
  }

  /// The process makes no more calls.
  package func end(_ process: Int) {
    changed.lock()
    defer { changed.unlock() }
    running.removeAll { $0 == process }
    if current == process { pass() }
  }

  private func pass() {
    guard let next = running.randomElement(using: &random) else { return }
    current = next
    callsLeft = Int.random(in: 1...12, using: &random)
    changed.broadcast()
  }
}
