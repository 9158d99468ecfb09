import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault

/// States that were looked at already: many cuts, and many failures, leave the same.
final class KnownStates: Sendable {
  enum End: Int {
    case cut, kill
  }

  private let digests = Lock<Set<[Int]>>([])

  /// True the first time for this state after this end, with this much reported.
  func isNew(_ system: SimulatedFileSystem, after end: End, _ milestone: Int) -> Bool {
    let digest = system.digest
    return digests.withLock { $0.insert([digest, end.rawValue, milestone]).inserted }
  }
}

/// Looks at what a cut or a kill at one moment of a run left, works on with it, and says what is
/// wrong.
struct Aftermath {
  let run: Scenario.Run
  let moment: SimulatedFileSystem.Moment
  /// What was found sound is not looked at again.
  var known = KnownStates()

  private var expectation: Scenario.Expectation { run.expectation(at: moment) }

  /// The point that was being deleted: it may be there, and then it is whole.
  private var inDoubt: PointID? {
    guard case .delete(let number) = run.inFlight(at: moment) else { return nil }
    return expectation.points[number].id
  }

  /// The power goes. Then everything that was reported is there, what was in flight is there fully
  /// or not at all, and work goes on with no repair.
  func problems(afterCut survival: SimulatedFileSystem.Survival) -> [String] {
    collect { problems in
      let fixture = SimulatedFixture(moment.afterCut(survival), seed: 300)
      guard known.isNew(fixture.system, after: .cut, moment.milestone) else { return }
      try checkRestored(fixture, &problems)
      try checkInFlight(fixture, &problems)
      try checkVault(fixture, &problems)
      problems += fixture.warnings.all.map { "warning: \($0)" }
    }
  }

  /// The program is killed; another run works on with what it sees, durable or not, and then the
  /// power goes: what that run reported is there too.
  func problems(afterKillThenCut survival: SimulatedFileSystem.Survival) -> [String] {
    collect { problems in
      let fixture = SimulatedFixture(moment.afterKill(), seed: 400)
      guard known.isNew(fixture.system, after: .kill, moment.milestone) else { return }
      var expected = expectation
      try openOrCreateVault(fixture, &problems)
      // The same disks again, so that all may be found in what the killed run stored.
      var again = run.backupsInFlight(at: moment)
      if again.isEmpty { again[fixture.machine] = SimulatedFixture.nextVersion }
      for (machine, version) in again.sorted(by: { $0.key < $1.key }) {
        let writer = fixture.with(machine)
        writer.placeDisks(version: version)
        expected.points.append((try writer.backup(), version))
        problems += writer.warnings.all.map { "warning: \($0)" }
      }
      if case .restore(let number, _, let path) = run.inFlight(at: moment) {
        // A disk that is not there yet into the same directory, whether that appeared or not.
        let shown = fixture.system.names(path) ?? []
        let point = expected.points[number]
        if let free = SimulatedFixture.diskNames.last(where: { !shown.contains("\($0).img") }) {
          try fixture.restore(point.id, [free], to: path)
          expected.restored.append(.init(path: path, disks: [free], version: point.version))
        }
      }
      if run.scenario.collects { try fixture.collect() }
      if run.scenario.setsPolicies {
        expected.days = Self.nextNumber
        expected.source = Self.nextNumber
        try fixture.setPolicy(keepingDays: Self.nextNumber)
        try fixture.assign(source: Self.nextNumber)
      }
      if run.scenario.hasJobs { expected.jobs.append(try fixture.job()) }
      problems += fixture.system.openDescriptors.map { "left open: \($0)" }
      problems += fixture.warnings.all.map { "warning: \($0)" }

      let left = SimulatedFixture(fixture.system.now.afterCut(survival), seed: 500)
      if run.scenario.setsPolicies {
        let found = try left.policies()
        if found != (expected.days, expected.source) {
          problems.append("policies that were reported behind a kill are \(found)")
        }
        try left.verify()
      }
      if run.scenario.hasJobs { try checkJobs(left, expected.jobs, &problems) }
      try checkMarks(left, &problems)
      for restored in expected.restored {
        problems += [
          left.problem(ofRestored: restored.path, restored.disks, version: restored.version)
        ].compactMap { $0 }
      }
      for point in expected.points
      where !expected.deleted.contains(point.id) && point.id != inDoubt {
        problems += [left.problem(of: point.id, version: point.version, run: "kill")]
          .compactMap { $0 }
      }
    }
  }

