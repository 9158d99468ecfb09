internal import Glibc

/// What a run takes from the machine it runs on, all of it replaceable.
package struct HostSystem: Sendable {
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
  package static func current() -> HostSystem {
    var name = [CChar](repeating: 0, count: 256)
    let result = unsafe gethostname(&name, name.count - 1)
    let hostName =
      result == 0
      ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      : "unknown"
    return HostSystem(
      calls: LinuxSystemCalls(), clock: SystemClock(), randomness: SystemRandomness(),
      description: "\(hostName), process \(getpid())")
  }

  /// Does nothing for a while.
  package static func pause(milliseconds: UInt32) {
    usleep(milliseconds * 1000)
  }

  /// The memory of the machine.
  package static var memoryByteCount: Int {
    Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// The user with whose rights this process works.
  package static var userID: UInt32 { geteuid() }

  /// How many files this process may have open (the soft limit).
  package static var openFileLimit: UInt64 {
    openFileLimits.map { UInt64($0.rlim_cur) } ?? .max
  }

  private static let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

  private static var openFileLimits: rlimit? {
    var limits = rlimit()
    return unsafe getrlimit(openFiles, &limits) == 0 ? limits : nil
  }

  /// Lets this process have as many files open as the hard limit says, within reason: the soft one
  /// is low for the sake of select(2), which nothing here calls, and large vaults have many packs.
  package static func raiseOpenFileLimit() {
    guard var limits = openFileLimits else { return }
    limits.rlim_cur = max(limits.rlim_cur, min(limits.rlim_max, 1 << 16))
    _ = unsafe setrlimit(openFiles, &limits)
  }

  /// Gives standard streams that are closed something that can't be written to: what is opened
  /// later must not get their numbers, and with them what is meant for people.
  package static func reserveStandardStreams() {
    while true {
      let file = unsafe open("/dev/null", O_RDONLY | O_NOCTTY)
      if (0...2).contains(file) { continue }
      if file >= 0 { close(file) }
      return
    }
  }

  /// Files and directories get just the modes that are asked for, whatever was set before: what
  /// group and others would get is all that is taken away.
  package static func protectNewFiles() {
    umask(0o077)
  }

  /// What this process relies on of signals, whatever who started it has chosen: a child is there
  /// until it is waited for, and a file that would be longer than it may be (RLIMIT_FSIZE) is an
  /// error, after which things are cleaned up, and no end of the process.
  package static func setSignals() {
    signal(SIGCHLD, SIG_DFL)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// The processors that this process may use.
  package static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
