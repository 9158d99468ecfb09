import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// What a person does one after the other, and what must be true whenever the machine or the
/// program stops meanwhile, or a call fails. A new kind of work is a case of `Step`, what it
/// promises goes to `Expectation` and to the checks in `Aftermath`.
struct Scenario: Sendable, CustomTestStringConvertible {
  enum Step: Equatable, Sendable {
    case createVault
    /// Backs up this version of the disks.
    case backup(Int)
    /// Restores the n-th point; all disks where `disks` is empty.
    case restore(Int, disks: [Name] = [], to: String)
    /// Verifies everything; finds no damage.
    case verify
    /// Deletes the n-th point for ever.
    case delete(Int)
    /// Frees all that can be freed.
    case collect
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
    var restored: [Restored] = []
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
      moment.milestone < scenario.steps.count ? scenario.steps[moment.milestone] : nil
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
    return (system, expectation)
  }

  func run(lying: (@Sendable (String) -> Bool)? = nil) throws -> Run {
    var (system, expectation) = try prepare(lying: lying)
    var expectations = [expectation]
    system.startRecording()
    for (number, step) in steps.enumerated() {
      try perform(step, SimulatedFixture(system, seed: UInt64(200 + number)), &expectation)
      expectations.append(expectation)
      system.mark()
    }
    return Run(scenario: self, moments: system.moments, expectations: expectations)
  }

  /// Takes one step, and notes what it reported.
  func perform(
    _ step: Step, _ fixture: SimulatedFixture, _ expectation: inout Expectation
  ) throws {
    switch step {
    case .createVault:
      try fixture.createVault()
      expectation.hasVault = true
    case .backup(let version):
      fixture.placeDisks(version: version)
      expectation.points.append((try fixture.backup(), version))
    case .restore(let number, let disks, let path):
      let point = expectation.points[number]
      try fixture.restore(point.id, disks, to: path)
      expectation.restored.append(
        Expectation.Restored(path: path, disks: disks, version: point.version))
    case .verify: try fixture.verify()
    case .delete(let number):
      try fixture.delete(expectation.points[number].id)
      expectation.deleted.insert(expectation.points[number].id)
    case .collect: try fixture.collect()
    }
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
      name: "a deletion and a collection", before: [.createVault, .backup(0), .backup(1)],
      steps: [.delete(0), .collect], isSampled: true),
    Scenario(
      name: "a collection that copies",
      before: [.createVault, .backup(0), .backup(1), .backup(2), .delete(0), .delete(1)],
      steps: [.collect], isSampled: true),
  ]

  /// The last backup finds as many small index segments as are merged.
  static let indexMerge = Scenario(
    name: "a backup that merges index segments",
    before: [.createVault] + (1..<MergePolicy.segmentsPerTier).map { .backup($0) },
    steps: [.backup(MergePolicy.segmentsPerTier)], isSampled: true)

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
      name: "delete a point", before: [.createVault, .backup(0), .backup(1)], steps: [.delete(0)]),
    Scenario(
      name: "collect", before: [.createVault, .backup(0), .backup(1), .delete(0)],
      steps: [.collect], isSampled: true),
  ]
}
