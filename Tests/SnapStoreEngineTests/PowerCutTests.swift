import Foundation
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A power cut or a kill after any system call loses nothing that was reported")
struct PowerCutTests {
  /// `SNAPSTORE_SOAK=1` tries many more ways of what a cut leaves.
  static let isSoak = ProcessInfo.processInfo.environment["SNAPSTORE_SOAK"] == "1"

  /// What cuts at a moment leave: nothing that was not durable, all of it, and parts by seed.
  static func survivals(_ moment: Int) -> [SimulatedFileSystem.Survival] {
    let seeds = isSoak ? 40 : 1
    return (isSoak ? [.nothing, .everything] : [.nothing])
      + (0..<seeds).map { .some(seed: UInt64(moment * 1000 + $0)) }
  }

  @Test("a cut", arguments: Scenario.stopped)
  func cut(_ scenario: Scenario) throws {
    let run = try scenario.run()
    #expect(run.moments.count > 15)
    let known = KnownStates()
    for (number, moment) in run.moments.enumerated() where Self.isLookedAt(run, number) {
      let aftermath = Aftermath(run: run, moment: moment, known: known)
      for survival in Self.survivals(number) {
        let problems = aftermath.problems(afterCut: survival)
        #expect(problems.isEmpty, "\(Self.place(run, number)), left: \(survival)")
      }
    }
  }

  @Test("a kill, another run, and then a cut", arguments: Scenario.stopped)
  func kill(_ scenario: Scenario) throws {
    let run = try scenario.run()
    let known = KnownStates()
    for (number, moment) in run.moments.enumerated() where Self.isLookedAt(run, number) {
      let aftermath = Aftermath(run: run, moment: moment, known: known)
      for survival in Self.survivals(number).prefix(Self.isSoak ? 10 : 1) {
        let problems = aftermath.problems(afterKillThenCut: survival)
        #expect(problems.isEmpty, "\(Self.place(run, number)), left: \(survival)")
      }
    }
  }

  /// Of a long run, unless there is time: each moment after a call that makes or removes names or
  /// makes something durable, and some of the others.
  static func isLookedAt(_ run: Scenario.Run, _ number: Int) -> Bool {
    guard run.scenario.isSampled, !isSoak else { return true }
    let telling: [SystemCall?] = [.synchronize, .rename, .removeFile]
    return telling.contains(run.moments[number].lastCall?.call) || number % 4 == 0
  }

  /// Where it happened, for a replay: lanes may make their calls in another order in another run,
  /// so the calls before it are what counts.
  static func place(_ run: Scenario.Run, _ number: Int) -> String {
    let moment = run.moments[number]
    let last = run.moments[max(0, number - 4)...number].compactMap(\.lastCall)
    let step = run.inFlight(at: moment).map { "\($0)" } ?? "the end"
    return "\(run.scenario.name): moment \(number), after call \(moment.callCount) "
      + "(\(last.map(\.description).joined(separator: ", "))), in \(step)"
  }
}

@Suite("A session makes durable what it builds on")
struct SessionDurabilityTests {
  /// Another writer's names can be seen before that one has synchronized their folders.
  @Test func whatAnotherWriterPut() throws {
    let folders = ["packs", "points", "outcomes"]
    let system = SimulatedFixture.newSystem()
    let fixture = SimulatedFixture(system, seed: 1)
    try fixture.createVault()
    system.ignoreSynchronize { folders.contains($0) || $0 == SimulatedFixture.vaultPath }
    fixture.placeDisks(version: 0)
    let point = try fixture.backup()
    func left() -> [String] {
      let left = system.now.afterCut(.nothing)
      return folders.filter { left.names("\(SimulatedFixture.vaultPath)/\($0)")?.isEmpty == false }
    }
    #expect(left().isEmpty)
    system.ignoreSynchronize { _ in false }
    let session = try Session.beginWriting(try fixture.vault(), leaningOn: [])
    #expect(left() == folders)
    withExtendedLifetime(session) {}
    let after = SimulatedFixture(system.now.afterCut(.nothing), seed: 2)
    #expect(after.problem(of: point, version: 0, run: "cut") == nil)
  }

