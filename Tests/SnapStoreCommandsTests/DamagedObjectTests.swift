import Foundation
import SnapStoreTestSupport
import Testing

/// Every kind of object, damaged in every way, against every command: right bytes or a clear error.
@Suite("A damaged object costs what needs it, and no more")
struct DamagedObjectTests {
  enum Object: String, CaseIterable, Sendable {
    case descriptor, packs, segment, oneCopyOfAPoint, bothCopiesOfAPoint, session, outcome,
      copyOfAnOutcome, bothOutcomes, policies, machines
  }

  enum Damage: String, CaseIterable, Sendable {
    case truncated, emptied, flipped, removed
  }

  /// The objects of the newest point, so far as they are of one point.
  private static func paths(
    of object: Object, _ vault: VaultRun, _ newest: String
  ) throws -> [String] {
    let session = try vault.objects("outcomes").filter { !$0.hasSuffix(".2") }
    switch object {
    case .descriptor: return ["v/vault"]
    case .packs: return try vault.objects("packs")
    case .segment: return Array(try vault.objects("index").prefix(1))
    case .oneCopyOfAPoint: return ["v/points/\(newest).1"]
    case .bothCopiesOfAPoint: return ["v/points/\(newest).1", "v/points/\(newest).2"]
    case .session: return try vault.objects("sessions")
    case .outcome: return session
    case .copyOfAnOutcome: return session.map { $0 + ".2" }
    case .bothOutcomes: return session + session.map { $0 + ".2" }
    case .policies: return try vault.objects("policies")
    case .machines: return try vault.objects("machines")
    }
  }

  private static func apply(_ damage: Damage, to path: String, _ vault: VaultRun) throws {
    var bytes = try vault.snapstore.read(path)
    switch damage {
    case .removed: return try vault.remove(path)
    case .emptied: bytes = []
    case .truncated: bytes.removeLast(bytes.count / 2)
    case .flipped:
      // Often enough for a pack to lose each of its records.
      for offset in stride(from: min(70, bytes.count / 2), to: bytes.count, by: 5000) {
        bytes[offset] ^= 4
      }
    }
    try vault.snapstore.write(path, bytes)
  }

  /// What a restore of the newest point ends with.
  private static func restoreStatus(_ object: Object, _ damage: Damage) -> Int32 {
    switch object {
    case .packs: 65
    case .bothCopiesOfAPoint: damage == .removed ? 66 : 65
    // Where nobody can tell how its session ended, it is there for who names it.
    case .bothOutcomes, .descriptor, .segment, .oneCopyOfAPoint, .session, .outcome,
      .copyOfAnOutcome, .policies,
      .machines:
      0
    }
  }

