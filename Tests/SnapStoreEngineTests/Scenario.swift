import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

/// What a person does one after the other, and what must be true whenever the machine or the
/// program stops meanwhile, or a call fails. A new kind of work is a case of `Step`, what it
/// promises goes to `Expectation` and to the checks in `Aftermath`.
struct Scenario: Sendable, CustomTestStringConvertible {
  enum Step: Equatable, Sendable {
    case createVault
    /// Backs up this version of the first machine's disks.
    case backup(Int)
    /// Backs up a version of each machine's disks at the same time: two processes, whose calls come
    /// in the order that the seed chooses.
    case together([Int], seed: UInt64)
    /// Restores the n-th point; all disks where `disks` is empty.
    case restore(Int, disks: [Name] = [], to: String)
    /// Verifies everything; finds no damage.
    case verify
    /// Deletes the n-th point for ever.
    case delete(Int)
    /// Deletes the n-th point so that it can be brought back.
    case hide(Int)
    /// Brings the n-th point back.
    case undelete(Int)
    /// Pins the n-th point.
    case pin(Int)
    /// Frees all that can be freed.
    case collect
    /// Makes the policy, or lets it keep so many days.
    case setPolicy(UInt32)
    /// Assigns the policy to the machine, with disks whose sources have this number.
    case assign(UInt32)
    /// Takes the machine's policy away.
    case unassign
    /// Removes the policy.
    case removePolicy
    /// Deletes all but so many of the newest points, so that they can be brought back.
    case prune(keepingLast: Int)
    /// So many jobs, one after the other; once there are many, those that ended are folded.
    case jobs(Int)
  }

  var name: String
  /// Done before, and durable or not as it leaves things.
  var before: [Step] = []
  /// Stopped after every call.
  var steps: [Step]
  /// So long that not each of its moments is looked at, unless there is time.
  var isSampled = false
  /// Whether the file system has a rename that does not replace.
  var hasRenames = true

  var testDescription: String { name }
  /// Whether what comes after a stop collects too.
  var collects: Bool { steps.contains(.collect) }
  /// Whether it has jobs, and so has what comes after a stop.
  var hasJobs: Bool {
    steps.contains { if case .jobs = $0 { true } else { false } }
  }
  /// Whether it changes policies, and so does what comes after a stop.
  var setsPolicies: Bool {
    steps.contains { step in
      switch step {
      case .setPolicy, .assign, .unassign, .removePolicy: true
      default: false
      }
    }
  }

  /// What was reported to the person, and so must hold.
  struct Expectation: Sendable {
    struct Restored: Sendable {
      var path: String
      var disks: [Name]
      var version: Int
    }

    var hasVault = false
    var points: [(id: PointID, version: Int)] = []
    /// Those of them that were deleted.
    var deleted: Set<PointID> = []
    /// Those that were deleted and can be brought back.
    var hidden: Set<PointID> = []
    var pinned: Set<PointID> = []
    var restored: [Restored] = []
    /// What the policy and the assignment were reported to be.
    var days: UInt32?
    var source: UInt32?
    /// Those that were verified, and those jobs that ended.
    var verified: Set<PointID> = []
    var jobs: [JobID] = []
    /// How many of the scenario's steps have reported all that they report.
    var stepCount = 0
    /// Who has reported of those who work together in the next one.
    var reported: Set<Name> = []

    /// The points that go where so many of the newest are kept.
    func going(keepingLast count: Int) -> [PointID] {
      points.map(\.id).filter { !deleted.contains($0) && !hidden.contains($0) }.dropLast(count)
        .filter { !pinned.contains($0) }
    }
  }

  /// A run that nothing disturbed: every moment of it, and what was reported by then.
  struct Run: Sendable {
    var scenario: Scenario
    var moments: [SimulatedFileSystem.Moment]
    var expectations: [Expectation]

    func expectation(at moment: SimulatedFileSystem.Moment) -> Expectation {
      expectations[moment.milestone]
    }

