import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

/// One run of a scenario's only step under faults, and what became of it.
struct FaultyRun {
  let scenario: Scenario
  let system: SimulatedFileSystem
  let calls: FaultySystemCalls
  private(set) var expectations: [Scenario.Expectation]
  private(set) var error: (any Error)?
  private let faults: [Fault]
  /// Whether nothing can be taken back, since faults go on.
  private var isBroken: Bool { faults.contains { $0.numbers.count > 1 } }

  init(
    _ scenario: Scenario, on prepared: (system: SimulatedFileSystem, Scenario.Expectation),
    faults: [Fault]
  ) {
    self.scenario = scenario
    self.faults = faults
    system = prepared.system.copy()
    calls = FaultySystemCalls(system, faults: faults)
    expectations = [prepared.1, prepared.1]
    do {
      let fixture = SimulatedFixture(system, calls: calls, seed: 200)
      try scenario.perform(scenario.steps[0], fixture, &expectations[1])
    } catch {
      self.error = error
    }
  }

  var outcome: String { error.map { "\($0)" } ?? "success" }

  /// The call that the fault was for.
  var faulted: String? {
    guard let fault = faults.first else { return nil }
    let made = calls.calls.filter { fault.call == nil || $0.call == fault.call }
    let number = fault.numbers.lowerBound
    return number <= made.count ? made[number - 1].description : nil
  }

  /// What is wrong with what the run left: what holds after a kill must hold after an error, and
  /// what was reported must be durable.
  func problems(_ known: KnownStates) -> [String] {
    var moment = system.now
    moment.milestone = error == nil ? 1 : 0
    let run = Scenario.Run(scenario: scenario, moments: [], expectations: expectations)
    let aftermath = Aftermath(run: run, moment: moment, known: known)
    let problems =
      system.openDescriptors.map { "left open: \($0)" } + leftovers()
      + aftermath.problems(afterCut: .nothing)
      + aftermath.problems(afterKillThenCut: .nothing)
    // What gave an input/output error is recorded as lost, and the next backups say so.
    return problems.filter { problem in
      !isUnreadable
        || !["what this backup meets of them", "what index segments told is lost"]
          .contains { problem.contains($0) }
    }
  }

  private var isUnreadable: Bool {
    faults.contains { fault in
      switch fault.effect {
      case .error(.ioError), .shortRead(0): true
      default: false
      }
    }
  }

  /// A restore that failed has taken back what it had begun.
  private func leftovers() -> [String] {
    guard error != nil, !isBroken, case .restore(_, _, let path) = scenario.steps[0] else {
      return []
    }
    let hidden = ["/out", path].flatMap { folder in
      (system.names(folder) ?? []).filter { $0.hasPrefix(".") }.map { "\(folder)/\($0)" }
    }
    // Under a final name there is nothing, but where only making it durable failed.
    let names = SimulatedFixture.diskNames.map { "\(path)/\($0).img" }
    let isDurable = faulted?.hasPrefix("synchronize /out") != true
    let shown = names.filter { system.contents($0) != nil && faulted != "synchronize /out" }
    // What was taken back is so durably: the next restore is not refused by what a cut brings back.
    let back = (0..<4 as Range<UInt64>).flatMap { seed -> [String] in
      guard isDurable else { return [] }
      let left = system.now.afterCut(.some(seed: seed))
      return names.filter { left.contents($0) != nil }.map { "\($0) after a cut" }
    }
    return (hidden + shown + back).map { "left behind: \($0)" }
  }

  /// An error that says what was refused, of a kind that the command line has a code for.
  func problem(ofError errno: Errno?) -> String? {
    switch error {
    case nil, is IOError, is StoreError, is DiskError: return nil
    case let error as VaultError:
      // What this process or the file system has not enough of is no damage.
      let isOwn = errno.map { $0 != .ioError } ?? false
      return error.code == .damaged && isOwn ? "called damage: \(error)" : nil
    case let error as FormatError where error.object != nil: return nil
    default: return error.map { "not a clear error: \(type(of: $0)), \($0)" }
    }
  }
}

extension Scenario {
  fileprivate var isReading: Bool {
    switch steps[0] {
    case .restore, .verify: true
    case .createVault, .backup, .delete, .hide, .undelete, .pin, .collect, .together, .setPolicy,
      .assign, .unassign, .removePolicy, .prune, .jobs:
      false
    }
  }

  /// A long one is sampled, unless there is time.
  fileprivate var stride: Int { isSampled && !PowerCutTests.isSoak ? 7 : 1 }
}

@Suite("Whichever system call fails, there is an error or the right result")
struct FaultTests {
  static let errors: [Errno] = [
    .ioError, .noSpace, .interrupted, .diskQuotaExceeded, .tooManyOpenFiles, .noMemory,
  ]

  /// Runs the scenario with a fault at its first, second, … call, until a run passes untouched.
  private func everyCall(
    _ scenario: Scenario, _ call: SystemCall?, effects: (Int) -> [Fault.Effect],
    check: (FaultyRun, Fault.Effect, String) -> Void
  ) throws -> Int {
    let prepared = try scenario.prepare()
    for number in stride(from: 1, through: Int.max, by: scenario.stride) {
      for effect in effects(number) {
        let run = FaultyRun(scenario, on: prepared, faults: [.at(number, call, effect)])
        let count = call.map { run.calls.count(of: $0) } ?? run.calls.totalCount
        if count < number {
          #expect(run.error == nil)
          return number
        }
        check(
          run, effect, "\(scenario.name): \(effect) at call \(number), \(run.faulted ?? "")")
      }
    }
    return 0
  }

