import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("The reserve of a vault")
struct ReserveTests {
  private let fixture: CatalogFixture
  private let full = IOError("write", "v", .noSpace)

  init() throws {
    fixture = try CatalogFixture()
    Reserve(fixture.vault).make()
  }

  private var byteCount: Int {
    get throws {
      let path = fixture.directory.path("vault/reserve")
      guard FileManager.default.fileExists(atPath: path) else { return 0 }
      return try Data(contentsOf: URL(fileURLWithPath: path)).count
    }
  }

  @Test("it is given up where the disk is full, once, and is there again whatever came of it")
  func used() throws {
    #expect(try byteCount == Reserve.byteCount)
    var sizes: [Int] = []
    #expect(throws: IOError.self) {
      try Reserve(fixture.vault).using {
        sizes.append(try byteCount)
        throw full
      }
    }
    #expect(sizes == [Reserve.byteCount, 0])
    #expect(try byteCount == Reserve.byteCount)
    try Reserve(fixture.vault).using {
      if try byteCount > 0 { throw full }
    }
    #expect(try byteCount == Reserve.byteCount)
  }

  @Test("it has inodes too, since a disk may run out of those before it is full")
  func inodes() throws {
    func names() throws -> Int { try fixture.vault.store.list("spare").count }
    #expect(try names() == Reserve.inodeCount)
    try FileManager.default.removeItem(atPath: fixture.directory.path("vault/reserve"))
    var counts: [Int] = []
    try Reserve(fixture.vault).using {
      counts.append(try names())
      if try names() > 0 { throw full }
    }
    #expect(try counts == [Reserve.inodeCount, 0] && names() == Reserve.inodeCount)
    #expect(try byteCount == Reserve.byteCount)
  }

  @Test("it is kept where something else fails")
  func kept() throws {
    var tries = 0
    #expect(throws: IOError.self) {
      try Reserve(fixture.vault).using {
        tries += 1
        throw IOError("write", "v", .ioError)
      }
    }
    #expect(try tries == 1 && byteCount == Reserve.byteCount)
  }
}
