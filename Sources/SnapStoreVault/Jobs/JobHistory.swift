internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// What was done with a vault, as far as it was recorded: for people and metrics, and nothing that
/// decides over data relies on it (docs/format.md, "Jobs").
///
/// A job is one small object when it begins, held by its process, and another when it ends. Once
/// there are many of those they are folded into one object, so that a history of years is read at
/// once.
package struct JobHistory: Sendable {
  package struct Job: Sendable {
    package enum State: Sendable {
      case running
      /// It did not say that it ended, and its process is gone.
      case killed
      case ended(JobRecord.End)
    }

    package var record: JobRecord
    package var isRunning: Bool

    package init(record: JobRecord, isRunning: Bool) {
      self.record = record
      self.isRunning = isRunning
    }

    package var state: State {
      if let end = record.end { return .ended(end) }
      return isRunning ? .running : .killed
    }

    /// Whether it ended with another exit code than 0, or was killed.
    package var hasFailed: Bool {
      switch state {
      case .running: false
      case .killed: true
      case .ended(let end): end.code != 0
      }
    }
  }

  /// The oldest first.
  package private(set) var jobs: [Job] = []
  /// Objects that can't be read, with the reason; not damaged is what a newer program wrote.
  package private(set) var unreadable: [(object: String, reason: String, isDamaged: Bool)] = []

  package init(_ vault: Vault) throws {
    let files = try JobFiles(vault)
    jobs = files.jobs.values.sorted { $0.record.order < $1.record.order }
    unreadable = files.unreadable.map { ("\($0.name)", $0.reason, $0.code != .unsupported) }
  }
}

extension JobRecord {
  /// What tells the order of jobs.
  var order: (Timestamp, JobID) { (started, id) }
}

/// The objects of the history, read.
struct JobFiles {
  /// Objects that may have gone since they were listed: then what they held is elsewhere by now.
  private static let maximumTries = 8

  /// An object that can be folded, and the jobs that it holds.
  struct Part {
    var name: ObjectName
    var jobs: [JobID]
  }

  private(set) var jobs: [JobID: JobHistory.Job] = [:]
  private(set) var unreadable: [(name: ObjectName, reason: String, code: FormatError.Code?)] = []
  /// What holds a single job, none that is under way among it.
  private(set) var singles: [Part] = []
  /// What holds many.
  private(set) var folds: [Part] = []

  init(_ vault: Vault) throws {
    for _ in 0..<Self.maximumTries {
      self = JobFiles()
      if try read(vault) { return }
    }
    throw VaultError(
      .aborted, "the records of jobs change all the time", hint: "run the same command again")
  }

  private init() {}

  /// False where an object went while it was read.
  private mutating func read(_ vault: Vault) throws -> Bool {
    let names = try vault.store.list(VaultFolder.jobs).map(\.name)
    for name in names {
      guard let kind = Kind(name) else { continue }
      do {
        // First whether it lives: a job that ends says so before its beginning goes.
        let isRunning = try kind == .begun && vault.store.isHeld(name)
        guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
          return false
        }
        let found = try JobsObject(decoding: bytes.rawSpan).jobs
        if kind != .fold, found.count != 1 || !name.key.hasPrefix(found[0].id.text) {
          throw FormatError.damaged("holds other jobs than its name says")
        }
        for record in found { add(record, isRunning: isRunning) }
        let part = Part(name: name, jobs: found.map(\.id))
        switch kind {
        case .begun: if !isRunning { singles.append(part) }
        case .ended: singles.append(part)
        case .fold: folds.append(part)
        }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        unreadable.append((name, reason, (error as? FormatError)?.code))
      }
    }
    return true
  }

  /// Of two records of one job, the one counts that says how it ended.
  private mutating func add(_ record: JobRecord, isRunning: Bool) {
    if let known = jobs[record.id], known.record.end != nil || record.end == nil {
      jobs[record.id]?.isRunning = known.isRunning || isRunning
      return
    }
    jobs[record.id] = JobHistory.Job(record: record, isRunning: isRunning)
  }

  private enum Kind {
    case begun, ended, fold

    init?(_ name: ObjectName) {
      let key = name.key
      if key.hasPrefix("fold-"), Hexadecimal.bytes(key.dropFirst(5))?.count == 8 {
        self = .fold
      } else if JobID(key.dropLast(6)) != nil, key.hasSuffix(".begun") {
        self = .begun
      } else if JobID(key.dropLast(6)) != nil, key.hasSuffix(".ended") {
        self = .ended
      } else {
        return nil
      }
    }
  }
}

/// Folds the jobs of a vault that ended, so that there are few objects.
struct JobFolding {
  /// As many objects of single jobs are left alone.
  static let maximumSingles = 64
  /// So many jobs are kept: older ones go, whatever the clock says.
  static let maximumKept = 16 * JobsObject.maximumJobs
  let vault: Vault

  /// What it removes is durable elsewhere before. Two at once are harmless: both fold the same.
  func run() throws {
    // Only names: most calls find nothing to do.
    let count = try vault.store.list(VaultFolder.jobs).count { !$0.name.key.hasPrefix("fold-") }
    guard count > Self.maximumSingles else { return }
    let files = try JobFiles(vault)
    let inputs = files.singles + files.folds.filter { $0.jobs.count < JobsObject.maximumJobs }
    let folded = Set(inputs.flatMap(\.jobs))
    // One may have ended whose beginning is not gone yet.
    let records = folded.compactMap { files.jobs[$0] }.map(\.record).sorted { $0.order < $1.order }
    for start in stride(from: 0, to: records.count, by: JobsObject.maximumJobs) {
      let part = records[start...].prefix(JobsObject.maximumJobs)
      let name = ObjectName.jobFold(vault.host.randomness.next())
      guard try vault.store.put(name, JobsObject(jobs: Array(part)).encoded()) else { return }
    }
    for input in inputs { try vault.store.delete(input.name) }
    // A job that can't be read tells nobody anything; what a newer program wrote stays.
    for lost in files.unreadable where try lost.code == .damaged && isDamaged(lost.name) {
      try vault.store.delete(lost.name)
    }
    try dropOldest(files)
  }

  /// Whether an object is damaged when it is read again: one read that ended early is no reason to
  /// delete what is whole.
  private func isDamaged(_ name: ObjectName) throws -> Bool {
    do {
      guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
        return false
      }
      _ = try JobsObject(decoding: bytes.rawSpan)
      return false
    } catch let error as FormatError {
      return error.code == .damaged
    }
  }

  /// Full folds of the oldest jobs go once there are too many.
  private func dropOldest(_ files: JobFiles) throws {
    let full = files.folds.filter { $0.jobs.count == JobsObject.maximumJobs }
    let excess = full.count - (Self.maximumKept / JobsObject.maximumJobs - 1)
    guard excess > 0 else { return }
    let ages = full.compactMap { fold in
      fold.jobs.compactMap { files.jobs[$0]?.record.started }.min()
        .map { (oldest: $0, name: fold.name) }
    }
    for (_, name) in ages.sorted(by: { $0.oldest < $1.oldest }).prefix(excess) {
      try vault.store.delete(name)
    }
  }
}
