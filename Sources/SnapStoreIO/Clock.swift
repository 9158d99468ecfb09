internal import Glibc

/// Where the time comes from; a parameter, so that tests can set it.
package protocol Clock: Sendable {
  /// The wall clock: seconds and nanoseconds since 1970 in UTC.
  func now() -> (seconds: Int64, nanoseconds: UInt32)
  /// Seconds that only go forward, from an unknown start: for durations.
  func monotonicSeconds() -> Double
}

package struct SystemClock: Clock {
  package init() {}

  package func now() -> (seconds: Int64, nanoseconds: UInt32) {
    let time = Self.read(CLOCK_REALTIME)
    return (Int64(time.tv_sec), UInt32(time.tv_nsec))
  }

  package func monotonicSeconds() -> Double {
    let time = Self.read(CLOCK_MONOTONIC)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func read(_ clock: clockid_t) -> timespec {
    var time = timespec()
    let result = unsafe clock_gettime(clock, &time)
    precondition(result == 0)
    return time
  }
}

/// Where random bits come from; a parameter, so that tests can repeat a run.
package protocol Randomness: Sendable {
  func next() -> UInt64
}

/// The operating system's generator, fit for secrets.
package struct SystemRandomness: Randomness {
  package init() {}

  package func next() -> UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }
}

extension Randomness {
  package func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let word = next()
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    return Array(bytes.prefix(count))
  }
}
