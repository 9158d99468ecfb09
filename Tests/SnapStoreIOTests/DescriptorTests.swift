import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite struct DescriptorTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  @Test func theWayAroundTheCacheIsClosed() throws {
    let calls = FaultySystemCalls()
    let path = directory.path("file")
    do {
      let file = try OpenFile(path, .create, aroundCache: true, calls: calls)
      let buffer = BufferPool(capacity: 1, bufferByteCount: 1 << 20).take()
      try file.write(buffer.bytes, at: 0)
    }
    #expect(calls.count(of: .openDirect) == 1)
    #expect(calls.count(of: .close) == 2)
  }

  /// Other tests have files open meanwhile, but not that many more.
  @Test func listingADirectoryLeavesNothingOpen() throws {
    let calls = LinuxSystemCalls()
    func openCount() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
    let before = try openCount()
    let folder = try Directory(directory.path, calls: calls)
    for _ in 0..<2000 { #expect(try folder.names().isEmpty) }
    #expect(try openCount() < before + 1000)
  }
}
