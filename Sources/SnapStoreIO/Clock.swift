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

/// What a run takes from the machine it runs on, all of it replaceable.
package struct Host: Sendable {
  package var calls: any SystemCalls
  package var clock: any Clock
  package var randomness: any Randomness
  /// For session records: the host's name and the process.
  package var description: String

  package init(
    calls: any SystemCalls, clock: any Clock, randomness: any Randomness, description: String
  ) {
    self.calls = calls
    self.clock = clock
    self.randomness = randomness
    self.description = description
  }

  /// The real one.
  package static func current() -> Host {
    var name = [CChar](repeating: 0, count: 256)
    let result = unsafe gethostname(&name, name.count - 1)
    let hostName =
      result == 0
      ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      : "unknown"
    return Host(
      calls: LinuxSystemCalls(), clock: SystemClock(), randomness: SystemRandomness(),
      description: "\(hostName), process \(getpid())")
  }

  /// The processors that this process may use.
  package static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
