import Logging
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// What a session relies on, it must have seen after it registered: what it saw before may be gone
/// by a collection that did not see the session.
@Suite("The order in which a session begins") struct SessionOrderTests {
  @Test(arguments: [SessionRecord.Purpose.write, .collect, .read])
  func begin(_ purpose: SessionRecord.Purpose) throws {
    let fixture = try CatalogFixture()
    let point = try fixture.commit("web")
    let events = Lock<[ObservedStore.Event]>([])
    let store = ObservedStore(fixture.vault.store) { event in
      events.withLock { $0.append(event) }
    }
    let vault = try Vault.open(store, host: fixture.vault.host, log: fixture.vault.log)
    events.withLock { $0 = [] }
    let session =
      switch purpose {
      case .write: try Session.beginWriting(vault, leaningOn: [point])
      case .collect: try Session.beginCollecting(vault)
      case .read: try Session.beginReading(vault, leaningOn: [point])
      }
    let all = events.withLock { $0 }
    let registered = try #require(
      all.firstIndex {
        if case .finish(let name) = $0 { name.folder == VaultFolder.sessions } else { false }
      })
    #expect(all[..<registered] == [.list(VaultFolder.epochs)])
    let after = all[registered...]
    let packs = try #require(after.firstIndex(of: .list(VaultFolder.packs)))
    #expect(after[..<packs].contains(.list(VaultFolder.epochs)))
    #expect(after[packs...].contains(.list(VaultFolder.epochs)))
    if purpose != .collect {
      #expect(session.leansOn == [point])
      // A collection deletes a point before its tombstone.
      let tombstones = try #require(after.lastIndex(of: .list(VaultFolder.tombstones)))
      let points = try #require(after.lastIndex(of: .list(VaultFolder.points)))
      #expect(tombstones < points)
    }
  }
}