  /// A collection deletes a point for the sake of its tombstone.
  @Test func tombstonesThatACollectionActsOn() throws {
    let system = SimulatedFixture.newSystem()
    let fixture = SimulatedFixture(system, seed: 1)
    try fixture.createVault()
    fixture.placeDisks(version: 0)
    let point = try fixture.backup()
    func left() -> [String] {
      let left = system.now.afterCut(.nothing)
      return left.names("\(SimulatedFixture.vaultPath)/\(VaultFolder.tombstones)") ?? []
    }
    system.ignoreSynchronize { $0 == VaultFolder.tombstones }
    try fixture.delete(point, isFinal: true)
    #expect(left().isEmpty)
    system.ignoreSynchronize { _ in false }
    let session = try Session.beginCollecting(try fixture.vault())
    #expect(left().count == 2, "deleted, and for ever")
    withExtendedLifetime(session) {}
  }

  /// Whoever says that something is done already, as a repeated command does, has made it durable:
  /// who did it may have been killed before that.
  @Test(arguments: [
    VaultFolder.tombstones, VaultFolder.pins, VaultFolder.policies, VaultFolder.features,
  ])
  func whatWasDoneAlready(_ folder: String) throws {
    let system = SimulatedFixture.newSystem()
    let fixture = SimulatedFixture(system, seed: 1)
    try fixture.createVault()
    fixture.placeDisks(version: 0)
    let point = try fixture.backup()
    let name = try #require(Name("daily"))
    func act() throws {
      let vault = try fixture.vault()
      switch folder {
      case VaultFolder.tombstones:
        try PointDeletion(vault, at: vault.now()).delete(point, subject: nil, isFinal: false)
      case VaultFolder.pins: try vault.pin(point)
      case VaultFolder.policies:
        _ = try PolicyChanges(vault).set(name) { _ in
          PolicyRecord.Settings(
            schedule: nil, zone: .utc, rules: KeepRules(last: 1), softDeleteSeconds: 0)
        }
      default: try vault.admit(.zstd(level: 1))
      }
    }
    func left() -> [String] {
      system.now.afterCut(.nothing).names("\(SimulatedFixture.vaultPath)/\(folder)") ?? []
    }
    system.ignoreSynchronize { $0 == folder }
    try act()
    #expect(left().isEmpty)
    system.ignoreSynchronize { _ in false }
    try act()
    #expect(!left().isEmpty)
  }
}

@Suite("The tests of power cuts notice a file or folder that is not synchronized")
struct LyingDiskTests {
  /// Whose fsync does nothing: the end of its path as it was opened.
  enum Lie: String, CaseIterable, Sendable {
    case newObjects = "unfinished files"
    case vaultRoot = "/srv/vault"
    case parentOfVault = "/srv"
    case packs, points, outcomes, policies, machines, tombstones, pins, jobs, verifications
    case restoredFiles = "os.img"
    case stagingDirectory = ".new.snapstore-unfinished"
    case parentOfTarget = "/out"
    case existingTarget = "/out/there"
    case filesInExistingTarget = ".db.snapstore-unfinished"

    func covers(_ path: String) -> Bool {
      switch self {
      case .newObjects: path.count > 10 && path.allSatisfy(\.isHexDigit)
      case .stagingDirectory, .filesInExistingTarget: path.hasPrefix(rawValue)
      default: path == rawValue
      }
    }
  }

  @Test(arguments: Lie.allCases)
  func isNoticed(_ lie: Lie) throws {
    let runs = try Scenario.stopped.filter { $0.hasRenames && !$0.isSampled }.map { scenario in
      try scenario.run { lie.covers($0) }
    }
    // Most show at the end of a run, when all of it was reported.
    let ends = runs.flatMap { run in run.moments.suffix(1).map { (run, $0) } }
    let all = runs.flatMap { run in run.moments.reversed().map { (run, $0) } }
    for (run, moment) in ends + all {
      let aftermath = Aftermath(run: run, moment: moment)
      if !aftermath.problems(afterCut: .nothing).isEmpty { return }
      if !aftermath.problems(afterCut: .some(seed: 1)).isEmpty { return }
    }
    Issue.record("no cut showed that \(lie) are not synchronized")
  }
}
