internal import Glibc
internal import SystemPackage

/// Whether threads can be had. Where the system makes no more of them (RLIMIT_NPROC, a cgroup's
/// pids.max), Dispatch tries for ever and says nothing, in whoever asked for one or in the thread
/// that it made last: so it is asked for no more than there are.
enum Threads {
  /// Throws where so many threads, all at once, can't be had.
  static func require(_ count: Int) throws(IOError) {
    var threads: [pthread_t] = []
    defer { for thread in threads { pthread_join(thread, nil) } }
    let gate = Lock(())
    try gate.withLock { (_) throws(IOError) in
      for _ in 0..<count { threads.append(try begin(waitingFor: gate)) }
    }
  }

  private static func begin(waitingFor gate: Lock<Void>) throws(IOError) -> pthread_t {
    let argument = unsafe Unmanaged.passRetained(gate)
    var thread = pthread_t()
    let error = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Lock<Void>>.fromOpaque(argument).takeRetainedValue().withLock { _ in }
        return nil
      }, argument.toOpaque())
    guard error == 0 else {
      unsafe argument.release()
      throw IOError("start", "a thread", Errno(rawValue: error))
    }
    return thread
  }
}
