import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

/// The contract, for the local kind, on file systems with and without a rename that does not
/// replace, and behind the store that counts.
@Suite struct LocalObjectStoreContractTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  func store(_ calls: any SystemCalls = LinuxSystemCalls(), seed: UInt64) throws
    -> LocalObjectStore
  {
    try LocalObjectStore.open(directory.path, host: .forTests(calls: calls, seed: seed))
  }

  @Test(arguments: ObjectStoreContract.rules)
  func local(_ rule: ObjectStoreContract.Rule) throws {
    try ObjectStoreContract(store: try store(seed: 1), other: try store(seed: 2)).check(rule)
  }

  @Test(arguments: ObjectStoreContract.rules)
  func localWithoutTheRename(_ rule: ObjectStoreContract.Rule) throws {
    let calls = FaultySystemCalls(faults: [.every(.rename, .error(.invalidArgument))])
    try ObjectStoreContract(store: try store(calls, seed: 1), other: try store(calls, seed: 2))
      .check(rule)
  }

  /// Which also shows that the simulated file system behaves like one.
  @Test(arguments: ObjectStoreContract.rules, [true, false])
  func localOnASimulatedFileSystem(_ rule: ObjectStoreContract.Rule, _ hasRename: Bool) throws {
    let system = SimulatedFileSystem()
    if !hasRename { system.refuseRenames() }
    system.setDirectory("/store")
    let stores = try [1, 2].map { seed in
      try LocalObjectStore.open("/store", host: .forTests(calls: system, seed: seed))
    }
    try ObjectStoreContract(store: stores[0], other: stores[1]).check(rule)
  }

  @Test(arguments: ObjectStoreContract.rules)
  func counting(_ rule: ObjectStoreContract.Rule) throws {
    try ObjectStoreContract(
      store: CountingObjectStore(try store(seed: 1)), other: try store(seed: 2)
    ).check(rule)
  }

  @Test(arguments: ObjectStoreContract.rules)
  func localWithShortReadsAndWrites(_ rule: ObjectStoreContract.Rule) throws {
    let calls = FaultySystemCalls(faults: [
      .every(.read, .shortRead(1000)), .every(.write, .shortWrite(700)),
    ])
    try ObjectStoreContract(store: try store(calls, seed: 1), other: try store(seed: 2))
      .check(rule)
  }
}

@Suite struct CountingObjectStoreTests {
  @Test func countsWhatWasPutAndNothingElse() throws {
    let directory = try TemporaryDirectory()
    let base = try LocalObjectStore.open(directory.path, host: .forTests())
    let store = CountingObjectStore(base)
    let name = ObjectName(folder: "x", key: "a")
    #expect(store.location == base.location)
    #expect(try store.put(name, [1, 2, 3]))
    #expect(store.putByteCount == 3)
    #expect(try !store.put(name, [1, 2, 3, 4]))
    #expect(store.putByteCount == 3, "what lost its name was not put")
    _ = try store.create(ObjectName(folder: "x", key: "b")).append([1].rawBytes)
    #expect(store.putByteCount == 3, "what was abandoned was not put")
    #expect(try store.putHeld(ObjectName(folder: "x", key: "c"), [9, 9]) != nil)
    #expect(store.putByteCount == 5)
    #expect(try store.putHeld(name, [9, 9]) == nil)
    #expect(try store.get(name, limit: 10) == [1, 2, 3])
    #expect(try store.delete(name))
    #expect(store.putByteCount == 5)
    withExtendedLifetime(directory) {}
  }
}

@Suite struct MemoryObjectStoreContractTests {
  @Test(arguments: ObjectStoreContract.rules)
  func memory(_ rule: ObjectStoreContract.Rule) throws {
    let store = MemoryObjectStore()
    try ObjectStoreContract(store: store, other: store).check(rule)
  }
}
