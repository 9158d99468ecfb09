internal import SnapStoreFormat
internal import SnapStoreVault

/// What the vault's history of jobs says to monitoring, by kind of job and machine.
struct JobMetrics {
  /// Jobs that are told of apart: whole-vault jobs have no machine.
  private struct Subject: Hashable, Comparable {
    var kind: JobRecord.Kind
    var machine: Name?

    static func < (left: Subject, right: Subject) -> Bool {
      (left.kind.rawValue, left.machine?.text ?? "")
        < (right.kind.rawValue, right.machine?.text ?? "")
    }
  }

  private struct Standing {
    var failureCount = 0
    var lastSuccess: Timestamp?
    var lastFailure: Timestamp?
  }

  private var standings: [Subject: Standing] = [:]
  private let vault: (name: String, value: String)

  /// `machines`: those that are told of in any case. A counter must be there before it counts, or
  /// whoever watches sees no increase.
  init(_ history: JobHistory, machines: [Name], vault: (name: String, value: String)) {
    self.vault = vault
    for kind in [JobRecord.Kind.verify, .collect, .run] {
      standings[Subject(kind: kind, machine: nil)] = Standing()
    }
    for machine in machines {
      for kind in [JobRecord.Kind.backup, .prune] {
        standings[Subject(kind: kind, machine: machine)] = Standing()
      }
    }
    for job in history.jobs where !job.isRunning {
      let subject = Subject(kind: job.record.kind, machine: job.record.machine)
      var standing = standings[subject] ?? Standing()
      let time = job.record.end?.time ?? job.record.started
      if job.hasFailed {
        standing.failureCount += 1
        standing.lastFailure = max(standing.lastFailure ?? time, time)
      } else {
        standing.lastSuccess = max(standing.lastSuccess ?? time, time)
      }
      standings[subject] = standing
    }
  }

  var families: [MetricFamily] {
    [
      family(
        "failures_total",
        "Jobs that failed or were killed, of those that the vault still has on record.",
        isCounter: true
      ) { .integer(Int64($0.failureCount)) },
      family("last_success_timestamp_seconds", "When such a job last ended well.") {
        $0.lastSuccess.map { .integer($0.seconds) }
      },
      family("last_failure_timestamp_seconds", "When such a job last failed, or began and died.") {
        $0.lastFailure.map { .integer($0.seconds) }
      },
    ]
  }

  private func family(
    _ name: String, _ help: String, isCounter: Bool = false,
    _ value: (Standing) -> MetricFamily.Value?
  ) -> MetricFamily {
    var family = MetricFamily("snapstore_\(name)", help, isCounter: isCounter)
    for (subject, standing) in standings.sorted(by: { $0.key < $1.key }) {
      guard let value = value(standing) else { continue }
      var labels = [vault, ("kind", subject.kind.name)]
      if let machine = subject.machine { labels.append(("vm", machine.text)) }
      family.samples.append(.init(labels: labels, value: value))
    }
    return family
  }
}
