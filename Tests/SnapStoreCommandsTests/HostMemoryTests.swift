import Foundation
import SnapStoreTestSupport
import Testing

@Suite("What a host and an operator know of a vault, when the vault says otherwise")
struct HostMemoryTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }

  init() throws {
    vault = try VaultRun(points: 2)
  }

  private func hash(_ point: String) throws -> String {
    let show = try snapstore("show", point, "--vault", "v", "--json").object()
    return try #require(show["hash"] as? String)
  }

  @Test("a vault that was put back to an older state is noticed, until the next backup")
  func older() throws {
    try vault.copyVault(to: "old")
    let lost = try snapstore("backup", "--vault", "v", "disk.img", "--json").object()
    let id = try #require(lost["point"] as? String)
    #expect(!(try snapstore("verify", "--vault", "v").errors.contains("warning")))
    try vault.remove("v")
    try FileManager.default.moveItem(
      atPath: snapstore.path("old"), toPath: snapstore.path("v"))
    for command in [["verify", "--quick"], ["restore", "--point", "latest", "--to", "out"]] {
      let result = try snapstore.run(command + ["--vault", "v"])
      #expect(result.status == 0)
      #expect(result.errors.contains("\(id), which this host made, is not in"), "\(result.errors)")
    }
    let next = try snapstore("backup", "--vault", "v", "disk.img", "--json").object()
    #expect((next["warnings"] as? [String])?.contains { $0.contains(id) } == true)
    #expect(!(try snapstore("verify", "--vault", "v").errors.contains("warning")))
  }

  @Test("a point that is another one than this host made is noticed, though it is whole")
  func altered() throws {
    let (last, hash) = (vault.points[1].id, try hash(vault.points[1].id))
    // The same by what this host remembers being another hash.
    let folder = ".local/state/snapstore/heads"
    let names = try snapstore.directory.names(folder)
    #expect(names.count == 1)
    for name in names {
      let text = String(decoding: try snapstore.read("\(folder)/\(name)"), as: UTF8.self)
      #expect(text.contains(hash))
      let other = text.replacing(hash, with: String(repeating: "ab", count: hash.utf8.count / 2))
      try snapstore.remove("\(folder)/\(name)")
      try snapstore.write("\(folder)/\(name)", Array(other.utf8))
    }
    let result = try snapstore("verify", "--vault", "v")
    #expect(result.status == 0)
    #expect(
      result.errors.contains("\(last) is not the one that this host made"), "\(result.errors)")
  }

  @Test("what was deleted on purpose is no surprise, nor what another vault has")
  func deleted() throws {
    let last = vault.points[1].id
    #expect(try snapstore("point", "delete", last, "--vault", "v").status == 0)
    #expect(!(try snapstore("verify", "--vault", "v").errors.contains("warning")))
    let final = try snapstore("point", "delete", last, "--now", "--yes", "--vault", "v")
    #expect(final.status == 0)
    #expect(!(try snapstore("verify", "--vault", "v").errors.contains("warning")))
    #expect(try snapstore("vault", "create", "other").status == 0)
    #expect(!(try snapstore("verify", "--vault", "other").errors.contains("warning")))
  }

  @Test("verify --expect finds the point of a hash, or says that it is missing")
  func expected() throws {
    let (first, last) = (vault.points[0].id, vault.points[1].id)
    let hash = try hash(last)
    func verify(_ more: String...) throws -> ProgramRun.Result {
      try snapstore.run(["verify", "--vault", "v"] + more)
    }
    #expect(try verify("--expect", hash, "--expect", self.hash(first)).status == 0)
    #expect(try verify("--expect", hash, "--point", last).status == 0)
    let other = try verify("--expect", hash, "--point", first)
    #expect(other.status == 65 && (other.output + other.errors).contains(hash))
    #expect(try verify("--expect", String(hash.reversed())).status == 65)
    vault.expectClear(try verify("--expect", "1234"), [64], "a hash that is none")
  }
}