    func inFlight(at moment: SimulatedFileSystem.Moment) -> Step? {
      let count = expectation(at: moment).stepCount
      return count < scenario.steps.count ? scenario.steps[count] : nil
    }

    /// The versions that are being backed up, and have not been reported.
    func backupsInFlight(at moment: SimulatedFileSystem.Moment) -> [Name: Int] {
      let machines = SimulatedFixture.machines
      switch inFlight(at: moment) {
      case .backup(let version): return [machines[0]: version]
      case .together(let versions, _):
        let reported = expectation(at: moment).reported
        return Dictionary(uniqueKeysWithValues: zip(machines, versions))
          .filter { !reported.contains($0.key) }
      default: return [:]
      }
    }
  }

  /// A system on which everything before was done, and what was reported.
  /// `lying`: fsync does nothing for these paths, for the tests of the tests.
  func prepare(
    lying: (@Sendable (String) -> Bool)? = nil
  ) throws -> (system: SimulatedFileSystem, expectation: Expectation) {
    let system = SimulatedFixture.newSystem()
    if !hasRenames { system.refuseRenames() }
    if let lying { system.ignoreSynchronize(lying) }
    var expectation = Expectation()
    for (number, step) in before.enumerated() {
      try perform(step, SimulatedFixture(system, seed: UInt64(100 + number)), &expectation)
    }
    expectation.stepCount = 0
    return (system, expectation)
  }

  func run(lying: (@Sendable (String) -> Bool)? = nil) throws -> Run {
    let (system, prepared) = try prepare(lying: lying)
    var expectation = prepared
    let expectations = Lock([expectation])
    system.startRecording()
    for (number, step) in steps.enumerated() {
      let fixture = SimulatedFixture(system, seed: UInt64(200 + number))
      try perform(step, fixture, &expectation) { reported in
        expectations.withLock { $0.append(reported) }
        system.mark()
      }
    }
    return Run(
      scenario: self, moments: system.moments, expectations: expectations.withLock { $0 })
  }

  /// Takes one step, and notes what it reported; `report` gets it when it does.
  func perform(
    _ step: Step, _ fixture: SimulatedFixture, _ expectation: inout Expectation,
    report: @escaping @Sendable (Expectation) -> Void = { _ in }
  ) throws {
    switch step {
    case .createVault:
      try fixture.createVault()
      expectation.hasVault = true
    case .backup(let version):
      fixture.placeDisks(version: version)
      expectation.points.append((try fixture.backup(), version))
    case .together(let versions, let seed):
      return try backUpTogether(versions, seed: seed, fixture, &expectation, report)
    case .restore(let number, let disks, let path):
      let point = expectation.points[number]
      try fixture.restore(point.id, disks, to: path)
      expectation.restored.append(
        Expectation.Restored(path: path, disks: disks, version: point.version))
    case .verify:
      try fixture.verify()
      let kept = expectation.points.map(\.id).filter { !expectation.deleted.contains($0) }
      // What can't be recorded is a warning; and who could not register records nothing.
      let seen = try Verifications(try SimulatedFixture(fixture.system, seed: 0).vault())
      if fixture.warnings.all.isEmpty {
        expectation.verified.formUnion(kept.filter { seen.time(of: $0) != nil })
      }
    case .delete(let number):
      try fixture.delete(expectation.points[number].id)
      expectation.deleted.insert(expectation.points[number].id)
    case .hide(let number):
      try fixture.delete(expectation.points[number].id, isFinal: false)
      expectation.hidden.insert(expectation.points[number].id)
    case .undelete(let number):
      try fixture.undelete(expectation.points[number].id)
      expectation.hidden.remove(expectation.points[number].id)
    case .pin(let number):
      try fixture.pin(expectation.points[number].id)
      expectation.pinned.insert(expectation.points[number].id)
    case .collect: try fixture.collect()
    case .setPolicy(let days):
      try fixture.setPolicy(keepingDays: days)
      expectation.days = days
    case .assign(let source):
      try fixture.assign(source: source)
      expectation.source = source
    case .unassign:
      try fixture.unassign()
      expectation.source = nil
    case .removePolicy:
      try fixture.removePolicy()
      expectation.days = nil
    case .prune(let count):
      let going = expectation.going(keepingLast: count)
      try fixture.prune(keepingLast: count)
      expectation.hidden.formUnion(going)
    case .jobs(let count):
      for _ in 0..<count { expectation.jobs.append(try fixture.job()) }
    }
    expectation.stepCount += 1
    report(expectation)
  }

