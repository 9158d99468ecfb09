import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// What every kind of object of a vault has in common: once the work that put it has ended, it is
/// durable. `LyingDiskTests` shows which of them a person would miss; here are those too whose loss
/// only costs what they were for (records of sessions, of damage, of verifications, the index).
@Suite("What a run has put into a vault is durable when the run ends, in every folder")
struct FolderDurabilityTests {
  static let folders = [
    VaultFolder.packs, VaultFolder.index, VaultFolder.points, VaultFolder.sessions,
    VaultFolder.outcomes, VaultFolder.features, VaultFolder.damage, VaultFolder.verifications,
    VaultFolder.epochs, VaultFolder.tombstones, VaultFolder.pins, VaultFolder.policies,
    VaultFolder.machines, VaultFolder.jobs,
  ]

  /// Does everything that puts objects, each of it durable or not. Collections come before the last
  /// backup, whose session's record then stays.
  private static func work(_ system: SimulatedFileSystem) throws {
    var seed: UInt64 = 0
    func fixture() -> SimulatedFixture {
      seed += 1
      return SimulatedFixture(system, seed: seed)
    }
    try fixture().createVault()
    fixture().placeDisks(version: 0)
    let first = try fixture().backup()
    fixture().placeDisks(version: 1)
    let second = try fixture().backup()
    try fixture().delete(first)
    try fixture().collect()
    try fixture().verify()
    try fixture().delete(second, isFinal: false)
    try fixture().undelete(second)
    try fixture().pin(second)
    try fixture().setPolicy(keepingDays: 1)
    try fixture().assign(source: 1)
    _ = try fixture().job()
    try fixture().vault().admit(.zstd(level: 3))
    fixture().placeDisks(version: 2)
    _ = try fixture().backup()
    try damage(system)
    #expect(throws: VaultError.self) { try fixture().verify() }
  }

  /// Damages the first record of the largest pack.
  private static func damage(_ system: SimulatedFileSystem) throws {
    let folder = "\(SimulatedFixture.vaultPath)/\(VaultFolder.packs)"
    let packs = (system.names(folder) ?? []).map { "\(folder)/\($0)" }
    let sizes = packs.map { (path: $0, bytes: system.contents($0) ?? []) }
    var largest = try #require(sizes.max { $0.bytes.count < $1.bytes.count })
    largest.bytes[PackRecord.headByteCount + 100] ^= 0xFF
    system.setContents(largest.path, largest.bytes)
  }

  private static func names(_ folder: String, _ system: SimulatedFileSystem) -> [String] {
    (system.names("\(SimulatedFixture.vaultPath)/\(folder)") ?? []).sorted()
  }

  @Test func allIsDurable() throws {
    let system = SimulatedFixture.newSystem()
    try Self.work(system)
    let left = system.now.afterCut(.nothing)
    for folder in Self.folders {
      #expect(!Self.names(folder, system).isEmpty, "nothing is put into \(folder)")
      #expect(Self.names(folder, left) == Self.names(folder, system), "\(folder)")
      for name in Self.names(folder, system) {
        let path = "\(SimulatedFixture.vaultPath)/\(folder)/\(name)"
        #expect(left.contents(path) == system.contents(path), "\(folder)/\(name)")
      }
    }
    let known = Set(Self.names("", system)).subtracting(["vault", "unfinished", "reserve"])
    #expect(known == Set(Self.folders), "a folder that is not looked at here")
  }

  @Test("a folder that is not synchronized is noticed", arguments: folders)
  func lying(_ folder: String) throws {
    let system = SimulatedFixture.newSystem()
    system.ignoreSynchronize { $0 == folder }
    try Self.work(system)
    let left = system.now.afterCut(.nothing)
    #expect(Self.names(folder, left) != Self.names(folder, system))
  }
}