  private func collect(_ body: (inout [String]) throws -> Void) -> [String] {
    var problems: [String] = []
    do {
      try body(&problems)
    } catch {
      problems.append("failed: \(error)")
    }
    return problems
  }

  /// What comes after a stop: no scenario uses it.
  private static let nextNumber: UInt32 = 99

  /// What was reported of policies holds, or what was in flight, and more can be said.
  private func checkPolicies(_ fixture: SimulatedFixture, _ problems: inout [String]) throws {
    let found = try fixture.policies()
    var days = [expectation.days]
    var sources = [expectation.source]
    switch run.inFlight(at: moment) {
    case .setPolicy(let count): days.append(count)
    case .assign(let source): sources.append(source)
    case .unassign: sources.append(nil)
    case .removePolicy: days.append(nil)
    default: break
    }
    if !days.contains(found.days) { problems.append("the policy keeps \(found), not \(days)") }
    if !sources.contains(found.source) { problems.append("disks: \(found), not \(sources)") }
    guard run.scenario.setsPolicies else { return }
    try fixture.setPolicy(keepingDays: Self.nextNumber)
    try fixture.assign(source: Self.nextNumber)
    if try fixture.policies() != (Self.nextNumber, Self.nextNumber) {
      problems.append("a policy can't be changed any more")
    }
    try fixture.verify()
  }

  /// Each job that ended is known to have; what was in flight may be there besides, and nothing is
  /// in the way of more.
  private func checkJobs(
    _ fixture: SimulatedFixture, _ expected: [JobID], _ problems: inout [String]
  ) throws {
    let history = try JobHistory(try fixture.vault())
    problems += history.unreadable.map { "\($0.object) can't be read: \($0.reason)" }
    let ended = Set(history.jobs.filter { !$0.hasFailed && !$0.isRunning }.map(\.record.id))
    for job in expected where !ended.contains(job) {
      problems.append("job \(job), which ended, is not said to have")
    }
  }

  /// What was reported of points that were deleted for a while, brought back or pinned holds, or
  /// what was in flight. Then all are brought back, to be looked at like the others.
  private func checkMarks(_ fixture: SimulatedFixture, _ problems: inout [String]) throws {
    let vault = try fixture.vault()
    let hidden = Set(try PointCatalog(vault).deleted.map(\.point.id))
    let pins = try Pins(vault)
    var pruned: [PointID] = []
    if case .prune(let count) = run.inFlight(at: moment) {
      pruned = expectation.going(keepingLast: count)
    }
    let verifications = try Verifications(vault)
    for point in expectation.verified where verifications.time(of: point) == nil {
      problems.append("that point \(point) was verified is forgotten")
    }
    for (number, point) in expectation.points.enumerated() {
      let step = run.inFlight(at: moment)
      if hidden.contains(point.id) != expectation.hidden.contains(point.id),
        ![.hide(number), .undelete(number), .delete(number)].contains(step),
        !pruned.contains(point.id)
      {
        problems.append("point \(point.id) is deleted or not, other than was reported")
      }
      if pins.contains(point.id) != expectation.pinned.contains(point.id), step != .pin(number) {
        problems.append("point \(point.id) is pinned or not, other than was reported")
      }
    }
    for point in hidden { try fixture.undelete(point) }
  }