  @Test("an error of each kind at each call", arguments: Scenario.single)
  func errors(_ scenario: Scenario) throws {
    let known = KnownStates()
    let others = Self.errors.dropFirst()
    let number = try everyCall(
      scenario, nil,
      effects: { number in
        // Each call fails with EIO and one of the others; all of them where there is time.
        PowerCutTests.isSoak
          ? Self.errors.map { .error($0) }
          : [.error(.ioError), .error(others[others.startIndex + number % others.count])]
      }
    ) { run, effect, place in
      guard case .error(let errno) = effect else { return }
      let problems =
        run.problems(known)
        + [run.problem(ofError: errno)].compactMap { $0 }
      #expect(problems.isEmpty, "\(place): \(run.outcome)")
      if errno == .interrupted, run.error != nil {
        #expect(place.contains("synchronize"), "\(place): not made again")
      }
    }
    #expect(number > 20)
  }

  @Test("a disk that breaks at each call and stays broken", arguments: Scenario.single)
  func broken(_ scenario: Scenario) throws {
    let known = KnownStates()
    let prepared = try scenario.prepare()
    let count = FaultyRun(scenario, on: prepared, faults: []).calls.totalCount
    for number in stride(from: 1, through: count, by: scenario.stride) {
      let run = FaultyRun(
        scenario, on: prepared, faults: [.from(number, nil, .error(.ioError))])
      let problems = run.problems(known) + [run.problem(ofError: .ioError)].compactMap { $0 }
      #expect(
        problems.isEmpty,
        "\(scenario.name): from call \(number) on, \(run.faulted ?? ""): \(run.outcome)")
    }
  }

  @Test("reads and writes that do less than they were asked", arguments: Scenario.single)
  func short(_ scenario: Scenario) throws {
    let known = KnownStates()
    for (call, effects) in [
      (SystemCall.read, [Fault.Effect.shortRead(1), .shortRead(0)]),
      (.write, [.shortWrite(1), .shortWrite(0)]),
    ] {
      _ = try everyCall(scenario, call, effects: { _ in effects }) { run, effect, place in
        let problems =
          run.problems(known) + [run.problem(ofError: nil)].compactMap { $0 }
        #expect(problems.isEmpty, "\(place): \(run.outcome)")
        switch effect {
        case .shortRead(1), .shortWrite(1):
          #expect(run.error == nil, "\(place): the rest was there to be had")
        default: break
        }
      }
    }
  }

  @Test(
    "an fsync that failed is not repeated, and its object is given up", arguments: Scenario.single)
  func synchronize(_ scenario: Scenario) throws {
    let known = KnownStates()
    let prepared = try scenario.prepare()
    let untouched = FaultyRun(scenario, on: prepared, faults: [])
    let count = untouched.calls.count(of: .synchronize)
    #expect(count > 2)
    for number in 1...count {
      let run = FaultyRun(
        scenario, on: prepared, faults: [.at(number, .synchronize, .error(.ioError))])
      let calls = run.calls.calls
      let synchronized = calls.filter { $0.call == .synchronize }.map(\.path)
      // Lanes may make one pack or two.
      guard number <= synchronized.count else { continue }
      let failed = synchronized[number - 1]
      // A directory may be synchronized again for other names; a file is what is written to.
      if calls.contains(where: { $0.path == failed && $0.call == .write }) {
        #expect(synchronized.count { $0 == failed } == 1, "\(failed) again")
      }
      let problems = run.problems(known)
      #expect(problems.isEmpty, "\(failed): \(run.outcome)")
    }
  }
}

@Suite("A full disk costs nothing that was there")
struct DiskFullTests {
  @Test("a vault without room for a session restores and is verified", arguments: Scenario.single)
  func reading(_ scenario: Scenario) throws {
    guard scenario.isReading else { return }
    // The session's record is what a reader writes first.
    let run = FaultyRun(
      scenario, on: try scenario.prepare(), faults: [.at(1, .write, .error(.noSpace))])
    #expect(run.error == nil, "\(run.outcome)")
    #expect(run.faulted != nil)
    #expect(run.problems(KnownStates()).isEmpty)
  }

  /// `isKnown` false: statfs says that there is room, as where another program takes it meanwhile.
  @Test("one block more at a time, until it is enough", arguments: Scenario.single, [true, false])
  func everyBlock(_ scenario: Scenario, isKnown: Bool) throws {
    // Only a restore asks before.
    if isKnown, case .backup = scenario.steps[0], !PowerCutTests.isSoak { return }
    let prepared = try scenario.prepare()
    let known = KnownStates()
    for count in stride(from: UInt64(0), through: .max, by: scenario.stride) {
      let system = prepared.system.copy()
      system.setFreeBlockCount(count, isKnown: isKnown)
      let run = FaultyRun(scenario, on: (system, prepared.expectation), faults: [])
      run.system.setFreeBlockCount(1 << 20)
      let problems = run.problems(known)
      #expect(problems.isEmpty, "\(scenario.name), \(count) blocks free")
      guard let error = run.error else {
        // A verification needs no room: what it can't record, it says.
        #expect(count > 0 || scenario.steps[0] == .verify)
        return
      }
      // Both are exit code 74.
      switch error {
      case let error as IOError: #expect(error.reason == .noSpace, "\(count) blocks: \(error)")
      case let error as DiskError: #expect(error.code == .failed, "\(count) blocks: \(error)")
      default: Issue.record("\(count) blocks: \(error)")
      }
    }
  }
}
