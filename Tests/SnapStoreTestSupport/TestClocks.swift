package import SnapStoreIO

/// A clock that stands still: 2026-11-22T10:00:00Z unless told otherwise.
package struct FixedClock: Clock {
  private let seconds: Int64
  private let nanoseconds: UInt32

  package init(seconds: Int64 = 1_795_341_600, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  package func now() -> (seconds: Int64, nanoseconds: UInt32) { (seconds, nanoseconds) }
  package func monotonicSeconds() -> Double { 0 }
}

/// A clock that goes on by a number of seconds each time somebody looks at it.
package final class SteppingClock: Clock {
  private let step: Int64
  private let passed = Lock<Int64>(0)
  private let start: Int64

  package init(start: Int64 = 1_795_341_600, step: Int64 = 1) {
    self.start = start
    self.step = step
  }

  private func advance() -> Int64 {
    passed.withLock { passed in
      defer { passed += step }
      return passed
    }
  }

  package func now() -> (seconds: Int64, nanoseconds: UInt32) { (start + advance(), 0) }
  package func monotonicSeconds() -> Double { Double(advance()) }
}

extension HostSystem {
  /// A host whose clock and randomness can be repeated.
  package static func forTests(
    calls: any SystemCalls = LinuxSystemCalls(), clock: any Clock = FixedClock(), seed: UInt64 = 1
  ) -> HostSystem {
    HostSystem(
      calls: calls, clock: clock, randomness: SeededRandomness(seed: seed),
      description: "a test")
  }
}