  private func checkRestored(_ fixture: SimulatedFixture, _ problems: inout [String]) throws {
    for restored in expectation.restored {
      problems += [
        fixture.problem(ofRestored: restored.path, restored.disks, version: restored.version)
      ].compactMap { $0 }
    }
    if expectation.restored.contains(where: { $0.path == "/out/new" }),
      fixture.system.mode("/out/new") != 0o700
    {
      problems.append("/out/new: its mode")
    }
    if fixture.system.contents("/out/there/notes") != [1, 2, 3] {
      problems.append("a file that was there before has changed")
    }
  }

  /// A restore in flight shows nothing under a final name that is not complete, and a new directory
  /// appears whole.
  private func checkInFlight(_ fixture: SimulatedFixture, _ problems: inout [String]) throws {
    guard case .restore(let number, let disks, let path) = run.inFlight(at: moment) else { return }
    let version = expectation.points[number].version
    let names = disks.isEmpty ? SimulatedFixture.diskNames : disks
    let shown = fixture.system.names(path) ?? []
    let found = names.filter { shown.contains("\($0).img") }
    let isNew = path == "/out/new" && run.scenario.hasRenames
    if isNew && fixture.system.names(path) != nil && found != names {
      problems.append("the new directory has only \(shown)")
    }
    guard !found.isEmpty else { return }
    problems += [fixture.problem(ofRestored: path, found, version: version)].compactMap { $0 }
  }

  private func checkVault(_ fixture: SimulatedFixture, _ problems: inout [String]) throws {
    guard try openOrCreateVault(fixture, &problems) else { return }
    try checkMarks(fixture, &problems)
    let catalog = try PointCatalog(try fixture.vault())
    problems += catalog.unreadable.map { "point \($0.id) can't be read: \($0.error)" }
    try checkPolicies(fixture, &problems)
    if run.scenario.hasJobs {
      try checkJobs(fixture, expectation.jobs, &problems)
      try checkJobs(fixture, expectation.jobs + [try fixture.job()], &problems)
    }
    var points = expectation.points.filter { !expectation.deleted.contains($0.id) }
    if let inDoubt, !catalog.entries.contains(where: { $0.point.id == inDoubt }) {
      points.removeAll { $0.id == inDoubt }
    }
    var inFlight = run.backupsInFlight(at: moment)
    for point in points where !catalog.entries.contains(where: { $0.point.id == point.id }) {
      problems.append("point \(point.id), which was reported, is not there")
    }
    for entry in catalog.entries where !points.contains(where: { $0.id == entry.point.id }) {
      guard let version = inFlight.removeValue(forKey: entry.point.machine) else {
        problems.append("point \(entry.point.id) comes from nowhere")
        continue
      }
      points.append((entry.point.id, version))
    }
    if run.scenario.collects { try fixture.collect() }
    let copies = Set(fixture.system.names("\(SimulatedFixture.vaultPath)/points") ?? [])
    for point in points {
      problems += [fixture.problem(of: point.id, version: point.version, run: "cut")]
        .compactMap { $0 }
      if !copies.isSuperset(of: ["\(point.id).1", "\(point.id).2"]) {
        problems.append("point \(point.id) exists with one copy")
      }
    }
    if run.scenario.collects { try fixture.verify() }
    fixture.placeDisks(version: SimulatedFixture.nextVersion)
    let next = try fixture.backup()
    problems += [fixture.problem(of: next, version: SimulatedFixture.nextVersion, run: "cut")]
      .compactMap { $0 }
    if let unfinished = fixture.system.names("\(SimulatedFixture.vaultPath)/unfinished"),
      !unfinished.isEmpty
    {
      problems.append("the next backup left unfinished files: \(unfinished)")
    }
    problems += fixture.system.openDescriptors.map { "left open: \($0)" }
  }

  /// True if the vault was there; else it can be made as if nothing had been begun.
  @discardableResult
  private func openOrCreateVault(
    _ fixture: SimulatedFixture, _ problems: inout [String]
  ) throws -> Bool {
    do {
      _ = try fixture.vault()
      return true
    } catch {
      if expectation.hasVault { problems.append("the vault can't be opened: \(error)") }
      try fixture.createVault()
      return false
    }
  }
}
