internal import SnapStoreIO
internal import Testing

extension ObjectStoreContract {
  func appearsWhole() throws {
    let bytes = content(1, 100_001)
    let writer = try store.create(name("a"))
    try expectAbsent(name("a"))
    try writer.append(bytes.rawBytes)
    try expectAbsent(name("a"))
    #expect(try writer.finish())
    try expectObject(name("a"), bytes)
  }

  func manyAppends() throws {
    let bytes = content(2, 300_000)
    let writer = try store.create(name("a"))
    var generator = SeededGenerator(seed: 2)
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 0...20_000, using: &generator))
      try writer.append(bytes.rawBytes.extracting(start..<end))
      start = end
    }
    #expect(try writer.finish())
    try expectObject(name("a"), bytes)
  }

  func listing() throws {
    var expected: Set<String> = []
    for number in 0..<20 {
      #expect(try store.put(name("n\(number)"), content(3, number)))
      expected.insert("n\(number)")
      for listing in [try store.list("things"), try other.list("things")] {
        #expect(Set(listing.map(\.name.key)) == expected)
        #expect(listing.count == expected.count)
      }
    }
    for listed in try other.list("things") {
      #expect(listed.name.key == "n\(listed.byteCount)")
    }
  }

  func unknownFolder() throws {
    #expect(try store.list("nothing").isEmpty)
    #expect(try store.list("").isEmpty)
    #expect(try !store.delete(name("a", in: "nothing")))
    try expectAbsent(name("a", in: "nothing"))
    #expect(try store.removeAbandoned() == 0)
  }

  func foldersAreApart() throws {
    let names = [name("a", in: ""), name("a", in: "x"), name("a", in: "y"), name("b", in: "x")]
    for (number, name) in names.enumerated() {
      #expect(try store.put(name, [UInt8(number)]))
    }
    for (number, name) in names.enumerated() { try expectObject(name, [UInt8(number)]) }
    #expect(try other.list("").map(\.name) == [names[0]])
    #expect(Set(try other.list("x").map(\.name)) == [names[1], names[3]])
    #expect(try store.delete(names[1]))
    try expectAbsent(names[1])
    try expectObject(names[2], [2])
  }

  func firstPutWins() throws {
    #expect(try store.put(name("a"), [1, 2, 3]))
    #expect(try !store.put(name("a"), [4]))
    #expect(try !other.put(name("a"), [1, 2, 3]))
    try expectObject(name("a"), [1, 2, 3])
  }

  func firstToFinishWins() throws {
    let early = try store.create(name("a"))
    let late = try other.create(name("a"))
    try early.append([1].rawBytes)
    try late.append([2].rawBytes)
    #expect(try late.finish())
    #expect(try !early.finish())
    try expectObject(name("a"), [2])
  }

  func oneOfManyWins() throws {
    for round in 0..<10 {
      let target = name("round\(round)")
      let winners = Lock<[Int]>([])
      let work = ParallelWork()
      work.run("put", lanes: 8) { lane in
        let store = lane.isMultiple(of: 2) ? store : other
        if try store.put(target, content(UInt64(lane), 5000)) {
          winners.withLock { $0.append(lane) }
        }
      }
      try work.wait()
      let all = winners.withLock { $0 }
      #expect(all.count == 1)
      try expectObject(target, content(UInt64(try #require(all.first)), 5000))
    }
  }

  func manyNamesAtOnce() throws {
    let work = ParallelWork()
    work.run("put", lanes: 8) { lane in
      for number in 0..<10 {
        // A folder of its own for each lane and one for all, made by whoever comes first.
        let store = number.isMultiple(of: 2) ? store : other
        let bytes = [UInt8(lane), UInt8(number)]
        let isPut = try store.put(name("l\(lane)-n\(number)"), bytes)
        let isPutApart = try store.put(name("n\(number)", in: "lane\(lane)"), bytes)
        #expect(isPut && isPutApart)
      }
    }
    try work.wait()
    #expect(try store.list("things").count == 80)
    for lane in 0..<8 {
      #expect(try other.list("lane\(lane)").count == 10)
      for number in 0..<10 {
        try expectObject(name("l\(lane)-n\(number)"), [UInt8(lane), UInt8(number)])
      }
    }
  }

  func synchronizing() throws {
    try store.synchronize("nothing")
    #expect(try other.put(name("a"), [1]))
    try store.synchronize("things")
    try store.synchronize("")
    try expectObject(name("a"), [1])
    #expect(try store.list("nothing").isEmpty)
  }

  func abandonedWriter() throws {
    do {
      let writer = try store.create(name("a"))
      try writer.append(content(4, 10_000).rawBytes)
      _ = consume writer
    }
    try expectAbsent(name("a"))
    _ = try other.removeAbandoned()
    try expectAbsent(name("a"))
    #expect(try store.put(name("a"), [7]), "the name was never taken")
    #expect(try other.removeAbandoned() == 0)
    try expectObject(name("a"), [7])
  }

  func cleaningSparesTheLiving() throws {
    #expect(try store.put(name("done"), [1]))
    let writer = try store.create(name("a"))
    try writer.append([1, 2].rawBytes)
    #expect(try other.removeAbandoned() == 0)
    #expect(try store.removeAbandoned() == 0)
    try writer.append([3].rawBytes)
    #expect(try writer.finish())
    try expectObject(name("a"), [1, 2, 3])
    try expectObject(name("done"), [1])
  }

  func finishedWriterIsDead() throws {
    let writer = try store.create(name("a"))
    try writer.append([1].rawBytes)
    #expect(try writer.finish())
    expectDeadWriter { try writer.append([2].rawBytes) }
    expectDeadWriter { _ = try writer.finish() }
    try expectObject(name("a"), [1])
  }

  func losingWriterIsDead() throws {
    let writer = try store.create(name("a"))
    #expect(try other.put(name("a"), [1]))
    #expect(try !writer.finish())
    expectDeadWriter { try writer.append([2].rawBytes) }
    expectDeadWriter { _ = try writer.finish() }
    try expectObject(name("a"), [1])
  }

  func emptyObject() throws {
    #expect(try store.put(name("a"), []))
    let writer = try store.create(name("b"))
    #expect(try writer.finish())
    try expectObject(name("a"), [])
    try expectObject(name("b"), [])
    #expect(try other.open(name("a"))?.bytes(0..<1) == [])
  }

  func names() throws {
    let keys = [
      "0", "Z", "a.b", "a..b", "a-", "a_", "x.tmp", "unfinished", "CON", "a%00", "a~",
      String(repeating: "k", count: 128),
    ].filter { ObjectName.isValidPart($0) }
    for (number, key) in keys.enumerated() {
      #expect(try store.put(name(key), [UInt8(number)]))
    }
    for (number, key) in keys.enumerated() { try expectObject(name(key), [UInt8(number)]) }
    #expect(try other.list("things").count == keys.count)
    #expect(name("k").description == "things/k")
    #expect(name("k", in: "").description == "k")
  }
}
