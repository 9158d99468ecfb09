import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("verify, as people and scripts use it")
struct VerifyProgramTests {
  private let snapstore: ProgramRun
  private let content = SeededRandomness(seed: 8).bytes(900_001)

  init() throws {
    snapstore = try ProgramRun()
    try snapstore.write("disk.img", content)
    #expect(try snapstore("vault", "create", "v").status == 0)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
  }

  private func damageLargestPack() throws {
    let packs = try FileManager.default.contentsOfDirectory(
      atPath: "\(snapstore.directory.path)/v/packs")
    let sized = try packs.map { (name: $0, bytes: try snapstore.read("v/packs/\($0)")) }
    var (name, bytes) = try #require(sized.max { $0.bytes.count < $1.bytes.count })
    bytes[500] ^= 0x55
    try snapstore.write("v/packs/\(name)", bytes)
  }

  @Test("a sound vault: exit code 0, the fields of its JSON, and the time in the list of points")
  func sound() throws {
    let text = try snapstore("verify", "--vault", "v")
    #expect(text.status == 0, "\(text.errors)")
    #expect(text.output.hasPrefix("Nothing is damaged in v\n"))
    let points = try snapstore("points", "--vault", "v", "--json").json()
    let point = try #require((points.first as? [[String: Any]])?.first)
    #expect((point["verified_at"] as? String)?.hasSuffix("Z") == true)
    var readBytes: [Int] = []
    for arguments in [
      ["--quick"], ["--point", "latest"], ["--point", "latest", "--vm", "disk"], [],
    ] {
      let result = try snapstore.run(["verify", "--vault", "v", "--json"] + arguments)
      #expect(result.status == 0, "\(result.errors)")
      let summary = try result.object()
      #expect(
        Set(summary.keys) == [
          "type", "points", "chunks", "read_bytes", "damaged", "healed", "warnings", "seconds",
        ])
      #expect(summary["points"] as? Int == 1)
      #expect((summary["damaged"] as? [Any])?.isEmpty == true)
      readBytes.append(try #require(summary["read_bytes"] as? Int))
    }
    #expect(readBytes[0] < content.count / 10, "a quick one reads no data")
    #expect(readBytes[3] > content.count)
  }

  @Test("damage: exit code 65, who loses what; the next backup heals it")
  func damage() throws {
    try damageLargestPack()
    let result = try snapstore("verify", "--vault", "v", "--json")
    #expect(result.status == 65)
    let damaged = try #require(try result.object()["damaged"] as? [[String: Any]])
    #expect(damaged.count == 1)
    #expect(Set(damaged[0].keys) == ["object", "offset", "problem", "losses"])
    #expect((damaged[0]["object"] as? String)?.hasPrefix("packs/") == true)
    let losses = try #require(damaged[0]["losses"] as? [[String: Any]])
    #expect(losses.count == 1 && Set(losses[0].keys) == ["point", "disk", "ranges"])
    let range = try #require((losses[0]["ranges"] as? [[String: Int]])?.first)
    #expect(Set(range.keys) == ["offset", "length"])
    let quiet = try snapstore("verify", "--vault", "v", "--quiet")
    #expect(quiet.status == 65)
    #expect(quiet.output.isEmpty)
    #expect(quiet.errors.contains("Damage in v\n"), "damage is told to those who want it quiet too")
    let text = try snapstore("verify", "--vault", "v")
    #expect(text.status == 65)
    #expect(text.output.contains("disk disk: bytes \(range["offset"] ?? -1) to "))
    #expect(text.output.contains("Back the machines up again now"))
    let points = try snapstore("points", "--vault", "v", "--json").json()
    let point = try #require((points.first as? [[String: Any]])?.first)
    #expect(point["lossy"] as? Bool == true && point["verified_at"] is NSNull)
    #expect(try snapstore("points", "--vault", "v").output.contains("lossy"))
    let failed = try snapstore("jobs", "--vault", "v", "--failed", "--json").json().first
    let jobs = try #require(failed as? [[String: Any]])
    #expect(jobs.count == 3)
    #expect(jobs.allSatisfy { $0["kind"] as? String == "verify" && $0["code"] as? Int == 65 })

    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let healed = try snapstore("verify", "--vault", "v")
    #expect(healed.status == 0, "\(healed.output)")
    #expect(healed.output.contains("costs nothing any more: 1"))
  }

  @Test("what can't be meant is refused")
  func misuse() throws {
    #expect(try snapstore("verify", "--vault", "v", "--point", "").status == 64)
    #expect(try snapstore("verify", "--vault", "v", "--vm", "disk").status == 64)
    #expect(try snapstore("verify", "--vault", "v", "--point", "1999").status == 66)
    #expect(try snapstore("verify", "--vault", "none").status == 66)
  }
}
