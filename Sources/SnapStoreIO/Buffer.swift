internal import Glibc

/// A page-aligned piece of memory of fixed size, from a `BufferPool`, to which it goes back when
/// the last reference goes. One thread at a time uses a buffer.
@safe package final class Buffer: @unchecked Sendable {
  // Sendable because whoever holds a buffer hands it on whole, through a channel.
  private let memory: UnsafeMutableRawBufferPointer
  private let pool: BufferPool

  fileprivate init(memory: UnsafeMutableRawBufferPointer, pool: BufferPool) {
    unsafe self.memory = unsafe memory
    self.pool = pool
  }

  deinit { unsafe pool.giveBack(memory) }

  package var byteCount: Int { unsafe memory.count }

  /// All of its bytes; those that nobody wrote hold what an earlier user left.
  package var bytes: RawSpan {
    @_lifetime(borrow self) get {
      let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(memory))
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  package func withMutableBytes<Result, Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var span = unsafe MutableRawSpan(_unsafeBytes: memory)
    return try body(&span)
  }
}

/// A bounded number of equal buffers, made when first needed and used again: the first touch of a
/// page costs up to ten times a later one on virtual machines.
package final class BufferPool: Sendable {
  @safe private struct State: @unchecked Sendable {
    // Sendable because the free memory is owned by the pool and reached under its lock.
    var free: [UnsafeMutableRawBufferPointer] = unsafe []
    var made = 0
  }

  package let bufferByteCount: Int
  package let capacity: Int
  private let state = Lock(State())
  private let returned = Condition()

  /// `capacity` buffers of `bufferByteCount` bytes at the most.
  package init(capacity: Int, bufferByteCount: Int) {
    precondition(capacity > 0 && bufferByteCount > 0)
    self.capacity = capacity
    self.bufferByteCount = bufferByteCount
  }

  deinit {
    state.withLock { state in
      while let memory = unsafe state.free.popLast() { unsafe memory.deallocate() }
    }
  }

  /// A buffer; waits until one is free. Whoever waits must not hold one of the same pool, unless
  /// others are sure to give theirs back.
  package func take() -> Buffer {
    let memory = unsafe state.wait(on: returned) { state -> UnsafeMutableRawBufferPointer? in
      if let memory = unsafe state.free.popLast() { return unsafe memory }
      guard state.made < capacity else { return nil }
      state.made += 1
      return .allocate(byteCount: bufferByteCount, alignment: 4096)
    }
    return unsafe Buffer(memory: memory, pool: self)
  }

  fileprivate func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
    state.withLock { state in unsafe state.free.append(memory) }
    returned.wakeOne()
  }
}

extension MutableRawSpan {
  /// Lends a part of the bytes for writing.
  package mutating func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
    return try unsafe withUnsafeMutableBytes { all throws(Failure) in
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: all[range])
      var span = unsafe MutableRawSpan(_unsafeBytes: part)
      return try body(&span)
    }
  }

  /// Overwrites the beginning with `source`, for which there must be room.
  package mutating func copy(_ source: RawSpan) {
    precondition(source.byteCount <= byteCount)
    unsafe source.withUnsafeBytes { from in
      unsafe withUnsafeMutableBytes { unsafe $0.copyMemory(from: from) }
    }
  }

  /// Overwrites a range with zeros.
  package mutating func zero(_ range: Range<Int>) {
    withBytes(range) { part in
      unsafe part.withUnsafeMutableBytes {
        guard let start = $0.baseAddress else { return }
        unsafe _ = memset(start, 0, $0.count)
      }
    }
  }
}
