internal import Glibc

/// A value that one thread at a time may touch, over a pthread mutex.
///
/// Not `Synchronization.Mutex`: in Swift 6.3 thread sanitizer takes a correct one for a race.
/// What happens under the lock is short and blocks on nothing else.
@safe package final class Lock<State>: @unchecked Sendable {
  // Sendable because the state is only reached between lock and unlock of the mutex.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  package init(_ state: sending State) {
    self.state = state
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    let result = unsafe pthread_mutex_init(mutex, nil)
    precondition(result == 0)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let locked = unsafe pthread_mutex_lock(mutex)
    precondition(locked == 0)
    defer { unsafe _ = pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Waits on `condition` until `body` returns something; `body` runs under the lock.
  func wait<Result>(
    on condition: Condition, until body: (inout State) throws -> Result?
  ) rethrows -> Result {
    let locked = unsafe pthread_mutex_lock(mutex)
    precondition(locked == 0)
    defer { unsafe _ = pthread_mutex_unlock(mutex) }
    while true {
      if let result = try body(&state) { return result }
      unsafe condition.wait(mutex)
    }
  }
}

/// Where threads wait for a `Lock`'s state to change.
@safe final class Condition: @unchecked Sendable {
  // Sendable because a pthread condition may be used from any thread.
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    unsafe condition = .allocate(capacity: 1)
    unsafe condition.initialize(to: pthread_cond_t())
    let result = unsafe pthread_cond_init(condition, nil)
    precondition(result == 0)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe condition.deallocate()
  }

  @unsafe fileprivate func wait(_ mutex: UnsafeMutablePointer<pthread_mutex_t>) {
    let result = unsafe pthread_cond_wait(condition, mutex)
    precondition(result == 0)
  }

  func wakeOne() { unsafe _ = pthread_cond_signal(condition) }
  func wakeAll() { unsafe _ = pthread_cond_broadcast(condition) }
}

/// What a state under a lock lends to lanes that go on without the lock: an array, say. It is
/// replaced and never changed, so nobody changes in place what another may still read. By the
/// reference count that would be right; thread sanitizer does not see the count and reports it.
package final class Replaced<Value: Sendable>: Sendable {
  package let value: Value

  package init(_ value: Value) {
    self.value = value
  }
}
