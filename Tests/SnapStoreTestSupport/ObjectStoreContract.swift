package import SnapStoreIO
internal import Testing

/// What any kind of object store must do, as functions that a test calls with a new, empty store.
///
/// Run it as `@Test(arguments: ObjectStoreContract.rules)`, with a contract made anew for each.
package struct ObjectStoreContract: Sendable {
  let store: any ObjectStore
  /// Another opening of the same store, as another process has it.
  let other: any ObjectStore

  package init(store: any ObjectStore, other: any ObjectStore) {
    self.store = store
    self.other = other
  }

  package struct Rule: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    let body: @Sendable (ObjectStoreContract) throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (ObjectStoreContract) throws -> Void) {
      testDescription = name
      self.body = body
    }
  }

  package static let rules: [Rule] = [
    Rule("an object appears whole or not at all") { try $0.appearsWhole() },
    Rule("many appends make one object") { try $0.manyAppends() },
    Rule("a listing shows what was put before it") { try $0.listing() },
    Rule("an unknown folder is empty") { try $0.unknownFolder() },
    Rule("folders and the top are apart") { try $0.foldersAreApart() },
    Rule("the first of two puts wins") { try $0.firstPutWins() },
    Rule("the first of two writers to finish wins") { try $0.firstToFinishWins() },
    Rule("one of many at once wins") { try $0.oneOfManyWins() },
    Rule("puts of many names at once are all there") { try $0.manyNamesAtOnce() },
    Rule("a delete is seen") { try $0.deleteIsSeen() },
    Rule("a name is free again after its delete") { try $0.nameIsFreeAgain() },
    Rule("ranges are read exactly") { try $0.ranges() },
    Rule("reads end at the object's end") { try $0.readsEndAtTheEnd() },
    Rule("many read at once") { try $0.manyReaders() },
    Rule("a held object is held until it is let go of") { try $0.held() },
    Rule("a held object's name is taken") { try $0.heldNameIsTaken() },
    Rule("what nobody holds is not held") { try $0.notHeld() },
    Rule("an abandoned writer leaves nothing visible") { try $0.abandonedWriter() },
    Rule("cleaning leaves living writers alone") { try $0.cleaningSparesTheLiving() },
    Rule("a writer is dead after it finished") { try $0.finishedWriterIsDead() },
    Rule("a writer is dead after it lost its name") { try $0.losingWriterIsDead() },
    Rule("an object may be empty") { try $0.emptyObject() },
    Rule("every valid name names an object") { try $0.names() },
    Rule("what others put can be made durable") { try $0.synchronizing() },
    Rule("get reads nothing beyond its limit") { try $0.limits() },
  ]

  package func check(_ rule: Rule) throws { try rule.body(self) }

  func name(_ key: String, in folder: String = "things") -> ObjectName {
    ObjectName(folder: folder, key: key)
  }

  func content(_ seed: UInt64, _ count: Int) -> [UInt8] {
    DiskImage(seed: seed, [.noise(count)]).bytes
  }

  /// Nothing of that name can be seen, by anybody.
  func expectAbsent(_ name: ObjectName, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for store in [store, other] {
      let reader = try store.open(name)
      #expect(reader == nil, sourceLocation: sourceLocation)
      #expect(
        try !store.list(name.folder).contains { $0.name == name }, sourceLocation: sourceLocation)
      #expect(try !store.isHeld(name), sourceLocation: sourceLocation)
    }
  }

  /// Everybody sees exactly these bytes under the name.
  func expectObject(
    _ name: ObjectName, _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for store in [store, other] {
      #expect(
        try store.get(name, limit: bytes.count) == bytes, sourceLocation: sourceLocation)
      let listed = try store.list(name.folder).filter { $0.name == name }
      #expect(
        listed == [ListedObject(name: name, byteCount: UInt64(bytes.count))],
        sourceLocation: sourceLocation)
    }
  }

  func expectDeadWriter(
    sourceLocation: SourceLocation = #_sourceLocation, _ call: () throws -> Void
  ) {
    let error = #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try call() }
    #expect(error?.code == .deadWriter, sourceLocation: sourceLocation)
  }
}
