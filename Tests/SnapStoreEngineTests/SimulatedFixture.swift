import Logging
import SnapStoreDisks
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault

/// A vault and two disks on a simulated file system, and what a person does with them: the real
/// store, backup and restore over it.
struct SimulatedFixture {
  static let vaultPath = "/srv/vault"
  static let diskNames = ["os", "db"].compactMap { Name($0) }
  /// Two machines that have disks of the same names, and the same content in the same version.
  static let machines = ["one", "two"].compactMap { Name($0) }

  let system: SimulatedFileSystem
  let host: HostSystem
  /// Whose disks are placed and backed up.
  let machine: Name
  let warnings = LogRecorder()

  /// `calls`: what stands between the program and the system. `seed` must be another one for each
  /// run of the program, as real randomness is.
  init(
    _ system: SimulatedFileSystem, calls: (any SystemCalls)? = nil, seed: UInt64,
    machine: Name = machines[0]
  ) {
    self.system = system
    self.machine = machine
    host = .forTests(
      calls: calls ?? system, clock: SteppingClock(start: 1_795_341_600 + Int64(seed) * 1000),
      seed: seed)
  }

  /// The n-th machine's process among some that take turns, on this system.
  func process(_ number: Int, of turns: Turns) -> SimulatedFixture {
    SimulatedFixture(
      system.asProcess(number, of: turns), seed: host.randomness.next() % 1_000_000,
      machine: Self.machines[number])
  }

  /// Another process on this system, for a machine's disks.
  func with(_ machine: Name) -> SimulatedFixture {
    SimulatedFixture(system, seed: host.randomness.next() % 1_000_000, machine: machine)
  }

  /// An empty system with the directories that a host has.
  static func newSystem() -> SimulatedFileSystem {
    let system = SimulatedFileSystem()
    for path in ["/srv", "/out/there"] { system.setDirectory(path) }
    system.setContents("/out/there/notes", [1, 2, 3])
    return system
  }

  // MARK: Disks

  private func path(ofDisk name: Name) -> String { "/disks/\(machine)/\(name).img" }

  /// What the disks hold in their n-th version: one dense, one of two extents, of which the first
  /// is a hole.
  static func disks(version: Int) -> [[UInt8]] { versions[version] }

  /// The version for the backup that shows that work goes on: no scenario uses it.
  static let nextVersion = 9

  private static let versions: [[[UInt8]]] = (0...nextVersion).map { version in
    let changed = UInt64(version)
    let os = DiskImage(
      seed: 1,
      [
        .noise(40_000), .compressible(50_000), .zeros(30_000),
        .bytes(DiskImage(seed: 10 + changed, [.noise(20_000 + version)]).bytes),
      ])
    let db = DiskImage(
      seed: 2,
      [
        .zeros(FormatLimit.extent), .noise(20_000),
        .bytes(DiskImage(seed: 20 + changed / 2, [.noise(9000)]).bytes), .zeros(5000),
      ])
    return [os.bytes, db.bytes]
  }

  // MARK: Work

  func createVault() throws {
    let store = try LocalObjectStore.create(Self.vaultPath, host: host)
    _ = try Vault.create(in: store, host: host, log: warnings.log)
  }

  func vault() throws -> Vault {
    let store = try LocalObjectStore.open(Self.vaultPath, host: host)
    return try Vault.open(store, host: host, log: warnings.log)
  }

  /// Lets the disks have this version.
  func placeDisks(version: Int) {
    for (name, bytes) in zip(Self.diskNames, Self.disks(version: version)) {
      system.setContents(path(ofDisk: name), bytes)
    }
  }

  /// Backs up the disks as they are.
  func backup() throws -> PointID {
    var backup = Backup(
      machine: machine,
      disks: Self.diskNames.map { .init(name: $0, role: .data, path: path(ofDisk: $0)) })
    backup.resources = Resources(memoryByteCount: 0, jobs: 1)
    let sources = try backup.openSources(vaultPath: Self.vaultPath, host: host)
    return try backup.run(sources, to: try vault()).point.id
  }

  /// Restores disks of a point; all of them where `names` is empty.
  func restore(_ point: PointID, _ names: [Name] = [], to path: String) throws {
    let vault = try vault()
    let entry = try PointCatalog(vault).resolve(point.text, machine: nil)
    var restore = try Restore(entry.point, disks: names, to: path)
    restore.resources = Resources(memoryByteCount: 0, jobs: 1)
    _ = try restore.run(from: vault)
  }

  /// Verifies the whole vault; what is damaged is an error.
  func verify() throws {
    var verify = Verify()
    verify.resources = Resources(memoryByteCount: 0, jobs: 1)
    let report = try verify.run(on: try vault())
    guard let damage = report.damaged.first else { return }
    throw VaultError(.damaged, "\(damage.object): \(damage.problem)")
  }

