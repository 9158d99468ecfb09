import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A run that is told to end leaves nothing half-made")
struct InterruptionTests {
  private let content = TestContent.noise(9_000_000, seed: 3)

  @Test("a backup makes no point, and what it stored is used by the next")
  func backup() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", content)
    let name = try #require(Name("disk"))
    let backup = Backup(machine: name, disks: [.init(name: name, role: .data, path: path)])
    let sources = try backup.openSources(vaultPath: nil, host: fixture.host)
    // Once every pack is there, and before the point.
    let interruption = backup.interruption
    fixture.wrap = { store in
      FailingStore(store) { name in
        if name.folder == VaultFolder.index { interruption.raise() }
        return false
      }
    }
    #expect(throws: Interrupted.self) { try backup.run(sources, to: try fixture.vault()) }
    fixture.wrap = { $0 }
    #expect(try PointCatalog(try fixture.vault()).entries.isEmpty)
    #expect(try fixture.backup(path).point.figures.newByteCount == 0)
  }

  @Test("a collection that copies decides nothing, and the next one does it all")
  func collect() throws {
    let fixture = try EngineFixture()
    let half = try fixture.leaveHalfDead(content, seed: 4)
    var collect = Collect()
    collect.maximumDeadPercent = 0
    collect.resources = Resources(jobs: 2)
    let interruption = collect.interruption
    fixture.wrap = { store in
      ObservedStore(store) { event in
        guard case .create(let name) = event, name.folder == VaultFolder.packs else { return }
        interruption.raise()
      }
    }
    #expect(throws: Interrupted.self) { try collect.run(on: try fixture.vault()) }
    #expect(interruption.isRaised)
    #expect(try fixture.objects("epochs").isEmpty)
    fixture.wrap = { $0 }
    #expect(try fixture.collect(maximumDeadPercent: 0).deadByteCount == 0)
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == half)
  }

  @Test("a restore leaves nothing behind")
  func restore() throws {
    let fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", content))
    let vault = try fixture.vault()
    let point = try PointCatalog(vault).resolve("latest", machine: nil).point
    let restore = try Restore(point, disks: [], to: "\(fixture.directory.path)/out")
    restore.interruption.raise()
    #expect(throws: Interrupted.self) { try restore.run(from: vault) }
    #expect(try fixture.directory.names() == ["disk.img", "vault"])
  }
}
