import Foundation
import SnapStoreTestSupport
import Testing

@Suite("Pruning by rules, and pins")
struct PruneProgramTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }

  init() throws {
    vault = try VaultRun(points: 4)
  }

  private func run(_ arguments: String...) throws -> ProgramRun.Result {
    try snapstore.run(arguments + ["--vault", "v"])
  }

  private func listed(_ more: String...) throws -> [String] {
    let list = try snapstore.run(["points", "--json", "--vault", "v"] + more).json().first
    return try #require(list as? [[String: Any]]).compactMap { $0["point"] as? String }
  }

  @Test("a dry run says which rule keeps each point, and changes nothing")
  func dryRun() throws {
    let ids = vault.points.map(\.id)
    let dry = try run("prune", "--keep-last", "2", "--keep-monthly", "1", "--dry-run", "--json")
      .object()
    #expect(dry["dry_run"] as? Bool == true && dry["deleted_points"] as? Int == 2)
    let machine = try #require((dry["machines"] as? [[String: Any]])?.first)
    #expect(machine["vm"] as? String == "disk" && machine["policy"] is NSNull)
    let points = try #require(machine["points"] as? [[String: Any]])
    #expect(points.compactMap { $0["point"] as? String } == ids)
    #expect(points.compactMap { $0["kept"] as? Bool } == [false, false, true, true])
    let month = try #require(points[3]["time"] as? String).prefix(7)
    #expect(points[3]["reasons"] as? [String] == ["last", "monthly \(month)"])
    let text = try run("prune", "--keep-last", "2", "--dry-run").output
    #expect(text.contains("\(ids[0])") && text.contains("2 points would be deleted, 2 kept"))
    #expect(try listed() == ids)
  }

  @Test("what no rule keeps is deleted, and comes back")
  func prune() throws {
    let ids = vault.points.map(\.id)
    let done = try run("prune", "--keep-last", "2", "--soft-delete", "3d")
    #expect(done.status == 0 && done.output.contains("Deleted 2 points, kept 2"))
    #expect(try listed() == Array(ids.suffix(2)))
    #expect(try run("point", "undelete", ids[1]).status == 0)
    try vault.expectRightOrClear(vault.points[1], vault: "v", [], "undeleted")
    #expect(try run("verify").status == 0)
  }

  @Test("more than half of a machine's points need --yes; pinned ones stay all the same")
  func careful() throws {
    let ids = vault.points.map(\.id)
    #expect(try run("point", "pin", ids[0]).status == 0)
    let refused = try run("prune", "--keep-last", "0", "--keep-daily", "1", "--vm", "disk")
    #expect(refused.status == 0, "two of four go: \(refused.errors)")
    #expect(try listed() == [ids[0], ids[3]])
    for id in ids[1...2] { #expect(try run("point", "undelete", id).status == 0) }
    #expect(try run("point", "unpin", ids[0]).status == 0)
    let drastic = try run("prune", "--keep-last", "1")
    vault.expectClear(drastic, [77], "three of four")
    #expect(drastic.errors.contains("3 of the 4 points") && drastic.errors.contains("--yes"))
    #expect(try listed() == ids)
    #expect(try run("prune", "--keep-last", "1", "--yes").status == 0)
    #expect(try listed() == [ids[3]])
  }

  @Test("only the machine that is named is pruned, and it must be one that has points")
  func named() throws {
    for _ in 0..<2 { #expect(try run("backup", "--vm", "other", "disk.img").status == 0) }
    #expect(try run("prune", "--vm", "disk", "--keep-last", "1", "--yes").status == 0)
    #expect(try listed("--vm", "disk").count == 1)
    #expect(try listed("--vm", "other").count == 2)
    vault.expectClear(try run("prune", "--vm", "typo", "--keep-last", "1"), [66], "a typing error")
  }

  @Test("a machine's policy says what is kept and for how long the rest comes back")
  func policy() throws {
    let ids = vault.points.map(\.id)
    #expect(try run("policy", "set", "gold", "--keep-last", "3", "--soft-delete", "2d").status == 0)
    vault.expectClear(try run("prune"), [64], "no machine has it yet")
    #expect(
      try run("policy", "assign", "gold", "--vm", "disk", "--data-disk", "disk.img").status == 0)
    let typed = try run("prune", "--vm", "disk", "--keep-last", "1", "--yes")
    vault.expectClear(typed, [64], "a policy, and options")
    #expect(typed.errors.contains("policy gold"))
    // Options are for machines without a policy: here is none.
    let done = try run("prune", "--keep-last", "1", "--json").object()
    #expect(done["deleted_points"] as? Int == 1 && done["kept_points"] as? Int == 3)
    #expect(((done["machines"] as? [[String: Any]])?.first)?["policy"] as? String == "gold")
    #expect(try listed() == Array(ids.suffix(3)))
    // Two days of soft delete, of the policy, also by hand.
    let deleted = try run("point", "delete", ids[1], "--json").object()
    let until = try #require(deleted["undelete_until"] as? String)
    let days = try #require(ISO8601DateFormatter().date(from: until)).timeIntervalSinceNow / 86400
    #expect(days > 1.9 && days < 2.1)
  }

  @Test("where a policy can't be read, nothing is deleted")
  func unreadablePolicy() throws {
    #expect(try run("policy", "set", "gold", "--keep-last", "1").status == 0)
    #expect(
      try run("policy", "assign", "gold", "--vm", "disk", "--data-disk", "disk.img").status == 0)
    for folder in ["policies", "machines"] {
      try vault.copyVault(to: "damaged")
      for object in try vault.objects(folder, vault: "damaged") {
        try snapstore.write(object, [1, 2, 3])
      }
      let result = try snapstore("prune", "--vault", "damaged", "--keep-last", "1", "--yes")
      #expect(result.status == 0 && result.errors.contains("its points stay"), "\(result.errors)")
      let left = try snapstore("points", "--vault", "damaged", "--json").json().first
      #expect((left as? [Any])?.count == 4)
      try vault.remove("damaged")
    }
  }

  @Test("a pinned point is not deleted, and is shown as pinned")
  func pins() throws {
    let id = vault.points[1].id
    for _ in 0..<2 { #expect(try run("point", "pin", id).status == 0) }
    #expect(try run("show", id, "--json").object()["pinned"] as? Bool == true)
    #expect(try run("points").output.contains("pinned"))
    let refused = try run("point", "delete", id)
    vault.expectClear(refused, [77], "delete")
    #expect(refused.errors.contains("snapstore point unpin \(id)"))
    for _ in 0..<2 { #expect(try run("point", "unpin", id).status == 0) }
    #expect(try run("point", "delete", id).status == 0)
    vault.expectClear(try run("point", "pin", id), [66], "pin of a deleted point")
  }

  @Test(
    "rules that are none are refused",
    arguments: [
      ["--keep-last", "0"], ["--keep-last", "-1"], ["--keep-daily", "x"], ["--time-zone", "UTC"],
      ["--keep-last", "1", "--time-zone", "../../etc/passwd"],
      ["--keep-last", "1", "--soft-delete", "14"], ["--keep-last", "1", "--soft-delete", "-1d"],
    ])
  func refused(_ options: [String]) throws {
    vault.expectClear(
      try snapstore.run(["prune", "--vault", "v", "--yes"] + options), [64], "\(options)")
    let zone = try run("prune", "--yes", "--keep-last", "1", "--time-zone", "Mars/Olympus")
    vault.expectClear(zone, [66], "a zone that is none")
    #expect(try listed().count == 4)
  }
}