  /// Deletes a point, for ever or so that it can be brought back.
  func delete(_ point: PointID, isFinal: Bool = true) throws {
    let vault = try vault()
    let (id, subject) = try PointCatalog(vault).resolveAny(point.text)
    try PointDeletion(vault, at: vault.now()).delete(id, subject: subject, isFinal: isFinal)
  }

  /// Brings a point back.
  func undelete(_ point: PointID) throws {
    let vault = try vault()
    try PointDeletion(vault, at: vault.now()).undelete(point)
  }

  func pin(_ point: PointID) throws {
    try vault().pin(point)
  }

  /// Frees all that can be freed.
  func collect() throws {
    var collect = Collect()
    collect.maximumDeadPercent = 0
    collect.resources = Resources(memoryByteCount: 0, jobs: 1)
    _ = try collect.run(on: try vault())
  }

  private static let policy = Name("gold")

  /// Makes the policy, or lets it keep so many days.
  func setPolicy(keepingDays days: UInt32) throws {
    guard let policy = Self.policy else { return }
    _ = try PolicyChanges(try vault()).set(policy) { _ in
      .init(schedule: nil, zone: .utc, rules: KeepRules(daily: days), softDeleteSeconds: 0)
    }
  }

  /// Assigns it to the machine, with one disk.
  func assign(source: UInt32) throws {
    guard let policy = Self.policy else { return }
    _ = try PolicyChanges(try vault()).assign(
      policy, to: machine,
      disks: [.init(name: Self.diskNames[0], role: .os, source: "/source/\(source)")])
  }

  func unassign() throws {
    guard try PolicyChanges(try vault()).unassign(machine) else {
      throw VaultError(.notThere, "there was no assignment")
    }
  }

  func removePolicy() throws {
    guard let policy = Self.policy else { return }
    try PolicyChanges(try vault()).remove(policy)
  }

  /// Deletes all points but so many, so that they can be brought back.
  func prune(keepingLast count: Int) throws {
    let prune = try Prune(try vault())
    try prune.apply(try prune.plan { _ in .init(keep: KeepRules(last: UInt32(count))) })
  }

  /// A job from its beginning to its end.
  func job() throws -> JobID {
    let vault = try vault()
    var record = JobRecord(beginning: .verify, on: vault.host)
    let job = try OpenJob.begin(record, in: vault)
    record.end = .init(time: vault.now(), code: 0)
    try job.end(record)
    return record.id
  }

  /// How many days the policy keeps, and which source the machine has.
  func policies() throws -> (days: UInt32?, source: UInt32?) {
    let policies = try Policies(try vault())
    if let unreadable = policies.unreadable.first { throw unreadable.refusal }
    let source = policies.machines.first?.assignment.disks.first?.source
    return (
      policies.policies.first?.settings.rules.daily,
      source.flatMap { $0.split(separator: "/").last }.flatMap { UInt32($0) }
    )
  }

  // MARK: Checks

  /// What is wrong with the files of a restore that was reported; nil if nothing is.
  func problem(ofRestored path: String, _ names: [Name], version: Int) -> String? {
    for (name, bytes) in zip(Self.diskNames, Self.disks(version: version))
    where names.isEmpty || names.contains(name) {
      guard let isRight = system.file("\(path)/\(name).img", holds: bytes) else {
        return "\(path)/\(name).img is not there"
      }
      if !isRight { return "\(path)/\(name).img is not what was backed up" }
      if system.mode("\(path)/\(name).img") != 0o600 { return "\(path)/\(name).img: its mode" }
    }
    return nil
  }

  /// Restores a point to a place of its own and compares; nil if it is what it should be.
  func problem(of point: PointID, version: Int, run: String) -> String? {
    let path = "/check-\(run)-\(point)"
    do {
      try restore(point, to: path)
    } catch {
      return "point \(point) of version \(version) does not restore: \(error)"
    }
    return problem(ofRestored: path, [], version: version)
  }
}

/// Keeps the warnings that were logged: after a cut there is nothing to warn of.
final class LogRecorder: LogHandler {
  private let recorded = Lock<[String]>([])

  var all: [String] { recorded.withLock { $0 } }

  var log: Logger {
    var log = Logger(label: "test", factory: { _ in self })
    log.logLevel = .warning
    return log
  }

  func log(event: LogEvent) {
    recorded.withLock { $0.append("\(event.message)") }
  }

  // The protocol is made for values; nobody sets these.
  var metadata: Logger.Metadata {
    get { [:] }
    set { _ = newValue }
  }
  var logLevel: Logger.Level {
    get { .warning }
    set { _ = newValue }
  }
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set { _ = newValue }
  }
}
