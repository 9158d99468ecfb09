import Foundation
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

/// Random work on a vault beside a plain model of it: what each disk holds now, and what each point
/// must hold. A failure prints the seed; `SNAPSTORE_SOAK=1` does thousands of steps.
@Suite("A vault and a plain model of it agree") struct ModelTests {
  private static let isSoak = ProcessInfo.processInfo.environment["SNAPSTORE_SOAK"] != nil

  @Test(arguments: isSoak ? Array(1...40) : [1, 2, 3])
  func agree(seed: UInt64) throws {
    var run = try ModelRun(seed: seed)
    for _ in 0..<(Self.isSoak ? 400 : 120) { try run.step() }
    try run.finish()
  }
}

private struct ModelRun {
  private typealias Hash = [UInt8]

  private let seed: UInt64
  private let fixture: EngineFixture
  private var random: SeededGenerator
  /// What the disks of each machine hold now, by name.
  private var machines: [String: [String: [UInt8]]] = [:]
  /// What each point must hold.
  private var points: [(id: PointID, disks: [String: Hash])] = []
  /// Points that were deleted and can be brought back.
  private var deleted: [(id: PointID, disks: [String: Hash])] = []
  /// Whether there was ever damage: a collection may refuse then.
  private var wasDamaged = false
  /// Points that damage has taken away, as the last verification said.
  private var lost: Set<PointID> = []
  private var steps = 0
  private var kills = 0

  init(seed: UInt64) throws {
    self.seed = seed
    random = SeededGenerator(seed: seed)
    var parameters = Vault.Parameters()
    if seed % 3 == 0 { parameters.chunking = .fixed(16384) }
    if seed % 4 == 0 { parameters.chunkHash = .xxh3 }
    fixture = try EngineFixture(parameters: parameters)
    for machine in ["a", "b", "c"] {
      machines[machine] = ["os": DiskImage.varied(seed: seed, byteCount: 150_000).bytes]
    }
  }

  private var comment: Comment { "seed \(seed), step \(steps)" }

