import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("the time zones of a host") struct TimeZoneFilesTests {
  private func rules(
    _ zone: String, _ calls: any SystemCalls = LinuxSystemCalls()
  ) throws -> TimeZoneRules {
    try TimeZoneFiles.rules(named: try #require(TimeZoneName(zone)), calls: calls)
  }

  @Test func aZoneOfTheHost() throws {
    // 2026-07-01T00:00:00Z
    #expect(try rules("Europe/Berlin").offset(at: 1_782_864_000) == 7200)
  }

  @Test("UTC needs no file")
  func utc() throws {
    let calls = FaultySystemCalls(faults: [.every(nil, .error(.ioError))])
    #expect(try rules("UTC", calls) == .utc)
    #expect(calls.totalCount == 0)
  }

  @Test(arguments: ["Europe/Atlantis", "Europe", "UTC/nowhere"])
  func noSuchZone(_ zone: String) throws {
    let error = #expect(throws: VaultError.self) { try rules(zone) }
    #expect(error?.code == .notThere)
    #expect(error?.message.contains(zone) == true)
  }

  @Test("a file that is cut off is said to be of no use, and one that can't be read too")
  func badFiles() throws {
    let cut = FaultySystemCalls(faults: [.at(1, .read, .shortRead(0))])
    let error = #expect(throws: VaultError.self) { try rules("Europe/Berlin", cut) }
    #expect(error?.code == .unsupported)
    let broken = FaultySystemCalls(faults: [.every(.read, .error(.ioError))])
    #expect(throws: IOError.self) { try rules("Europe/Berlin", broken) }
  }

  @Test(
    "what can't be the name of a zone is none",
    arguments: [
      "", "/etc/passwd", "../passwd", "Europe/../passwd", "Europe//Berlin", "Europe/", "a b",
      "Zürich", "UTC\0", String(repeating: "a", count: 65),
    ])
  func names(_ text: String) {
    #expect(TimeZoneName(text) == nil)
  }
}
