import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// Points whose checksums are all right, and whose values are not.
@Suite("A point that somebody prepared is refused, whatever it asks for")
struct HostilePointTests {
  private let fixture: EngineFixture

  init() throws {
    fixture = try EngineFixture()
    try fixture.backup(try fixture.image("disk", TestContent.noise(100_000, seed: 3)))
  }

  /// Changes the body of a section in both copies of the point, and puts all checksums right.
  private func change(section: UInt32, _ change: (inout [UInt8]) throws -> Void) throws {
    for path in try fixture.objects("points") {
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
      var object = try SectionedObject(decoding: bytes.rawSpan, expecting: .point)
      let index = try #require(object.sections.firstIndex { $0.type == section })
      try change(&object.sections[index].body)
      try Data(object.encoded()).write(to: URL(fileURLWithPath: path))
    }
  }

  private static func text(_ text: String) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(text: text)
    return writer.bytes
  }

  /// Puts another name into a body; the disk's length follows where it is one.
  private func rename(section: UInt32, _ old: String, to new: String) throws {
    try change(section: section) { body in
      let range = try #require(body.firstRange(of: Self.text(old)))
      body.replaceSubrange(range, with: Self.text(new))
      guard section == 3 else { return }
      var writer = ByteWriter()
      writer.append(UInt64(body.count - 16))
      body.replaceSubrange(8..<16, with: writer.bytes)
    }
  }

  private func expectRefused(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let before = try fixture.directory.names()
    let catalog = try PointCatalog(try fixture.vault())
    #expect(catalog.entries.isEmpty, sourceLocation: sourceLocation)
    #expect(catalog.unreadable.count == 1, sourceLocation: sourceLocation)
    let error = #expect(throws: VaultError.self, sourceLocation: sourceLocation) {
      try fixture.restore()
    }
    #expect(error?.code == .damaged, sourceLocation: sourceLocation)
    #expect(try fixture.directory.names() == before, sourceLocation: sourceLocation)
    // And a backup goes on without it.
    let again = try fixture.backup("\(fixture.directory.path)/disk.img")
    #expect(again.point.sequence == 1, sourceLocation: sourceLocation)
    _ = try fixture.restore(again.point.id.text)
  }

  @Test("unchanged, but written anew, it is taken: what follows is refused for what it says")
  func unchanged() throws {
    try rename(section: 3, "disk", to: "disc")
    try rename(section: 1, "vm", to: "wm")
    let catalog = try PointCatalog(try fixture.vault())
    #expect(catalog.machines.map(\.text) == ["wm"])
    #expect(catalog.entries[0].point.disks.map(\.name.text) == ["disc"])
    _ = try fixture.restore()
    #expect(try fixture.restored("disc") == TestContent.noise(100_000, seed: 3))
  }

  private static let names = [
    "..", "../disk", "../../disk", "/etc/passwd", "a/b", "", ".", "-rf", "a\0b", "a\nb", "ä",
    String(repeating: "x", count: 65),
  ]

  @Test("a disk's name that is a path, or no name", arguments: names)
  func disk(name: String) throws {
    try rename(section: 3, "disk", to: name)
    try expectRefused()
  }

  @Test("a machine's name that is a path, or no name", arguments: names)
  func machine(name: String) throws {
    try rename(section: 1, "vm", to: name)
    try expectRefused()
  }

  @Test("lengths and counts that nothing has", arguments: [1 << 20, 1 << 62, .max] as [UInt64])
  func lengths(length: UInt64) throws {
    var writer = ByteWriter()
    writer.append(length)
    let bytes = writer.bytes
    for (section, offset) in [(3, 0), (3, 8), (3, 16), (1, 0), (4, 8), (2, 4)] as [(UInt32, Int)] {
      let fixture = try HostilePointTests()
      try fixture.change(section: section) {
        $0.replaceSubrange(offset..<(offset + 8), with: bytes)
      }
      try fixture.expectRefused()
    }
  }

  @Test("a disk of a size that its map does not have, up to the largest")
  func size() throws {
    for size in [0, 1, 99_999, 5 << 20, 1 << 62, 1 << 63, .max] as [UInt64] {
      let hostile = try HostilePointTests()
      try hostile.change(section: 3) { body in
        // Number, length, name (8 + 4), role, state, size.
        var writer = ByteWriter()
        writer.append(size)
        body.replaceSubrange(36..<44, with: writer.bytes)
      }
      #expect(throws: (any Error).self, "\(size)") { try hostile.fixture.restore() }
      #expect(try hostile.fixture.directory.names() == ["disk.img", "vault"], "\(size)")
    }
  }
}
