import SnapStoreIO
import SnapStoreTestSupport
import Testing

private struct Failure: Error, Equatable {
  var number: Int
}

@Suite(.timeLimit(.minutes(1))) struct ChannelTests {
  @Test func keepsTheOrder() throws {
    let work = ParallelWork()
    let channel = work.channel(of: Int.self, capacity: 3)
    let received = Lock<[Int]>([])
    work.run("send", lanes: 1) { _ in
      for number in 0..<1000 { try channel.send(number) }
    } then: {
      channel.finish()
    }
    work.run("receive", lanes: 1) { _ in
      while let number = try channel.receive() { received.withLock { $0.append(number) } }
    }
    try work.wait()
    #expect(received.withLock { $0 } == Array(0..<1000))
  }

  @Test(arguments: [1, 2, 7]) func holdsNoMoreThanItsCapacity(_ capacity: Int) throws {
    let work = ParallelWork()
    let channel = work.channel(of: Int.self, capacity: capacity)
    // Counted up before a receive and down after a send: never more than is in the channel, plus
    // one for each lane between its two steps.
    let balance = Lock((now: 0, most: 0))
    work.run("send", lanes: 1) { _ in
      for number in 0..<2000 {
        try channel.send(number)
        balance.withLock { state in
          state.now += 1
          state.most = max(state.most, state.now)
        }
      }
    } then: {
      channel.finish()
    }
    work.run("receive", lanes: 1) { _ in
      while true {
        balance.withLock { $0.now -= 1 }
        guard try channel.receive() != nil else { return }
      }
    }
    try work.wait()
    #expect(balance.withLock { $0.most } <= capacity)
  }

  @Test func manySendersAndReceiversLoseNothing() throws {
    let work = ParallelWork()
    let channel = work.channel(of: Int.self, capacity: 4)
    let received = Lock<[Int]>([])
    work.run("send", lanes: 4) { lane in
      for number in 0..<500 { try channel.send(lane * 500 + number) }
    } then: {
      channel.finish()
    }
    work.run("receive", lanes: 4) { _ in
      while let number = try channel.receive() { received.withLock { $0.append(number) } }
    }
    try work.wait()
    #expect(received.withLock { $0.sorted() } == Array(0..<2000))
  }

  @Test func finishLetsTheRestThroughThenEnds() throws {
    let channel = Channel<Int>(capacity: 10)
    for number in 0..<3 { try channel.send(number) }
    channel.finish()
    for number in 0..<3 { #expect(try channel.receive() == number) }
    #expect(try channel.receive() == nil)
    #expect(try channel.receive() == nil)
  }

  @Test func finishWakesAllReceivers() throws {
    let work = ParallelWork()
    let channel = work.channel(of: Int.self, capacity: 1)
    let ended = Lock(0)
    work.run("receive", lanes: 4) { _ in
      let element = try channel.receive()
      if element == nil { ended.withLock { $0 += 1 } }
    }
    channel.finish()
    try work.wait()
    #expect(ended.withLock { $0 } == 4)
  }

  /// Lanes that wait to send and to receive all end with `Cancelled`.
  @Test func cancelWakesEverybody() throws {
    let full = Channel<Int>(capacity: 1)
    let empty = Channel<Int>(capacity: 1)
    try full.send(1)
    let cancelled = Lock(0)
    let work = ParallelWork()
    work.run("wait", lanes: 6) { lane in
      do {
        if lane < 3 { try full.send(lane) } else { _ = try empty.receive() }
      } catch is Cancelled {
        cancelled.withLock { $0 += 1 }
      }
    }
    full.cancel()
    empty.cancel()
    try work.wait()
    #expect(cancelled.withLock { $0 } == 6)
    #expect(throws: Cancelled.self) { try full.receive() }
    #expect(throws: Cancelled.self) { try empty.send(1) }
  }

  @Test func cancelGivesBackWhatWasQueued() throws {
    let pool = BufferPool(capacity: 3, bufferByteCount: 16)
    let channel = Channel<Buffer>(capacity: 3)
    for _ in 0..<3 { try channel.send(pool.take()) }
    channel.cancel()
    let all = (0..<3).map { _ in pool.take() }
    #expect(all.count == 3, "every buffer was there again")
  }

  @Test func aReceivedElementIsNotKept() throws {
    let pool = BufferPool(capacity: 1, bufferByteCount: 16)
    let channel = Channel<Buffer>(capacity: 200)
    for _ in 0..<200 {
      try channel.send(pool.take())
      let received = try channel.receive()
      #expect(received != nil)
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct BufferPoolTests {
  @Test func makesNoMoreThanItsCapacity() throws {
    let pool = BufferPool(capacity: 3, bufferByteCount: 64)
    let inUse = Lock((now: 0, most: 0))
    let work = ParallelWork()
    work.run("use", lanes: 8) { lane in
      for round in 0..<200 {
        let buffer = pool.take()
        inUse.withLock { state in
          state.now += 1
          state.most = max(state.most, state.now)
        }
        // Nobody else writes to it while it is ours.
        let mark = UInt8(truncatingIfNeeded: lane * 31 + round)
        buffer.withMutableBytes { $0.storeBytes(of: mark, toByteOffset: 5, as: UInt8.self) }
        let found = unsafe buffer.bytes.unsafeLoad(fromByteOffset: 5, as: UInt8.self)
        if found != mark { throw Failure(number: round) }
        inUse.withLock { $0.now -= 1 }
      }
    }
    try work.wait()
    #expect(inUse.withLock { $0.most } <= 3)
  }

  static func address(_ buffer: Buffer) -> UInt {
    unsafe buffer.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
  }

  @Test func buffersAreDistinctAlignedAndUsedAgain() {
    let pool = BufferPool(capacity: 2, bufferByteCount: 5000)
    func twoAddresses() -> Set<UInt> {
      let (first, second) = (pool.take(), pool.take())
      #expect(first.byteCount == 5000 && second.bytes.byteCount == 5000)
      return [Self.address(first), Self.address(second)]
    }
    let addresses = twoAddresses()
    #expect(addresses.count == 2)
    #expect(addresses.allSatisfy { $0.isMultiple(of: 4096) })
    #expect(twoAddresses() == addresses)
  }

  @Test func whoWaitsGetsTheBufferThatComesBack() throws {
    let pool = BufferPool(capacity: 1, bufferByteCount: 8)
    let taken = Lock<Buffer?>(pool.take())
    let addresses = Lock<Set<UInt>>([])
    let work = ParallelWork()
    let waiting = work.channel(of: Int.self, capacity: 32)
    work.run("take", lanes: 32) { lane in
      try waiting.send(lane)
      let buffer = pool.take()
      addresses.withLock { _ = $0.insert(Self.address(buffer)) }
    }
    for _ in 0..<32 { _ = try waiting.receive() }
    // By now all but the last lane are at `take`, which must not have given them anything.
    #expect(addresses.withLock { $0.isEmpty })
    taken.withLock { $0 = nil }
    try work.wait()
    #expect(addresses.withLock { $0.count } == 1, "always the same one")
  }

  @Test func aBufferOutlivesItsPool() {
    var pool: BufferPool? = BufferPool(capacity: 1, bufferByteCount: 8)
    let buffer = pool?.take()
    pool = nil
    buffer?.withMutableBytes { $0.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self) }
    #expect(buffer?.byteCount == 8)
  }
}

@Suite struct MutableSpanTests {
  @Test func partsAreLentCopiedAndZeroed() {
    var bytes = [UInt8](repeating: 1, count: 10)
    bytes.withMutableRawSpan { span in
      span.withBytes(2..<5) { part in
        #expect(part.byteCount == 3)
        part.copy([9, 8].rawBytes)
      }
      span.zero(6..<8)
      span.zero(10..<10)
    }
    #expect(bytes == [1, 1, 9, 8, 1, 1, 0, 0, 1, 1])
  }
}

@Suite(.timeLimit(.minutes(1))) struct LockTests {
  @Test func nothingIsLostUnderContention() throws {
    let counter = Lock(0)
    let work = ParallelWork()
    work.run("count", lanes: 8) { _ in
      for _ in 0..<5000 { counter.withLock { $0 += 1 } }
    }
    try work.wait()
    #expect(counter.withLock { $0 } == 40_000)
  }

  @Test func anErrorUnlocks() {
    let lock = Lock(1)
    #expect(throws: Failure.self) {
      try lock.withLock { (state) throws(Failure) in
        state = 2
        throw Failure(number: 0)
      }
    }
    #expect(lock.withLock { $0 } == 2)
  }
}

@Suite(.timeLimit(.minutes(1))) struct ParallelWorkTests {
  @Test func everyLaneRunsOnceAndThenComesAfterAll() throws {
    let lanes = Lock<[Int]>([])
    let seenByThen = Lock<[Int]>([])
    let work = ParallelWork()
    work.run("lanes", lanes: 9) { lane in
      lanes.withLock { $0.append(lane) }
    } then: {
      let count = lanes.withLock { $0.count }
      seenByThen.withLock { $0.append(count) }
    }
    try work.wait()
    #expect(lanes.withLock { $0.sorted() } == Array(0..<9))
    #expect(seenByThen.withLock { $0 } == [9], "once, after the last")
    #expect(!work.isCancelled)
  }

  /// More lanes than cores, each of which waits for all others.
  @Test func lanesAreThreadsOfTheirOwn() throws {
    let work = ParallelWork()
    let arrivals = work.channel(of: Int.self, capacity: 32)
    let go = work.channel(of: Void.self, capacity: 32)
    work.run("wait", lanes: 32) { lane in
      try arrivals.send(lane)
      _ = try go.receive()
    }
    work.run("release", lanes: 1) { _ in
      for _ in 0..<32 { _ = try arrivals.receive() }
      go.finish()
    }
    try work.wait()
  }

  @Test func theFirstErrorIsKeptAndAllLanesEnd() throws {
    let ended = Lock(0)
    let work = ParallelWork()
    let never = work.channel(of: Int.self, capacity: 1)
    work.run("wait", lanes: 3) { _ in
      defer { ended.withLock { $0 += 1 } }
      _ = try never.receive()
    }
    work.run("fail", lanes: 1) { _ in
      defer { ended.withLock { $0 += 1 } }
      throw Failure(number: 7)
    }
    #expect(throws: Failure(number: 7)) { try work.wait() }
    #expect(ended.withLock { $0 } == 4)
    #expect(work.isCancelled)
    #expect(throws: Failure(number: 7)) { try work.wait() }
  }

  @Test func afterAnErrorThenDoesNotRun() {
    let isDone = Lock(false)
    let work = ParallelWork()
    work.run("fail", lanes: 4) { lane in
      if lane == 2 { throw Failure(number: lane) }
    } then: {
      isDone.withLock { $0 = true }
    }
    #expect(throws: Failure(number: 2)) { try work.wait() }
    #expect(!isDone.withLock { $0 })
  }

  @Test func anErrorOfThenCounts() {
    let work = ParallelWork()
    work.run("then", lanes: 2) { _ in
    } then: {
      throw Failure(number: 1)
    }
    #expect(throws: Failure(number: 1)) { try work.wait() }
  }

  @Test func cancellationsRunOnceEvenIfTheyComeLate() {
    let runs = Lock<[String]>([])
    let work = ParallelWork()
    work.onCancel { runs.withLock { $0.append("early") } }
    work.fail(Failure(number: 1))
    work.fail(Failure(number: 2))
    work.onCancel { runs.withLock { $0.append("late") } }
    #expect(runs.withLock { $0 } == ["early", "late"])
    let late = work.channel(of: Int.self, capacity: 1)
    #expect(throws: Cancelled.self) { try late.send(1) }
    #expect(throws: Failure(number: 1)) { try work.wait() }
  }

  /// Nobody has to wait for a lane.
  @Test func workThatNobodyWaitsForIsDoneToo() throws {
    let done = Channel<Int>(capacity: 2)
    ParallelWork().run("work", lanes: 2) { lane in try done.send(lane) }
    #expect(try [done.receive(), done.receive()].compactMap { $0 }.sorted() == [0, 1])
  }

  @Test func aLaneMayStartOthers() throws {
    let ended = Lock(0)
    let work = ParallelWork()
    work.run("first", lanes: 1) { _ in
      work.run("second", lanes: 4) { _ in ended.withLock { $0 += 1 } }
    }
    try work.wait()
    #expect(ended.withLock { $0 } == 4)
  }

  @Test func nothingToDoIsNoError() throws {
    try ParallelWork().wait()
  }
}