  private func backUpTogether(
    _ versions: [Int], seed: UInt64, _ fixture: SimulatedFixture,
    _ expectation: inout Expectation, _ report: @escaping @Sendable (Expectation) -> Void
  ) throws {
    let turns = Turns(seed: seed, processes: versions.count)
    let reported = Lock(expectation)
    let processes = versions.indices.map { fixture.process($0, of: turns) }
    for (process, version) in zip(processes, versions) { process.placeDisks(version: version) }
    let work = ParallelWork()
    work.run("process", lanes: versions.count) { number in
      defer { turns.end(number) }
      let point = try processes[number].backup()
      try turns.take(number) { () throws(Errno) in
        let now = reported.withLock { expectation in
          expectation.points.append((point, versions[number]))
          expectation.reported.insert(processes[number].machine)
          if expectation.reported.count == versions.count {
            expectation.stepCount += 1
            expectation.reported = []
          }
          return expectation
        }
        report(now)
      }
    }
    try work.wait()
    expectation = reported.withLock { $0 }
  }
}

extension Scenario {
  /// Stopped at every moment.
  static let stopped: [Scenario] = [
    Scenario(
      name: "a vault's first backups", steps: [.createVault, .backup(0), .backup(1)]),
    Scenario(
      name: "a second backup, all before durable", before: [.createVault, .backup(0)],
      steps: [.backup(1), .backup(1)]),
    Scenario(
      name: "restores", before: [.createVault, .backup(0), .backup(1)],
      steps: [
        .restore(0, disks: [SimulatedFixture.diskNames[0]], to: "/out/new"),
        .restore(1, to: "/out/there"),
      ]),
    Scenario(
      name: "backups, without the rename", steps: [.createVault, .backup(0), .backup(1)],
      hasRenames: false),
    Scenario(
      name: "restores, without the rename", before: [.createVault, .backup(0)],
      steps: [
        .restore(0, to: "/out/new"),
        .restore(0, disks: [SimulatedFixture.diskNames[1]], to: "/out/there"),
      ], hasRenames: false),
    Scenario(
      name: "a verification", before: [.createVault, .backup(0), .backup(1)], steps: [.verify]),
    indexMerge,
    Scenario(
      name: "policies and assignments", before: [.createVault],
      steps: [.setPolicy(1), .setPolicy(2), .assign(1), .assign(2), .setPolicy(3)]),
    Scenario(
      name: "policies and assignments removed", before: [.createVault, .setPolicy(1), .assign(1)],
      steps: [.unassign, .removePolicy, .setPolicy(2)]),
    Scenario(
      name: "points pruned", before: [.createVault, .backup(0), .backup(1), .backup(2), .pin(0)],
      steps: [.prune(keepingLast: 1), .undelete(1), .prune(keepingLast: 1)]),
    Scenario(name: "jobs", before: [.createVault, .jobs(2)], steps: [.jobs(1), .jobs(2)]),
    jobFold,
    Scenario(
      name: "points deleted, brought back and pinned",
      before: [.createVault, .backup(0), .backup(1)],
      steps: [.hide(0), .undelete(0), .pin(0), .hide(1)]),
    Scenario(
      name: "a deletion and a collection", before: [.createVault, .backup(0), .backup(1)],
      steps: [.delete(0), .collect], isSampled: true),
    Scenario(
      name: "a collection that copies",
      before: [.createVault, .backup(0), .backup(1), .backup(2), .delete(0), .delete(1)],
      steps: [.collect], isSampled: true),
    Scenario(
      name: "first backups of two machines with the same content, at once",
      before: [.createVault], steps: [.together([0, 0], seed: 1)]),
    Scenario(
      name: "two machines at once, again and again",
      before: [.createVault, .together([0, 1], seed: 2)],
      steps: [.together([1, 2], seed: 3), .together([3, 3], seed: 4)], isSampled: true),
    Scenario(
      name: "two machines at once, while index segments merge",
      before: [.createVault] + (1..<MergePolicy.segmentsPerTier).map { .backup($0) },
      steps: [.together([MergePolicy.segmentsPerTier, 0], seed: 5)], isSampled: true),
  ]

