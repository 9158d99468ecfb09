import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// The built program, killed at moments that nobody chose: writers, a restore, deletions and
/// collections on one vault, each under a `timeout` that kills it after a random time.
///
/// What is asserted holds at every moment, so it does not matter that the moments can't be
/// repeated. `SNAPSTORE_SOAK=1` makes it thousands of kills; CI makes some hundred.
@Suite("Killed at any moment") struct KillTests {
  private static let isSoak = ProcessInfo.processInfo.environment["SNAPSTORE_SOAK"] != nil
  private static let rounds = isSoak ? 1500 : 120
  private static let machines = ["one", "two", "three"]
  private static let timeout = "/usr/bin/timeout"

  private let snapstore: ProgramRun
  private let random: SeededRandomness

  init() throws {
    snapstore = try ProgramRun()
    random = SeededRandomness(seed: 300)
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  /// Begins a run that is killed after a random time.
  private func start(_ arguments: [String], upTo seconds: Double) throws -> ProgramRun.Running {
    let share = Double(random.next() % 10_000) / 10_000
    let limit = String(format: "%.4f", 0.001 + share * seconds)
    return try snapstore.start(arguments, through: [Self.timeout, "-s", "KILL", limit])
  }

  /// Overwrites some blocks of a disk, as a day's work does.
  private func change(_ content: inout [UInt8]) {
    for _ in 0..<8 {
      let start = Int(random.next() % UInt64(content.count / 4096)) * 4096
      content.replaceSubrange(start..<(start + 4096), with: random.bytes(4096))
    }
  }

  @Test("every point that was reported is there and right, and no file is half made")
  func kills() throws {
    var contents = Self.machines.map { _ in random.bytes(2_000_000) }
    // Adapted until about every third run ends by itself, however busy the machine is.
    var seconds = 0.2
    var reported: [(id: String, content: [UInt8])] = []
    var killed = 0
    var deletedCount = 0
    for round in 0..<Self.rounds {
      var runs: [ProgramRun.Running] = []
      for (number, machine) in Self.machines.enumerated() {
        change(&contents[number])
        try snapstore.write("\(machine).img", contents[number])
        runs.append(
          try start(
            ["backup", "--vault", "v", "--vm", machine, "\(machine).img", "--json"],
            upTo: seconds))
      }
      let wanted = reported.isEmpty ? nil : reported[Int(random.next() % UInt64(reported.count))]
      let restore = try wanted.map {
        try start(
          ["restore", "--vault", "v", "--point", $0.id, "--to", "out-\(round)", "--quiet"],
          upTo: seconds)
      }
      // Another point than the one that is restored; what a killed deletion did is not known.
      let others = reported.indices.filter { reported[$0].id != wanted?.id }
      var deletion: ProgramRun.Running?
      if round % 3 == 1, others.count > 3 {
        let point = reported.remove(at: others[Int(random.next() % UInt64(others.count))])
        deletion = try start(
          ["point", "delete", "--vault", "v", point.id]
            + (round % 2 == 0 ? ["--now", "--yes"] : []), upTo: seconds)
        deletedCount += 1
      }
      let collection = try start(
        ["collect", "--vault", "v", "--max-dead", round % 4 == 0 ? "0" : "10", "--quiet"],
        upTo: seconds * 2)
      if let deletion { _ = try deletion.waitForAnyEnd() }
      let collected = try collection.waitForAnyEnd()
      #expect(collected.wasKilled || [0, 75].contains(collected.status), "\(collected.errors)")
      for (number, run) in runs.enumerated() {
        let result = try run.waitForAnyEnd()
        if result.wasKilled {
          killed += 1
          seconds = min(seconds * 1.03, 20)
        } else {
          #expect(result.status == 0, "\(result.errors)")
          seconds = max(seconds / 1.06, 0.02)
        }
        if let point = try result.reportedPoint() { reported.append((point, contents[number])) }
      }
      if let restore, let wanted {
        if try restore.waitForAnyEnd().wasKilled { killed += 1 }
        try expectWholeOrAbsent("out-\(round)", wanted.content)
      }
      if round % 25 == 24 { try expectSound(reported.suffix(4)) }
    }
    print("\(killed) runs of \(4 * Self.rounds) were killed, \(reported.count) points reported")
    #expect(deletedCount > Self.rounds / 10)
    #expect(killed >= 2 * Self.rounds)
    #expect(reported.count > Self.rounds / 4)
    try expectSound(reported[...])
  }

  /// Nothing needs repair: the vault verifies, all reported points are listed, these restore.
  private func expectSound(_ points: ArraySlice<(id: String, content: [UInt8])>) throws {
    let verify = try snapstore("verify", "--vault", "v")
    #expect(verify.status == 0, "\(verify.output) \(verify.errors)")
    let list = try snapstore("points", "--vault", "v", "--json").json().first as? [[String: Any]]
    let listed = Set(try #require(list).compactMap { $0["point"] as? String })
    for point in points {
      #expect(listed.contains(point.id), "\(point.id) was reported")
      let result = try snapstore(
        "restore", "--vault", "v", "--point", point.id, "--to", "whole", "--quiet")
      #expect(result.status == 0, "\(result.errors)")
      try expectWholeOrAbsent("whole", point.content)
    }
  }

  private func expectWholeOrAbsent(_ target: String, _ content: [UInt8]) throws {
    guard FileManager.default.fileExists(atPath: snapstore.path(target)) else { return }
    let files = try snapstore.directory.names(target)
    #expect(files.count == 1)
    for file in files { #expect(try snapstore.read("\(target)/\(file)") == content) }
    try snapstore.remove(target)
  }

  @Test("after a kill at half of a first backup the next stores the rest, and says what it reused")
  func resume() throws {
    try snapstore.writeLong("long.img", mebibytes: 256)
    let total: UInt64 = 256 << 20
    let run = try snapstore.start(["backup", "--vault", "v", "long.img"])
    // The vault's own files tell how far it is.
    while try vaultByteCount() < total / 2, run.isRunning {}
    run.kill()
    #expect(try run.waitForAnyEnd().wasKilled)
    let next = try snapstore("backup", "--vault", "v", "long.img", "--json").object()
    let stored = try #require(next["stored_bytes"] as? UInt64)
    #expect(stored < total * 6 / 10, "\(stored) of \(total)")
    #expect(try #require(next["reused_bytes"] as? UInt64) > total * 4 / 10)
  }

  private func vaultByteCount() throws -> UInt64 {
    var sum: UInt64 = 0
    for folder in ["packs", "unfinished"] {
      guard FileManager.default.fileExists(atPath: snapstore.path("v/\(folder)")) else { continue }
      for name in try snapstore.directory.names("v/\(folder)") {
        do {
          let attributes = try FileManager.default.attributesOfItem(
            atPath: snapstore.path("v/\(folder)/\(name)"))
          sum += (attributes[.size] as? NSNumber)?.uint64Value ?? 0
        } catch {
          continue  // renamed meanwhile
        }
      }
    }
    return sum
  }
}
