internal import SnapStoreIO
internal import Testing

extension ObjectStoreContract {
  func deleteIsSeen() throws {
    #expect(try store.put(name("a"), [1]))
    #expect(try store.put(name("b"), [2]))
    #expect(try other.delete(name("a")))
    try expectAbsent(name("a"))
    #expect(try !store.delete(name("a")), "it was there only once")
    #expect(try !other.delete(name("a")))
    try expectObject(name("b"), [2])
  }

  func nameIsFreeAgain() throws {
    #expect(try store.put(name("a"), [1]))
    #expect(try store.delete(name("a")))
    #expect(try other.put(name("a"), [2, 3]))
    try expectObject(name("a"), [2, 3])
  }

  func ranges() throws {
    let bytes = content(5, 70_001)
    #expect(try store.put(name("a"), bytes))
    let reader = try #require(try other.open(name("a")))
    #expect(reader.byteCount == UInt64(bytes.count))
    var generator = SeededGenerator(seed: 5)
    let edges = [0..<0, 0..<1, 0..<70_001, 70_000..<70_001, 4095..<4097, 70_001..<70_001]
    let some = (0..<50).map { _ in
      let start = Int.random(in: 0...70_001, using: &generator)
      return start..<Int.random(in: start...70_001, using: &generator)
    }
    for range in edges + some {
      let read = try reader.bytes(UInt64(range.lowerBound)..<UInt64(range.upperBound))
      #expect(read == Array(bytes[range]), "\(range), seed 5")
    }
  }

  func readsEndAtTheEnd() throws {
    let bytes = content(6, 1000)
    #expect(try store.put(name("a"), bytes))
    let reader = try #require(try other.open(name("a")))
    #expect(try reader.bytes(900..<1100) == Array(bytes[900...]))
    #expect(try reader.bytes(1000..<1001) == [])
    #expect(try reader.bytes(5000..<6000) == [])
    #expect(try reader.bytes(0..<100_000) == bytes)
    // What was not read stays as it was.
    var target = [UInt8](repeating: 0xAB, count: 20)
    let count = try target.withMutableRawSpan { try reader.read(into: &$0, at: 990) }
    #expect(count == 10)
    #expect(target == Array(bytes[990...]) + [UInt8](repeating: 0xAB, count: 10))
  }

  func manyReaders() throws {
    let bytes = content(7, 200_000)
    #expect(try store.put(name("a"), bytes))
    let reader = try #require(try other.open(name("a")))
    let work = ParallelWork()
    work.run("read", lanes: 8) { lane in
      var generator = SeededGenerator(seed: UInt64(lane))
      for _ in 0..<50 {
        let start = Int.random(in: 0..<199_000, using: &generator)
        let read = try reader.bytes(UInt64(start)..<UInt64(start + 1000))
        #expect(read == Array(bytes[start..<(start + 1000)]), "lane and seed \(lane)")
      }
    }
    try work.wait()
  }

  func held() throws {
    var hold = try store.putHeld(name("a"), [1, 2])
    #expect(hold != nil)
    for _ in 0..<3 {
      #expect(try other.isHeld(name("a")))
      #expect(try store.isHeld(name("a")))
    }
    try expectObject(name("a"), [1, 2])
    hold = nil
    #expect(try !other.isHeld(name("a")))
    #expect(try !store.isHeld(name("a")))
    try expectObject(name("a"), [1, 2])
  }

  func heldNameIsTaken() throws {
    let hold = try store.putHeld(name("a"), [1])
    #expect(hold != nil)
    let second = try other.putHeld(name("a"), [2])
    #expect(second == nil)
    #expect(try !other.put(name("a"), [3]))
    #expect(try other.isHeld(name("a")), "the loser lets go of nothing but its own")
    try expectObject(name("a"), [1])
    withExtendedLifetime(hold) {}
  }

  func notHeld() throws {
    #expect(try !store.isHeld(name("a")))
    #expect(try store.put(name("a"), [1]))
    #expect(try !store.isHeld(name("a")))
    #expect(try !other.isHeld(name("a")))
  }

  func limits() throws {
    #expect(try store.put(name("a"), [1, 2, 3]))
    #expect(try store.get(name("a"), limit: 3) == [1, 2, 3])
    #expect(try store.get(name("missing"), limit: 3) == nil)
    let error = #expect(throws: StoreError.self) { try other.get(name("a"), limit: 2) }
    #expect(error?.code == .notAnObject)
  }
}

extension [UInt8] {
  /// The array's bytes, borrowed.
  package var rawBytes: RawSpan {
    @_lifetime(borrow self) get { unsafe span.bytes }
  }
}