  mutating func step() throws {
    steps += 1
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<34: change()
    case 34..<39: try delete()
    case 39..<41: try undelete()
    case 41..<45: try collect()
    case 45..<60: try backUp(anyMachine())
    case 60..<65: try failToBackUp(anyMachine())
    case 65..<77: try kill()
    case 77..<87: try restoreAny()
    case 87..<91: try verify(isQuick: true)
    case 91..<94: try verify(isQuick: false)
    case 94..<97: try loseIndex()
    default: try damage()
    }
  }

  mutating func finish() throws {
    try verify(isQuick: false)
    for point in points { try restore(point) }
    print("seed \(seed): \(steps) steps, \(points.count) points, \(kills) runs killed")
    #expect(kills > steps / 40, comment)
  }

  // MARK: Disks

  private mutating func anyMachine() -> String {
    ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
  }

  private mutating func change() {
    let machine = anyMachine()
    var disks = machines[machine] ?? [:]
    let names = disks.keys.sorted()
    let name = names[Int.random(in: 0..<names.count, using: &random)]
    var content = disks[name] ?? []
    let start = content.isEmpty ? 0 : Int.random(in: 0..<content.count, using: &random)
    let end = min(content.count, start + Int.random(in: 1...40_000, using: &random))
    switch Int.random(in: 0..<8, using: &random) {
    case 0, 1: content.replaceSubrange(start..<end, with: random.bytes(end - start))
    case 2: content.replaceSubrange(start..<end, with: repeatElement(0, count: end - start))
    case 3:
      let other = machines[anyMachine()]?["os"] ?? []
      content.replaceSubrange(
        0..<min(content.count, other.count), with: other.prefix(content.count))
    case 4: content += random.bytes(Int.random(in: 1...70_000, using: &random))
    case 5: content += [UInt8](repeating: 0, count: Int.random(in: 1...70_000, using: &random))
    case 6: content.removeLast(content.count - start)
    default:
      if disks.count < 4 { disks["data\(steps)"] = content } else { disks[name] = nil }
      machines[machine] = disks
      return
    }
    // Small, so that thousands of steps are soon done; but often of two extents.
    disks[name] = Array(content.prefix(300_000))
    if steps % 40 == 0 { disks[name] = random.bytes(4_300_000) }
    machines[machine] = disks
  }

  // MARK: Runs

  private func write(_ disks: [String: [UInt8]], of machine: String) throws -> [String] {
    try disks.keys.sorted().map { name in
      let folder = "\(fixture.directory.path)/\(machine)"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try Data(disks[name] ?? []).write(to: URL(fileURLWithPath: "\(folder)/\(name).img"))
      return "\(folder)/\(name).img"
    }
  }

  private mutating func backUp(_ machine: String) throws {
    let disks = machines[machine] ?? [:]
    let jobs = Int.random(in: 1...3, using: &random)
    let report = try fixture.backup(
      try write(disks, of: machine), machine: machine, resources: Resources(jobs: jobs))
    points.append((report.point.id, disks.mapValues { ObjectHash.of($0.rawSpan) }))
  }

  /// A store that refuses the n-th object: the run fails, and there is no point.
  private mutating func failToBackUp(_ machine: String) throws {
    let disks = machines[machine] ?? [:]
    let paths = try write(disks, of: machine)
    let left = Lock(Int.random(in: 0..<5, using: &random))
    fixture.wrap = { store in
      FailingStore(store) { name in
        name.folder != "sessions" && !name.key.hasSuffix(".2")
          && left.withLock {
            $0 -= 1
            return $0 == -1
          }
      }
    }
    defer { fixture.wrap = { $0 } }
    do {
      let report = try fixture.backup(paths, machine: machine)
      points.append((report.point.id, disks.mapValues { ObjectHash.of($0.rawSpan) }))
    } catch is FailingStore.Refused {
      let known = try PointCatalog(try fixture.vault()).entries.map(\.point.id)
      #expect(Set(known) == Set(points.map(\.id)), comment)
    }
  }

  // MARK: Kills

  /// A run that is killed after a random call, if it makes so many: of those that follow none does
  /// anything, descriptors are closed and their locks free, and what it had made is left.
  private mutating func kill() throws {
    let healthy = fixture.host
    let last = Int.random(in: 0..<300, using: &random)
    fixture.host.calls = FaultySystemCalls(
      faults: [.from(last + 1, nil, .error(.tooManyOpenFiles))])
    defer { fixture.host = healthy }
    do {
      switch Int.random(in: 0..<8, using: &random) {
      case 0: _ = try fixture.verify()
      case 1, 2: try killRestore(healthy)
      case 3, 4: try fixture.collect(maximumDeadPercent: 0)
      default: try killBackup(anyMachine(), healthy)
      }
    } catch {
      // That nothing can be done any more is no damage.
      #expect(wasDamaged || !(error is VaultError), "\(error), \(comment)")
      kills += 1
    }
  }

  private mutating func killBackup(_ machine: String, _ healthy: HostSystem) throws {
    let disks = machines[machine] ?? [:]
    let paths = try write(disks, of: machine)
    let hashes = disks.mapValues { ObjectHash.of($0.rawSpan) }
    do {
      let report = try fixture.backup(paths, machine: machine)
      points.append((report.point.id, hashes))
    } catch {
      // All that was reported is there; and the point in flight, or nothing else.
      fixture.host = healthy
      let known = Set(try PointCatalog(try fixture.vault()).entries.map(\.point.id))
      #expect(known.isSuperset(of: points.map(\.id)), comment)
      let inFlight = known.subtracting(points.map(\.id))
      #expect(inFlight.count <= 1, comment)
      for point in inFlight { points.append((point, hashes)) }
      throw error
    }
  }

  private func killRestore(_ healthy: HostSystem) throws {
    guard let point = points.last else { return }
    defer { fixture.host = healthy }
    do {
      try restore(point)
    } catch {
      // The directory is not there, or whole; a hidden one may be left.
      let names = try fixture.directory.names()
      for name in names where name.contains("snapstore-unfinished") {
        try FileManager.default.removeItem(atPath: fixture.directory.path(name))
      }
      if names.contains("out") { try expectRight(point) }
      throw error
    }
  }

  // MARK: Restores

  private mutating func restoreAny() throws {
    guard !points.isEmpty else { return }
    try restore(points[Int.random(in: 0..<points.count, using: &random)])
  }

  private func restore(_ point: (id: PointID, disks: [String: Hash])) throws {
    let target = "\(fixture.directory.path)/out"
    do {
      _ = try fixture.restore(point.id.text, to: "out")
    } catch let error as VaultError where error.code == .damaged {
      #expect(lost.contains(point.id), "\(error), \(comment)")
      #expect(!FileManager.default.fileExists(atPath: target))
      return
    }
    try expectRight(point)
  }

  /// Compares what was restored, and removes it.
  private func expectRight(_ point: (id: PointID, disks: [String: Hash])) throws {
    #expect(
      try fixture.directory.names("out") == point.disks.keys.sorted().map { "\($0).img" }, comment)
    for (name, hash) in point.disks {
      let restored = try fixture.restored(name, in: "out")
      #expect(ObjectHash.of(restored.rawSpan) == hash, "\(point.id) \(name), \(comment)")
    }
    try FileManager.default.removeItem(atPath: fixture.directory.path("out"))
  }

  // MARK: Deleting

  private mutating func delete() throws {
    guard points.count > 1 else { return }
    let isFinal = Bool.random(using: &random)
    let point = points.remove(at: Int.random(in: 0..<points.count, using: &random))
    try fixture.delete(point.id, isFinal: isFinal)
    if !isFinal { deleted.append(point) }
    #expect(throws: VaultError.self, comment) { try fixture.restore(point.id.text, to: "out") }
  }

  private mutating func undelete() throws {
    guard !deleted.isEmpty else { return }
    let point = deleted.remove(at: Int.random(in: 0..<deleted.count, using: &random))
    let vault = try fixture.vault()
    try PointDeletion(vault, at: vault.now()).undelete(point.id)
    points.append(point)
  }

  private mutating func collect() throws {
    let percent = [0, 10, 50][Int.random(in: 0..<3, using: &random)]
    do {
      try fixture.collect(maximumDeadPercent: percent)
    } catch let error as VaultError where error.code == .damaged {
      #expect(wasDamaged, "\(error), \(comment)")
    }
    let kept = try PointCatalog(fixture.vault()).kept.map(\.point.id)
    #expect(Set(kept) == Set((points + deleted).map(\.id)), comment)
  }

  // MARK: Damage

  private func verify(isQuick: Bool) throws {
    let report = try fixture.verify(isQuick: isQuick)
    let losers = Set(report.damaged.flatMap(\.losses).map(\.point))
    #expect(losers.isSubset(of: lost), comment)
    #expect(report.pointCount == points.count + deleted.count, comment)
    if lost.isEmpty { #expect(report.damaged.isEmpty, comment) }
  }

  private mutating func loseIndex() throws {
    for path in try fixture.objects("index") where Bool.random(using: &random) {
      try FileManager.default.removeItem(atPath: path)
    }
  }

  /// Damages a record: verify says which points lose by it, and no others do; the next backups of
  /// all machines give back what their disks still have.
  private mutating func damage() throws {
    let packs = try fixture.objects("packs")
    guard !packs.isEmpty else { return }
    wasDamaged = true
    let pack = packs[Int.random(in: 0..<packs.count, using: &random)]
    let records = try fixture.directory(ofPackAt: pack)
    guard !records.isEmpty else { return }
    let record = records[Int.random(in: 0..<records.count, using: &random)].record
    let offset = Int.random(in: 0..<record.byteCount, using: &random)
    try fixture.damage(pack, at: Int(record.offset) + offset)
    let found = try fixture.verify()
    lost = Set(found.damaged.flatMap(\.losses).map(\.point))
    for point in points.suffix(3) { try restoreExactly(point) }
    for machine in ["a", "b", "c"] { try backUp(machine) }
    let after = try fixture.verify()
    lost = Set(after.damaged.flatMap(\.losses).map(\.point))
    let newest = points.suffix(3).map(\.id)
    #expect(lost.isDisjoint(with: newest), "new points are whole, \(comment)")
    for point in points.suffix(5) { try restoreExactly(point) }
  }

  /// A point can be restored just where verify says so.
  private func restoreExactly(_ point: (id: PointID, disks: [String: Hash])) throws {
    if lost.contains(point.id) {
      #expect(throws: VaultError.self, comment) {
        try fixture.restore(point.id.text, to: "out")
      }
    } else {
      try restore(point)
    }
  }
}
