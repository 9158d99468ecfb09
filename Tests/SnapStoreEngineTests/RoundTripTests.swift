import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("What goes in comes out")
struct RoundTripTests {
  private static let extent = FormatLimit.extent

  @Test(
    "a disk of any size, mixed content",
    arguments: [
      0, 1, 511, 4095, 4096, 4097, 16_383, 16_384, 65_537, 262_143, 262_144, 262_145,
      4_194_303, 4_194_304, 4_194_305, 9_000_001,
    ])
  func sizes(byteCount: Int) throws {
    let fixture = try EngineFixture()
    let content = TestContent.mixed(byteCount, seed: UInt64(byteCount))
    try fixture.backup(try fixture.image("disk", content))
    let report = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
    #expect(report.files.map(\.byteCount) == [UInt64(byteCount)])
  }

  @Test(
    "every chunk hash and chunking", arguments: ChunkHash.allCases,
    [Chunking.aligned, .fixed(65536)])
  func algorithms(hash: ChunkHash, chunking: Chunking) throws {
    var parameters = Vault.Parameters()
    parameters.chunkHash = hash
    parameters.chunking = chunking
    let fixture = try EngineFixture(parameters: parameters)
    let content = TestContent.mixed(6_000_001, seed: 5)
    try fixture.backup(try fixture.image("disk", content))
    _ = try fixture.restore()
    #expect(try fixture.restored("disk") == content)
  }

  @Test("every compression, of the vault and of a backup", arguments: Compression.examples)
  func compressions(compression: Compression) throws {
    var parameters = Vault.Parameters()
    parameters.compression = compression
    let fixture = try EngineFixture(parameters: parameters)
    var content = TestContent.mixed(6_000_001, seed: 5)
    for (round, own) in ([nil] + Compression.examples).enumerated() {
      content[round] ^= 1
      let before = try fixture.objects("packs").count
      try fixture.backup(try fixture.image("disk", content), compression: own)
      #expect(try fixture.objects("packs").count > before)
      _ = try fixture.restore(to: "restored-\(round)")
      #expect(try fixture.restored("disk", in: "restored-\(round)") == content)
      // Older programs know what the descriptor says; of the rest they must be warned.
      let needsWarning = compression == .lz4 && round == Compression.examples.count
      #expect(try fixture.objects("features").count == (needsWarning ? 1 : 0))
    }
    #expect(try fixture.verify().damaged.isEmpty)
  }

  @Test("zeros are neither stored nor written, whether allocated or holes")
  func zeros() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", [UInt8](repeating: 0, count: 8 << 20))
    let report = try fixture.backup(path)
    #expect(report.point.disks[0].root == .hole)
    #expect(report.point.figures.newByteCount == 0)
    #expect(try fixture.objects("packs").isEmpty)
    let restore = try fixture.restore()
    #expect(restore.writtenByteCount == 0)
    #expect(try fixture.restored("disk").allSatisfy { $0 == 0 })
    #expect(try Self.allocatedByteCount(restore.files[0].path) < 65536)
  }

  @Test("a sparse disk of terabytes takes only what its data takes")
  func terabytes() throws {
    let fixture = try EngineFixture()
    let path = try fixture.image("disk", [])
    let size: UInt64 = 4 << 40
    let places: [UInt64] = [0, 300 << 20, 20 << 30, (1 << 40) + 12_345_678, size - 5]
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.truncate(atOffset: size)
    for place in places {
      try handle.seek(toOffset: place)
      try handle.write(contentsOf: Array("here:".utf8))
    }
    try handle.close()
    let report = try fixture.backup(path)
    #expect(report.point.figures.readByteCount < 1 << 20)
    #expect(report.point.figures.holeByteCount + report.point.figures.readByteCount == size)
    let restore = try fixture.restore()
    #expect(restore.writtenByteCount <= UInt64(places.count) * 8192)
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: restore.files[0].path))
    #expect(try file.seekToEnd() == size)
    for place in places {
      try file.seek(toOffset: place)
      #expect(try file.read(upToCount: 5) == Data("here:".utf8))
    }
  }

  @Test("one OS disk and sixteen data disks together, in little memory")
  func seventeenDisks() throws {
    let fixture = try EngineFixture()
    var contents: [[UInt8]] = []
    var paths: [String] = []
    for number in 0..<17 {
      contents.append(TestContent.mixed(1_500_000 + number * 4099, seed: UInt64(number % 12)))
      paths.append(try fixture.image("disk\(number)", contents[number]))
    }
    let names = try (0..<17).map { try #require(Name("disk\($0)")) }
    let disks = names.enumerated().map {
      Backup.DiskRequest(name: $1, role: $0 == 0 ? .os : .data, path: paths[$0])
    }
    var backup = Backup(machine: try #require(Name("big")), disks: disks)
    backup.resources = Resources(memoryByteCount: 64 << 20, jobs: 4)
    let sources = try backup.openSources(vaultPath: fixture.vaultPath, host: fixture.host)
    let report = try backup.run(sources, to: try fixture.vault())
    #expect(report.point.disks.map(\.name) == names)
    _ = try fixture.restore()
    for number in 0..<17 { #expect(try fixture.restored("disk\(number)") == contents[number]) }
  }

  @Test("only the disks that were asked for are restored")
  func chosenDisks() throws {
    let fixture = try EngineFixture()
    let content = TestContent.mixed(100_000, seed: 1)
    try fixture.backup(try fixture.image("a", content), try fixture.image("b", content))
    let vault = try fixture.vault()
    let point = try PointCatalog(vault).resolve("latest", machine: nil).point
    let target = "\(fixture.directory.path)/one"
    let names = [try #require(Name("b"))]
    _ = try Restore(point, disks: names, to: target).run(from: vault)
    #expect(try FileManager.default.contentsOfDirectory(atPath: target) == ["b.img"])
    #expect(throws: VaultError.self) {
      try Restore(point, disks: [try #require(Name("c"))], to: target)
    }
  }

  @Test("figures add up to what was read, what is new, and what the vault grew by")
  func figures() throws {
    let fixture = try EngineFixture()
    let before = try fixture.vaultByteCount()
    let content = TestContent.mixed(7_000_000, seed: 3)
    let report = try fixture.backup(
      try fixture.image("a", content), try fixture.image("b", TestContent.noise(50_001, seed: 9)))
    let figures = report.point.figures
    #expect(figures.readByteCount + figures.holeByteCount == 7_050_001)
    let data = report.point.disks.reduce(0) { $0 + $1.root.dataByteCount }
    #expect(figures.newByteCount + figures.reusedByteCount == data)
    #expect(try fixture.vaultByteCount() - before == figures.storedByteCount)
  }

  private static func allocatedByteCount(_ path: String) throws -> UInt64 {
    try OpenFile(path, .read(followLinks: false), calls: LinuxSystemCalls()).status()
      .allocatedByteCount
  }
}