  /// The last backup finds as many small index segments as are merged.
  static let indexMerge = Scenario(
    name: "a backup that merges index segments",
    before: [.createVault] + (1..<MergePolicy.segmentsPerTier).map { .backup($0) },
    steps: [.backup(MergePolicy.segmentsPerTier)], isSampled: true)

  /// The last job finds as many records as are folded.
  static let jobFold = Scenario(
    name: "a job that folds", before: [.createVault, .jobs(64)], steps: [.jobs(1)],
    isSampled: true)

  /// One step each, in which every call fails in turn.
  static let single: [Scenario] = [
    Scenario(name: "create a vault", steps: [.createVault]),
    Scenario(name: "first backup", before: [.createVault], steps: [.backup(0)]),
    Scenario(name: "second backup", before: [.createVault, .backup(0)], steps: [.backup(1)]),
    Scenario(
      name: "restore to a new directory", before: [.createVault, .backup(0), .backup(1)],
      steps: [.restore(1, to: "/out/new")]),
    Scenario(
      name: "restore to a directory that exists", before: [.createVault, .backup(0)],
      steps: [.restore(0, to: "/out/there")]),
    Scenario(
      name: "first backup, without the rename", before: [.createVault], steps: [.backup(0)],
      hasRenames: false),
    Scenario(
      name: "restore to a new directory, without the rename", before: [.createVault, .backup(0)],
      steps: [.restore(0, to: "/out/new")], hasRenames: false),
    Scenario(
      name: "restore to a directory that exists, without the rename",
      before: [.createVault, .backup(0)], steps: [.restore(0, to: "/out/there")],
      hasRenames: false),
    Scenario(name: "verify", before: [.createVault, .backup(0), .backup(1)], steps: [.verify]),
    indexMerge,
    Scenario(
      name: "change a policy", before: [.createVault, .setPolicy(1)], steps: [.setPolicy(2)]),
    Scenario(
      name: "assign a policy", before: [.createVault, .setPolicy(1)], steps: [.assign(1)]),
    Scenario(
      name: "delete a point", before: [.createVault, .backup(0), .backup(1)], steps: [.delete(0)]),
    Scenario(
      name: "delete a point for a while", before: [.createVault, .backup(0), .backup(1)],
      steps: [.hide(0)]),
    Scenario(
      name: "bring a point back", before: [.createVault, .backup(0), .hide(0)],
      steps: [.undelete(0)]),
    Scenario(
      name: "pin a point", before: [.createVault, .backup(0)], steps: [.pin(0)]),
    Scenario(
      name: "unassign", before: [.createVault, .setPolicy(1), .assign(1)], steps: [.unassign]),
    Scenario(
      name: "remove a policy", before: [.createVault, .setPolicy(1)], steps: [.removePolicy]),
    Scenario(
      name: "prune", before: [.createVault, .backup(0), .backup(1), .backup(2), .pin(0)],
      steps: [.prune(keepingLast: 1)]),
    Scenario(name: "a job", before: [.createVault, .jobs(1)], steps: [.jobs(1)]),
    jobFold,
    Scenario(
      name: "collect, and copy",
      before: [.createVault, .backup(0), .backup(1), .backup(2), .delete(0), .delete(1)],
      steps: [.collect], isSampled: true),
    Scenario(
      name: "collect", before: [.createVault, .backup(0), .backup(1), .delete(0)],
      steps: [.collect], isSampled: true),
  ]
}