  @Test(arguments: Object.allCases, Damage.allCases)
  func everyCommand(object: Object, damage: Damage) throws {
    let vault = try VaultRun()
    let snapstore = vault.snapstore
    let newest = vault.points[1]
    #expect(try snapstore("policy", "set", "gold", "--keep-last", "1", "--vault", "v").status == 0)
    let assign = ["policy", "assign", "gold", "--vault", "v", "--vm", "disk"]
    #expect(try snapstore.run(assign + ["--os-disk", "disk.img"]).status == 0)
    for path in try Self.paths(of: object, vault, newest.id) {
      try Self.apply(damage, to: path, vault)
    }
    let status = Self.restoreStatus(object, damage)
    let restore = try snapstore(
      "restore", "--vault", "v", "--point", newest.id, "--to", "out", "--json")
    #expect(restore.status == status, "\(restore.errors)")
    if status == 0 {
      #expect(try snapstore.read("out/disk.img") == newest.content)
    } else {
      #expect(!FileManager.default.fileExists(atPath: snapstore.path("out")))
      let error = try restore.object()
      #expect(error["code"] as? Int32 == status)
    }
    // The other point needs the packs and its outcome, and nothing of the newest.
    try vault.expectRightOrClear(vault.points[0], vault: "v", [status], "the other point")

    let points = try snapstore("points", "--vault", "v", "--json")
    // It lists what it can, warns of the rest, and says so by its exit code.
    let isNamed =
      object == .bothOutcomes || object == .bothCopiesOfAPoint && damage != .removed
    #expect(points.status == (isNamed ? 65 : 0), "\(points.errors)")
    #expect(points.status == 0 || points.errors.contains("\(newest.id) can't be read"))
    let ids = try points.json().first as? [[String: Any]] ?? []
    let isListed = ids.contains { $0["point"] as? String == newest.id }
    #expect(isListed == (object == .packs || status == 0 && !isNamed), "\(points.output)")
    let show = try snapstore("show", "--vault", "v", newest.id)
    vault.expectClear(show, object == .packs ? [0] : [status], "show")
    let verified = try snapstore("verify", "--vault", "v", "--point", newest.id, "--quiet")
    for result in [restore, show, verified] {
      let isDoubted = result.errors.contains("came to its end is not known")
      #expect(isDoubted == (status == 0 && isNamed), "\(result.errors)")
    }
    vault.expectClear(try snapstore("vault", "info", "--vault", "v", "--json"), [0], "info")

    // A policy that can't be read is said; one of which nothing is left is not there.
    let list = try snapstore("policy", "list", "--vault", "v", "--json")
    let isUnreadable = damage != .removed && [.policies, .machines].contains(object)
    #expect(list.status == (isUnreadable ? 65 : 0), "\(list.errors)")

    // All of them are seen, but an index that is gone, which is none, and sessions and a point or
    // policy that nothing tells of any more. (Of outcomes, the points behind tell.)
    let verify = try snapstore("verify", "--vault", "v")
    let isUnseen =
      damage == .removed
      && [
        .segment, .session, .copyOfAnOutcome, .bothCopiesOfAPoint, .policies, .machines,
      ].contains(object)
    #expect(verify.status == (isUnseen ? 0 : 65), "\(verify.output)\(verify.errors)")

    // A backup goes on, and stores again what is lost.
    let backup = try snapstore("backup", "--vault", "v", "disk.img", "--json")
    vault.expectClear(backup, [0], "backup")
    let point = try #require(try backup.object()["point"] as? String)
    #expect(try vault.expectRightOrClear((point, newest.content), vault: "v", [], "healed"))
    let assigned = try snapstore("backup", "--vault", "v", "--vm", "disk")
    vault.expectClear(
      assigned, [object != .machines ? 0 : isUnreadable ? 65 : 66], "a backup without paths")
  }

  @Test("sixty random damages, each followed by a restore of every point")
  func random() throws {
    var system = SystemRandomNumberGenerator()
    let seed =
      try ProcessInfo.processInfo.environment["SNAPSTORE_SEED"].map { try #require(UInt64($0)) }
      ?? UInt64.random(in: 0..<1_000_000_000, using: &system)
    print("random damage: SNAPSTORE_SEED=\(seed)")
    var random = SeededGenerator(seed: seed)
    let vault = try VaultRun(points: 3, byteCount: 100_000)
    for attempt in 0..<60 {
      let name = "v\(attempt)"
      try vault.copyVault(to: name)
      let damage = try Self.damageSomething(vault, name, &random)
      let comment = "seed \(seed), damage \(attempt): \(damage)"
      for point in vault.points {
        try vault.expectRightOrClear(point, vault: name, [65, 66], comment)
      }
      try vault.remove(name)
    }
  }

  private static func damageSomething(
    _ vault: VaultRun, _ name: String, _ random: inout SeededGenerator
  ) throws -> String {
    let folders = ["packs", "packs", "packs", "index", "points", "sessions", "outcomes"]
    var paths = ["\(name)/vault"]
    for folder in folders { paths += try vault.objects(folder, vault: name) }
    let path = paths[Int.random(in: paths.indices, using: &random)]
    var bytes = try vault.snapstore.read(path)
    let offset = Int.random(in: bytes.indices, using: &random)
    let kind = Int.random(in: 0..<4, using: &random)
    switch kind {
    case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes.removeLast(bytes.count - offset)
    case 2:
      let end = min(bytes.count, offset + Int.random(in: 1...5000, using: &random))
      for index in offset..<end { bytes[index] = 0 }
    default:
      try vault.remove(path)
      return "\(path) removed"
    }
    try vault.snapstore.write(path, bytes)
    return "\(path) \(["flipped", "cut", "zeroed"][kind]) at \(offset)"
  }
}
