import Foundation
import Logging
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("Policies and machines of a vault")
struct PolicyTests {
  private let fixture: CatalogFixture
  private var vault: Vault { fixture.vault }
  private var changes: PolicyChanges { PolicyChanges(vault) }

  init() throws {
    fixture = try CatalogFixture()
  }

  private func name(_ text: String) throws -> Name { try #require(Name(text)) }

  private func settings(
    daily: UInt32 = 7, _ schedule: String? = nil
  ) -> PolicyRecord.Settings {
    .init(
      schedule: schedule.flatMap { Schedule($0) }, zone: .utc, rules: KeepRules(daily: daily),
      softDeleteSeconds: 60)
  }

  private func disk(_ text: String) throws -> MachineRecord.Disk {
    .init(name: try name(text), role: .data, source: "/srv/\(text).img")
  }

  private func path(_ object: String) -> String { fixture.directory.path("vault/\(object)") }
  private func objects(_ folder: String) throws -> [String] {
    try fixture.directory.names("vault/\(folder)")
  }

  private func damage(_ object: String) throws {
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path(object)))
  }

  @Test("the newest change holds, all stay on record, what changes nothing is no change")
  func set() throws {
    let gold = try name("gold-00000009.1")
    #expect(throws: VaultError.self) { try Policies(vault).policy(named: gold) }
    _ = try changes.set(gold) { old in
      #expect(old == nil)
      return settings(daily: 7)
    }
    let result = try changes.set(gold) { old in
      var new = try #require(old)
      new.rules.weekly = 4
      return new
    }
    #expect(result.rules == KeepRules(daily: 7, weekly: 4))
    _ = try changes.set(gold) { try #require($0) }
    #expect(try Policies(vault).policy(named: gold).settings == result)
    try changes.remove(gold)
    #expect(try Policies(vault).policies.isEmpty)
    #expect(throws: VaultError.self) { try changes.remove(gold) }
    _ = try changes.set(gold) { old in
      #expect(old == nil, "nothing is kept of one that was removed")
      return settings(daily: 1)
    }
    let history = try Policies.changes(of: gold, in: vault)
    #expect(history.map(\.number) == [1, 2, 3, 4])
    #expect(history.map { $0.record?.settings?.rules.daily } == [7, 7, nil, 1])
    #expect(
      try objects("policies")
        == (1...4).flatMap { ["\(gold)-0000000\($0).1", "\(gold)-0000000\($0).2"] })
  }

  @Test("a machine keeps its disks, and a policy that is assigned can't go")
  func assign() throws {
    let (gold, web) = (try name("gold"), try name("web"))
    let missing = #expect(throws: VaultError.self) {
      try changes.assign(gold, to: web, disks: [try disk("a")])
    }
    #expect(missing?.code == .notThere)
    _ = try changes.set(gold) { _ in settings(daily: 7, "weekly mon 02:00") }
    _ = try changes.set(try name("silver")) { _ in settings(daily: 3, "hourly") }
    let noDisks = #expect(throws: VaultError.self) {
      try changes.assign(gold, to: web, disks: nil)
    }
    #expect(noDisks?.code == .misuse)
    #expect(try Policies(vault).longestInterval == 0)
    let disks = [try disk("a"), try disk("b")]
    _ = try changes.assign(gold, to: web, disks: disks)
    #expect(try Policies(vault).longestInterval == 7 * 86400)
    let refused = #expect(throws: VaultError.self) { try changes.remove(gold) }
    #expect(refused?.code == .misuse && refused?.message.contains("web") == true)
    #expect(try changes.assign(try name("silver"), to: web, disks: nil).disks == disks)
    let policies = try Policies(vault)
    #expect(policies.longestInterval == 3600)
    #expect(policies.policy(of: web)?.name.text == "silver")
    #expect(policies.policy(of: gold) == nil)
    #expect(try policies.machine(named: web).assignment.disks == disks)
    try changes.remove(gold)
    #expect(try changes.unassign(web))
    #expect(try !changes.unassign(web))
    #expect(try Policies(vault).policy(of: web) == nil)
    #expect(throws: VaultError.self) { try Policies(vault).machine(named: web) }
    #expect(try objects("machines").count == 6)
  }

  @Test("two at once: no change is lost, and each has its number")
  func atOnce() throws {
    let gold = try name("gold")
    _ = try changes.set(gold) { _ in settings(daily: 1) }
    let work = ParallelWork()
    work.run("set", lanes: 4) { _ in
      for _ in 0..<5 {
        _ = try PolicyChanges(vault).set(gold) { old in
          var new = try #require(old)
          new.rules.daily += 1
          return new
        }
      }
    }
    try work.wait()
    #expect(try Policies(vault).policy(named: gold).settings.rules.daily == 21)
    let history = try Policies.changes(of: gold, in: vault)
    #expect(history.compactMap { $0.record?.settings?.rules.daily } == Array(1...21))
  }

  /// True where it was done, false where it was refused.
  private static func isDone(_ body: () throws -> Void) throws -> Bool {
    do {
      try body()
      return true
    } catch is VaultError {
      return false
    }
  }

  @Test(
    "removed while it is assigned, before any call: no machine has a policy that is gone",
    arguments: [true, false])
  func removedWhileAssigned(_ isAssignFirst: Bool) throws {
    let (gold, web, disk) = (try name("gold"), try name("web"), try disk("a"))
    let assign: @Sendable (Vault) throws -> Bool = { vault in
      try Self.isDone { _ = try PolicyChanges(vault).assign(gold, to: web, disks: [disk]) }
    }
    let remove: @Sendable (Vault) throws -> Bool = { vault in
      try Self.isDone { try PolicyChanges(vault).remove(gold) }
    }
    var isOver = false
    var call = 0
    while !isOver {
      call += 1
      let place = try CatalogFixture()
      let vault = place.vault
      _ = try PolicyChanges(vault).set(gold) { _ in settings(daily: 1) }
      let state = Lock((count: 0, other: false))
      let store = ObservedStore(vault.store) { [call] _ in
        let count = state.withLock { state in
          state.count += 1
          return state.count
        }
        guard count == call else { return }
        let isDone = try (isAssignFirst ? remove : assign)(vault)
        state.withLock { $0.other = isDone }
      }
      let one = try (isAssignFirst ? assign : remove)(vault.through(store))
      isOver = state.withLock { $0.count < call }
      let other = state.withLock { $0.other }
      let now = try Policies(vault)
      let comment: Comment = "before call \(call)"
      #expect(!(one && other), comment)
      #expect(now.machines.isEmpty || now.policy(of: web) != nil, comment)
      let (isAssigned, isRemoved) = isAssignFirst ? (one, other) : (other, one)
      #expect(!isAssigned || now.policy(of: web) != nil, comment)
      #expect(!isRemoved || now.policies.isEmpty, comment)
      withExtendedLifetime(place) {}
    }
    #expect(call > 10)
  }

  @Test("a policy stays while it can't be known that no machine has it")
  func removedBesideDamage() throws {
    let (gold, web) = (try name("gold"), try name("web"))
    _ = try changes.set(gold) { _ in settings() }
    _ = try changes.assign(gold, to: web, disks: [])
    for object in try objects("machines") { try damage("machines/\(object)") }
    let error = #expect(throws: VaultError.self) { try changes.remove(gold) }
    #expect(error?.code == .damaged && error?.hint?.contains("policy assign") == true)
    #expect(try Policies(vault).policy(named: gold).name == gold)
    #expect(try changes.unassign(web))
    try changes.remove(gold)
  }

  @Test("one copy may be damaged or gone; verify says so, and nothing else changes")
  func oneCopy() throws {
    let (gold, web) = (try name("gold"), try name("web"))
    _ = try changes.set(gold) { _ in settings() }
    _ = try changes.assign(gold, to: web, disks: [try disk("a")])
    for copy in ["policies/gold-00000001.1", "machines/web-00000001.1"] { try damage(copy) }
    #expect(try Policies(vault).policy(of: web)?.settings == settings())
    #expect(try Policies(vault).unreadable.isEmpty)
    for copy in ["policies/gold-00000001.1", "machines/web-00000001.1"] {
      try FileManager.default.removeItem(atPath: path(copy))
    }
    let policies = try Policies(vault)
    #expect(policies.policy(of: web)?.settings == settings() && policies.unreadable.isEmpty)
    _ = try changes.set(gold) { _ in settings(daily: 8) }
    #expect(try objects("policies").last == "gold-00000002.2", "the number is not used again")
  }

  @Test("what can't be read is said, is nobody's older state, and can be set anew")
  func unreadable() throws {
    let (gold, web) = (try name("gold"), try name("web"))
    _ = try changes.set(gold) { _ in settings(daily: 1) }
    _ = try changes.set(gold) { _ in settings(daily: 2) }
    _ = try changes.assign(gold, to: web, disks: [try disk("a")])
    for copy in 1...2 { try damage("policies/gold-00000002.\(copy)") }
    var policies = try Policies(vault)
    #expect(policies.policy(of: web) == nil && policies.policies.isEmpty)
    #expect(policies.unreadable.map(\.name) == [gold])
    let error = #expect(throws: VaultError.self) { try policies.policy(named: gold) }
    #expect(error?.code == .damaged)
    #expect(try Policies.changes(of: gold, in: vault).map { $0.record == nil } == [false, true])
    _ = try changes.set(gold) { old in
      #expect(old == nil)
      return settings(daily: 3)
    }
    for copy in 1...2 { try damage("machines/web-00000001.\(copy)") }
    policies = try Policies(vault)
    #expect(policies.policies.map(\.name) == [gold] && policies.machines.isEmpty)
    #expect(throws: VaultError.self) { try policies.machine(named: web) }
    #expect(throws: VaultError.self) { try changes.assign(gold, to: web, disks: nil) }
    _ = try changes.assign(gold, to: web, disks: [try disk("b")])
    #expect(try Policies(vault).policy(of: web)?.settings.rules.daily == 3)
  }

  @Test("a change of a newer program is left alone")
  func newer() throws {
    let gold = try name("gold")
    _ = try changes.set(gold) { _ in settings() }
    for copy in 1...2 {
      let object = path("policies/gold-00000001.\(copy)")
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: object)))
      try Data(asNewer(bytes)).write(to: URL(fileURLWithPath: object))
    }
    let read = #expect(throws: VaultError.self) { try Policies(vault).policy(named: gold) }
    let write = #expect(throws: VaultError.self) { try changes.set(gold) { _ in settings() } }
    let remove = #expect(throws: VaultError.self) { try changes.remove(gold) }
    #expect([read, write, remove].map { $0?.code } == Array(repeating: .unsupported, count: 3))
  }

  @Test("names that are none are no changes, and the last number is no trap")
  func strangeNames() throws {
    let gold = try name("gold")
    _ = try changes.set(gold) { _ in settings() }
    for key in ["gold-00000002", "gold-2.1", "gold-00000002.3", "gold-ffffffffffffffff.1", "x"] {
      try Data([1]).write(to: URL(fileURLWithPath: path("policies/\(key)")))
    }
    #expect(try Policies(vault).policy(named: gold).settings == settings())
    try Data([1]).write(to: URL(fileURLWithPath: path("policies/gold-7fffffffffffffff.1")))
    let error = #expect(throws: VaultError.self) { try changes.set(gold) { _ in settings() } }
    #expect(error?.code == .damaged)
  }
}
