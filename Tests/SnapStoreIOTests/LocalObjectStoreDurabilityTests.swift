import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

/// What is durable when, and what a failed system call leaves.
@Suite struct LocalObjectStoreDurabilityTests {
  let directory: TemporaryDirectory
  let name = ObjectName(folder: "things", key: "a")

  init() throws {
    directory = try TemporaryDirectory()
  }

  func store(_ calls: FaultySystemCalls, in folder: String = "store") throws -> LocalObjectStore {
    try LocalObjectStore.create(
      directory.path(folder), host: .forTests(calls: calls))
  }

  /// Where a call stands among those recorded; the first of its kind and path.
  func place(_ call: SystemCall, _ path: String, in calls: [RecordedCall]) throws -> Int {
    try #require(calls.firstIndex(of: RecordedCall(call: call, path: path)), "\(call) \(path)")
  }

  @Test(arguments: [nil, Errno.invalidArgument])
  func fileThenNameThenDirectory(_ renameError: Errno?) throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    #expect(try store.put(name, [1]), "makes the folders")
    calls.restart(faults: renameError.map { [.every(.rename, .error($0))] } ?? [])
    #expect(try store.put(ObjectName(folder: "things", key: "b"), [1, 2, 3]))
    let recorded = calls.calls
    let temporary = try #require(recorded.first { $0.call == .open }).path
    let write = try place(.write, temporary, in: recorded)
    let fsync = try place(.synchronize, temporary, in: recorded)
    let name = try place(renameError == nil ? .rename : .link, "b", in: recorded)
    let directoryFsync = try place(.synchronize, "things", in: recorded)
    #expect(write < fsync && fsync < name && name < directoryFsync, "\(recorded)")
    #expect(calls.count(of: .synchronize) == 2)
    #expect(try place(.tryLock, temporary, in: recorded) < write, "locked before it is written")
    #expect(recorded.last { $0.call == .write }?.path == temporary)
    let setMode = try place(.setMode, temporary, in: recorded)
    #expect(setMode < write)
  }

  @Test func aNewFolderIsDurableBeforeWhatIsInIt() throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    calls.restart()
    #expect(try store.put(name, [1]))
    let recorded = calls.calls
    let made = try place(.makeDirectory, "things", in: recorded)
    let rename = try place(.rename, "a", in: recorded)
    let rootFsync = recorded.indices.first {
      $0 > made && recorded[$0] == RecordedCall(call: .synchronize, path: store.location)
    }
    let synchronized = try #require(rootFsync)
    #expect(synchronized < rename, "\(recorded)")
  }

  /// Whoever made a folder may have been killed, or not have come to it yet.
  @Test func aFolderThatAnotherMadeIsDurableBeforeWhatIsInIt() throws {
    let system = SimulatedFileSystem()
    let host = HostSystem.forTests(calls: system)
    let store = try LocalObjectStore.create("/store", host: host)
    _ = try Directory("/store", calls: system).makeDirectory("things")
    #expect(try store.put(name, [1]))
    let left = system.now.afterCut(.nothing)
    #expect(left.contents("/store/things/a") == [1])
  }

  @Test func anInterruptedCreationIsMadeDurableByTheNextOne() throws {
    let system = SimulatedFileSystem()
    _ = try Directory("/", calls: system).makeDirectory("x").makeDirectory("store")
    for path in ["/x/store", "/x/store/other"] {
      _ = try LocalObjectStore.create(path, host: .forTests(calls: system))
    }
    // What is above the deepest directory that was there is not ours to know of.
    try Directory("/", calls: system).synchronize()
    #expect(system.now.afterCut(.nothing).names("/x/store") == ["other"])
  }

  @Test func aParentThatCantBeReadIsPassedOver() throws {
    let system = SimulatedFileSystem()
    system.setDirectory("/x/store")
    let calls = FaultySystemCalls(system, faults: [.at(2, .open, .error(.permissionDenied))])
    _ = try LocalObjectStore.create("/x/store", host: .forTests(calls: calls))
    #expect(calls.calls.contains(RecordedCall(call: .open, path: "..")))
    #expect(calls.count(of: .synchronize) == 0)
  }

  @Test func aNewStoreIsDurableInItsParents() throws {
    let calls = FaultySystemCalls()
    _ = try LocalObjectStore.create(
      directory.path("x/y"), host: .forTests(calls: calls))
    let recorded = calls.calls
    for (made, parent) in [("x", directory.path), ("y", directory.path("x"))] {
      let place = try place(.makeDirectory, made, in: recorded)
      #expect(
        recorded[place...].contains(RecordedCall(call: .synchronize, path: parent)),
        "\(recorded)")
    }
  }

  @Test func whatOthersPutIsMadeDurable() throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    #expect(try store.put(name, [1]))
    calls.restart()
    try CountingObjectStore(store).synchronize("things")
    #expect(
      calls.calls == [
        RecordedCall(call: .synchronize, path: "things"),
        RecordedCall(call: .synchronize, path: store.location),
      ])
    calls.restart(faults: [.at(1, .synchronize, .error(.ioError))])
    #expect(throws: IOError.self) { try store.synchronize("things") }
    #expect(calls.count(of: .synchronize) == 1)
  }

  @Test func aDeleteIsDurable() throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    #expect(try store.put(name, [1]))
    calls.restart()
    #expect(try store.delete(name))
    let recorded = calls.calls
    let removed = try place(.removeFile, "a", in: recorded)
    let fsync = try place(.synchronize, "things", in: recorded)
    #expect(removed < fsync)
  }

  @Test(arguments: [Errno.ioError, .interrupted, .noSpace])
  func aFailedFsyncKillsTheWriterAndNothingAppears(_ error: Errno) throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    let writer = try store.create(name)
    try writer.append([1].rawBytes)
    calls.restart(faults: [.at(1, .synchronize, .error(error))])
    let thrown = #expect(throws: IOError.self) { try writer.finish() }
    #expect(thrown?.errno == error)
    #expect(calls.count(of: .synchronize) == 1, "never repeated")
    #expect(calls.count(of: .rename) == 0)
    let again = #expect(throws: StoreError.self) { try writer.finish() }
    #expect(again?.code == .deadWriter)
    #expect(calls.count(of: .synchronize) == 1, "not even by asking again")
    let reader = try store.open(name)
    #expect(reader == nil)
    #expect(try store.list("things").isEmpty)
  }

  @Test func aFailedWriteKillsTheWriter() throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    for kind in [SystemCall.write, .startWriteback] {
      let writer = try store.create(name)
      try writer.append([1].rawBytes)
      calls.restart(faults: [.at(1, kind, .error(.noSpace))])
      #expect(throws: IOError.self) { try writer.append([2].rawBytes) }
      for attempt in [{ try writer.append([2].rawBytes) }, { _ = try writer.finish() }]
        as [() throws -> Void]
      {
        let error = #expect(throws: StoreError.self) { try attempt() }
        #expect(error?.code == .deadWriter)
      }
      let reader = try store.open(name)
      #expect(reader == nil)
    }
    calls.restart()
    #expect(try store.put(name, [3]))
  }

  /// A failed fsync of the directory: the object may be there, but nobody was told that it is.
  @Test func aFailedFsyncOfTheDirectoryIsAnError() throws {
    let calls = FaultySystemCalls()
    let store = try store(calls)
    #expect(try store.put(ObjectName(folder: "things", key: "z"), []))
    calls.restart(faults: [.at(2, .synchronize, .error(.ioError))])
    #expect(throws: IOError.self) { try store.put(name, [1]) }
    #expect(calls.calls.last { $0.call == .synchronize }?.path == "things")
    calls.restart(faults: [.at(2, .synchronize, .error(.ioError))])
    #expect(throws: IOError.self) {
      try store.putHeld(ObjectName(folder: "things", key: "held"), [1])
    }
    #expect(try !store.isHeld(ObjectName(folder: "things", key: "held")))
  }

  /// Every system call of a put fails once: then the object is there whole or not at all, another
  /// one can be put, and nothing stays behind that cleaning does not take.
  @Test(arguments: [Errno.ioError, .noSpace, .permissionDenied])
  func everyCallOfAPutFailsOnce(_ error: Errno) throws {
    let bytes = DiskImage(seed: 3, [.noise(10_000)]).bytes
    var number = 0
    var isThrough = false
    while !isThrough {
      number += 1
      let calls = FaultySystemCalls()
      let store = try store(calls, in: "store\(number)")
      calls.restart(faults: [.at(number, nil, .error(error))])
      let isPut: Bool
      do {
        isPut = try store.put(name, bytes)
      } catch is IOError {
        isPut = false
      }
      isThrough = calls.totalCount < number
      calls.restart()
      let found = try store.get(name, limit: bytes.count)
      #expect(found == nil || found == bytes, "call \(number)")
      if isPut { #expect(found == bytes, "call \(number)") }
      #expect(try store.put(name, bytes) == (found == nil), "call \(number)")
      #expect(try store.get(name, limit: bytes.count) == bytes)
      _ = try store.removeAbandoned()
      #expect(try directory.names("store\(number)/unfinished").isEmpty, "call \(number)")
    }
    #expect(number > 12, "\(number) calls")
  }

  /// An interrupted call is made again, wherever it comes; only fsync is not.
  @Test func everyCallOfAPutIsInterruptedOnce() throws {
    var number = 0
    var isThrough = false
    while !isThrough {
      number += 1
      let calls = FaultySystemCalls()
      let store = try store(calls, in: "store\(number)")
      calls.restart(faults: [.at(number, nil, .error(.interrupted))])
      let isPut: Bool
      do {
        isPut = try store.put(name, [1])
      } catch let error as IOError {
        #expect(error.operation.hasPrefix("synchronize"), "call \(number): \(error)")
        isPut = false
      }
      isThrough = calls.totalCount < number
      #expect(isPut == (try store.get(name, limit: 1) == [1]) || !isPut, "call \(number)")
    }
    #expect(number > 12, "\(number) calls")
  }

  /// Every system call of every other operation fails once: an error or the right answer.
  @Test func everyCallOfAReadFailsOnce() throws {
    let calls = FaultySystemCalls()
    let bytes = DiskImage(seed: 3, [.noise(3000)]).bytes
    #expect(try store(calls).put(name, bytes))
    let operations: [(String, (LocalObjectStore) throws -> Bool)] = [
      ("get", { try $0.get(name, limit: 3000) == bytes }),
      // Of what can't be looked at, the size is 0.
      ("list", { try [[3000], [0]].contains($0.list("things").map(\.byteCount)) }),
      ("isHeld", { try !$0.isHeld(name) }),
      ("removeAbandoned", { try $0.removeAbandoned() == 0 }),
    ]
    for (operation, run) in operations {
      var number = 0
      var isThrough = false
      while !isThrough {
        number += 1
        calls.restart()
        let store = try LocalObjectStore.open(
          directory.path("store"), host: .forTests(calls: calls))
        calls.restart(faults: [.at(number, nil, .error(.ioError))])
        do {
          #expect(try run(store), "\(operation), call \(number)")
        } catch is IOError {
          // The answer that is due.
        }
        isThrough = calls.totalCount < number
      }
      #expect(number > 2, "\(operation)")
    }
  }
}
