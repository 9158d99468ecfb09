import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Processes at once on one vault")
struct ConcurrentRunTests {
  @Test("backups of several machines and of one, and restores beside them: all end well")
  func tenAtOnce() throws {
    let vault = try VaultRun(points: 9, byteCount: 100_000)  // segments enough to be merged
    let snapstore = vault.snapstore
    var contents: [String: [UInt8]] = [:]
    for number in 0..<4 {
      let content = SeededRandomness(seed: 500 + UInt64(number)).bytes(3_000_000 + number)
      contents["vm\(number)"] = content
      try snapstore.write("vm\(number).img", content)
    }
    for round in 0..<3 {
      // Two of each machine: forks are legal, and nobody waits.
      let backups = try (0..<8).map { number in
        try snapstore.start([
          "backup", "--vault", "v", "--vm", "vm\(number % 4)", "disk=vm\(number % 4).img",
        ])
      }
      let restores = try (0..<2).map { number in
        try snapstore.start([
          "restore", "--vault", "v", "--point", vault.points[number].id, "--to",
          "beside\(round)-\(number)",
        ])
      }
      for run in backups + restores {
        let result = try run.wait()
        #expect(result.status == 0, "\(result.errors)")
        #expect(!result.errors.contains("warning"), "nothing is lost or damaged: \(result.errors)")
      }
      for number in 0..<2 {
        #expect(
          try snapstore.read("beside\(round)-\(number)/disk.img") == vault.points[number].content)
      }
    }
    let listed = try snapstore("points", "--vault", "v", "--json").json().first
    let points = try #require(listed as? [[String: Any]])
    #expect(points.count == 9 + 24)
    for point in points {
      let id = try #require(point["point"] as? String)
      let machine = try #require(point["vm"] as? String)
      let expected =
        try contents[machine] ?? #require(vault.points.first { $0.id == id }?.content)
      try vault.expectRightOrClear((id, expected), vault: "v", [], "\(machine) \(id)")
    }
    #expect(try vault.objects("index").count < 20)
    #expect(try vault.objects("unfinished") == [])
  }
}
