import Foundation
import Logging
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import SystemPackage
import Testing

@Suite("The history of jobs")
struct JobHistoryTests {
  private let directory: TemporaryDirectory
  private let vault: Vault

  init() throws {
    directory = try TemporaryDirectory()
    let host = HostSystem.forTests(clock: SteppingClock())
    vault = try Vault.create(
      in: try LocalObjectStore.create("\(directory.path)/vault", host: host), host: host,
      log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  private var history: JobHistory {
    get throws { try JobHistory(vault) }
  }
  private var objects: [String] {
    get throws { try directory.names("vault/jobs") }
  }

  /// A job with its record.
  private struct Run {
    var record: JobRecord
    let job: OpenJob
    var id: JobID { record.id }

    init(_ kind: JobRecord.Kind, machine: Name? = nil, in vault: Vault) throws {
      record = JobRecord(beginning: kind, machine: machine, on: vault.host)
      job = try OpenJob.begin(record, in: vault)
    }

    func end(_ end: JobRecord.End, point: PointID? = nil) throws {
      var record = record
      record.end = end
      record.point = point
      try job.end(record)
    }
  }

  private func end(_ run: Run, code: UInt32 = 0) throws {
    try run.end(.init(time: vault.now(), code: code, message: code == 0 ? nil : "no"))
  }

  @Test("a job is under way, then done or failed")
  func lives() throws {
    let machine = try #require(Name("web"))
    let job = try Run(.backup, machine: machine, in: vault)
    let before = try #require(try history.jobs.first)
    #expect(before.record.id == job.id && before.record.machine == machine && before.isRunning)
    guard case .running = before.state else {
      Issue.record("\(before.state)")
      return
    }
    #expect(!before.hasFailed)
    let point = PointID(time: Timestamp(seconds: 5), random: 7)
    let end = JobRecord.End(
      time: Timestamp(seconds: 1_900_000_000), code: 74, message: "no", hint: "yes",
      warnings: ["well"], figures: [.readBytes: 3])
    try job.end(end, point: point)
    let after = try history.jobs
    #expect(after.count == 1 && after[0].hasFailed && !after[0].isRunning)
    #expect(after[0].record.end == end && after[0].record.point == point)
    #expect(try objects == ["\(job.id).ended"])
  }

  @Test("who goes without a word was killed; who is withdrawn never was")
  func killed() throws {
    do {
      let job = try Run(.verify, in: vault)
      withExtendedLifetime(job.job) {}
    }
    let jobs = try history.jobs
    guard jobs.count == 1, case .killed = jobs[0].state else {
      Issue.record("\(jobs)")
      return
    }
    #expect(jobs[0].hasFailed)
    try Run(.run, in: vault).job.withdraw()
    #expect(try history.jobs.count == 1)
  }

  @Test("how a job ended is there before it is no longer there that it began")
  func order() throws {
    let events = Lock<[ObservedStore.Event]>([])
    let observed = ObservedStore(vault.store) { event in events.withLock { $0.append(event) } }
    let job = try Run(.verify, in: vault.through(observed))
    try end(job)
    let all = events.withLock { $0 }
    let folder = VaultFolder.jobs
    let ended = all.firstIndex(of: .finish(ObjectName(folder: folder, key: "\(job.id).ended")))
    let withdrawn = all.firstIndex(of: .delete(ObjectName(folder: folder, key: "\(job.id).begun")))
    #expect(try #require(ended) < #require(withdrawn))
  }

  @Test("a job that ends while its beginning is read was not killed")
  func endsMeanwhile() throws {
    let job = try Run(.verify, in: vault)
    let begun = ObjectName(folder: VaultFolder.jobs, key: "\(job.id).begun")
    let hasEnded = Lock(false)
    let observed = ObservedStore(vault.store) { [vault] event in
      guard case .read(begun, _) = event, !hasEnded.withLock({ $0 }) else { return }
      hasEnded.withLock { $0 = true }
      try job.end(.init(time: vault.now(), code: 0))
    }
    let jobs = try JobHistory(vault.through(observed)).jobs
    #expect(hasEnded.withLock { $0 })
    #expect(jobs.count == 1 && jobs[0].isRunning && !jobs[0].hasFailed)
  }

  @Test("another run is seen, jobs of other kinds and runs that ended are not")
  func others() throws {
    let first = try Run(.run, in: vault)
    #expect(try first.job.other(in: history) == nil)
    let backup = try Run(.backup, in: vault)
    let second = try Run(.run, in: vault)
    #expect(
      try first.job.other(in: history)?.id == second.id
        && second.job.other(in: history)?.id == first.id)
    try end(second)
    #expect(try first.job.other(in: history) == nil && backup.job.other(in: history) == nil)
    withExtendedLifetime(first.job) {}
  }

  @Test("many jobs are folded: none is lost, whatever its state, and few objects are left")
  func folding() throws {
    let running = try Run(.restore, in: vault)
    var codes: [JobID: UInt32] = [:]
    var killed: JobID?
    do { killed = try Run(.collect, in: vault).id }
    for number in 0..<300 as Range<UInt32> {
      let job = try Run(.verify, in: vault)
      codes[job.id] = number % 3
      try end(job, code: number % 3)
      #expect(try objects.count <= 68)
    }
    let jobs = try history.jobs
    #expect(jobs.map(\.record.started) == jobs.map(\.record.started).sorted())
    #expect(jobs.count == 302)
    let found = jobs.compactMap { job in job.record.end.map { (job.record.id, $0.code) } }
    #expect(Dictionary(uniqueKeysWithValues: found) == codes)
    #expect(jobs.filter { $0.record.end == nil && !$0.isRunning }.map(\.record.id) == [killed])
    #expect(jobs.filter(\.isRunning).map(\.record.id) == [running.id])
    #expect(try objects.count { $0.hasPrefix("fold-") } == 1)
    try end(running)
    #expect(try history.jobs.count == 302 && history.jobs.allSatisfy { !$0.isRunning })
  }

  @Test("two folds of the same jobs tell each once, and the end counts")
  func twice() throws {
    let job = try Run(.verify, in: vault)
    let begun = try #require(try history.jobs.first).record
    try end(job)
    let ended = try #require(try history.jobs.first).record
    for (number, records) in [[begun], [ended], [begun, ended]].enumerated() {
      let name = ObjectName(folder: "jobs", key: "fold-000000000000000\(number)")
      #expect(try vault.store.put(name, JobsObject(jobs: records).encoded()))
    }
    #expect(try history.jobs.map(\.record) == [ended])
  }

  @Test("what can't be read is said, is no reason to fail, and goes when jobs are folded")
  func damage() throws {
    try end(try Run(.verify, in: vault))
    let lost = try #require(try objects.first)
    let path = directory.path("vault/jobs/\(lost)")
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    try Data().write(to: URL(fileURLWithPath: directory.path("vault/jobs/fold-0123456789abcdef")))
    #expect(try history.unreadable.count == 2)
    for _ in 0..<70 { try end(try Run(.verify, in: vault)) }
    #expect(try history.jobs.count == 70 && history.unreadable.isEmpty)
  }

  @Test("full folds stay as they are, and the oldest go once there are too many")
  func limits() throws {
    func record(_ number: Int) -> JobRecord {
      let time = Timestamp(seconds: 1_700_000_000 + Int64(number))
      return JobRecord(
        id: JobID(time: time, random: 0), kind: .run, host: "", started: time,
        end: .init(time: time, code: 0))
    }
    let most = JobsObject.maximumJobs
    for fold in 0..<17 {
      let jobs = JobsObject(jobs: (0..<most).map { record(fold * most + $0) })
      let name = ObjectName(folder: "jobs", key: "fold-00000000000000\(10 + fold)")
      #expect(try vault.store.put(name, jobs.encoded()))
    }
    for _ in 0..<65 { try end(try Run(.verify, in: vault)) }
    let jobs = try history.jobs
    #expect(jobs.count == 15 * most + 65)
    #expect(jobs.first?.record.id == record(2 * most).id)
  }

  @Test("whatever call fails, the history can be read, and no job that ended is lost")
  func faults() throws {
    var ended: [JobID] = []
    for _ in 0..<64 {
      let job = try Run(.verify, in: vault)
      try end(job)
      ended.append(job.id)
    }
    var failures = 0
    // The next one folds: some hundred calls.
    for fatal in 0..<400 {
      let calls = Lock(0)
      let failing = ObservedStore(vault.store) { event in
        let number = calls.withLock { count in
          defer { count += 1 }
          return count
        }
        if number == fatal { throw IOError("write", "\(event)", .ioError) }
      }
      do {
        let job = try Run(.verify, in: vault.through(failing))
        try job.end(.init(time: vault.now(), code: 0))
        ended.append(job.id)
      } catch {
        #expect(error is IOError)
        failures += 1
      }
      #expect(Set(try history.jobs.map(\.record.id)).isSuperset(of: ended), "call \(fatal)")
      #expect(try history.unreadable.isEmpty)
    }
    #expect(failures > 3)
  }
}
