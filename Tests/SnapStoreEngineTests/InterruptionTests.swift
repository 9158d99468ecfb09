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
