import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// What can't be read, and what is half lost, must never make a collection free more.
@Suite("A collection looks at small objects with suspicion") struct VaultLookTests {
  /// Makes both copies of a point unreadable.
  private func spoil(_ point: PointID, in vault: Vault) throws {
    for copy in 1...2 {
      let name = ObjectName(folder: VaultFolder.points, key: "\(point).\(copy)")
      #expect(try vault.store.delete(name))
      #expect(try vault.store.put(name, [1, 2, 3]))
    }
  }

  /// A vault with two points of one second, of which the one with the lesser name can't be read.
  private func twoOfOneSecond() throws -> (
    fixture: CatalogFixture, readable: PointID, unreadable: PointID
  ) {
    let fixture = try CatalogFixture()
    let empty = try PointCatalog(fixture.vault)
    let readable = try fixture.commit("web", random: 2, seenBy: empty)
    let other = try fixture.commit("web", random: 1, seenBy: empty)
    #expect(readable.timeText == other.timeText && readable > other)
    try spoil(other, in: fixture.vault)
    return (fixture, readable, other)
  }

  @Test("the record of a session under way that can't be read ends the collection")
  func unreadableSession() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let look = VaultLook(vault)
    let name = ObjectName(folder: VaultFolder.sessions, key: "\(SessionID(high: 1, low: 2))")
    var hold = try vault.store.putHeld(name, [1, 2, 3])
    #expect(hold != nil)
    let error = #expect(throws: VaultError.self) { try look.sessions() }
    #expect(error?.code == .damaged)
    // Once it is dead, it counts as a writer that began before all others.
    hold = nil
    let seen = try look.sessions().seen
    #expect(seen.map(\.purpose) == [.write] && seen.map(\.epoch) == [0])
    #expect(seen.map(\.isAlive) == [false])
  }

  @Test("a session of whose outcome the copy is left is not ended as a dead one")
  func outcomeCopy() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let point = try fixture.commit("web")
    let session = try #require(try PointCatalog(vault).entries.first).point.session
    #expect(
      try vault.store.delete(ObjectName(folder: VaultFolder.outcomes, key: "\(session)")))
    try VaultLook(vault).end(session, .aborted)
    #expect(try PointCatalog(vault).entries.map(\.point.id) == [point])
  }

  @Test("a point that can't be read ends the collection, and `latest` does not pass over it")
  func unreadablePoint() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    try fixture.commit("web", random: 1)
    let second = try fixture.commit("web", random: 2)
    try spoil(second, in: vault)
    let error = #expect(throws: VaultError.self) { try VaultLook(vault).points() }
    #expect(error?.code == .damaged)
    let latest = #expect(throws: VaultError.self) {
      try PointCatalog(vault).resolve("latest", machine: nil)
    }
    #expect(latest?.code == .damaged)
    let ofMachine = #expect(throws: VaultError.self) {
      try PointCatalog(vault).resolve("latest", machine: Name("other"))
    }
    #expect(ofMachine?.code == .damaged, "whose it was is not known")
    // Who can do without says so.
    try PointDeletion(vault, at: vault.now()).delete(second, subject: nil, isFinal: true)
    #expect(try VaultLook(vault).points().unreadable == [second])
  }

  @Test(
    "a vault of a newer format is left alone; what only looks so is damaged: a point has a copy",
    arguments: [12, 16])
  func newerDescriptor(_ offset: Int) throws {
    let fixture = try CatalogFixture()
    try fixture.commit("web")
    let store = fixture.vault.store
    var bytes = try #require(try store.get(.vaultDescriptor, limit: FormatLimit.smallObject))
    func open() throws -> Vault {
      #expect(try store.delete(.vaultDescriptor))
      #expect(try store.put(.vaultDescriptor, bytes))
      return try Vault.open(store, host: fixture.vault.host, log: fixture.vault.log)
    }
    let newer = asNewer(bytes, at: offset)
    bytes[offset] ^= 0x40
    #expect(try open().descriptor == fixture.vault.descriptor)
    bytes = newer
    let error = #expect(throws: VaultError.self) { try open() }
    #expect(error?.code == .unsupported)
  }

  @Test("the beginning of an ID chooses none where one that can't be read may be meant")
  func unreadablePointOfTheSameBeginning() throws {
    let (fixture, readable, other) = try twoOfOneSecond()
    let beginning = other.text.prefix { $0 != "-" } + "-"
    #expect(readable.text.hasPrefix(beginning))
    let catalog = try PointCatalog(fixture.vault)
    let error = #expect(throws: VaultError.self) {
      try catalog.resolve(String(beginning), machine: nil)
    }
    #expect(error?.code == .ambiguous && error?.message.contains(other.text) == true)
    #expect(try catalog.resolve(readable.text, machine: nil).point.id == readable)
  }

  @Test("of two points of one second, `latest` does not pass over the one that can't be read")
  func unreadablePointOfTheSameSecond() throws {
    let (fixture, _, _) = try twoOfOneSecond()
    #expect(throws: VaultError.self) {
      try PointCatalog(fixture.vault).resolve("latest", machine: nil)
    }
  }

  @Test("of many points that can't be read, `latest` minds the newest")
  func manyUnreadablePoints() throws {
    let fixture = try CatalogFixture()
    let points = try (1...12).map { try fixture.commit("web", random: UInt32($0)) }
    for point in points where point != points[10] { try spoil(point, in: fixture.vault) }
    let catalog = try PointCatalog(fixture.vault)
    #expect(catalog.unreadable.map(\.id) == points.filter { $0 != points[10] })
    #expect(throws: VaultError.self) { try catalog.resolve("latest", machine: nil) }
  }
}
