import Foundation
import Glibc
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite struct ChildProgramTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  /// A shell that runs a script, with `$1` the directory.
  private func shell(
    _ script: String, _ more: String..., limitSeconds: Double = 60, graceSeconds: Double = 60
  ) -> ChildProgram {
    ChildProgram(
      path: "/bin/sh", arguments: ["-c", script, "sh", directory.path] + more,
      environment: ["PATH": "/usr/bin:/bin", "NAME": "va=l ue"], limitSeconds: limitSeconds,
      graceSeconds: graceSeconds)
  }

  private func text(_ name: String) throws -> String {
    String(decoding: try directory.read(name), as: UTF8.self)
  }

  @Test func getsItsWordsItsEnvironmentAndItsInput() throws {
    let words = ["", "two words", "$HOME", "'", "ä\n"]
    let print =
      #"printf '%s|' "$2" "$3" "$4" "$5" "$6" >"$1/words"; env >"$1/env"; cat >"$1/input""#
    let program = shell(print, words[0], words[1], words[2], words[3], words[4])
    let input = SeededRandomness(seed: 1).bytes(300_000)
    #expect(try program.run(input: input) == .exited(0))
    #expect(try text("words") == words.map { "\($0)|" }.joined())
    #expect(try directory.read("input") == input, "more than a pipe takes")
    let names = try text("env").split(separator: "\n").map { $0.prefix { $0 != "=" } }
    #expect(Set(names).subtracting(["PWD", "OLDPWD", "SHLVL", "_"]) == ["PATH", "NAME"])
    #expect(try text("env").contains("NAME=va=l ue\n"))
  }

  @Test func whoDoesNotReadItsInputIsNotWaitedFor() throws {
    let input = [UInt8](repeating: 7, count: 1 << 20)
    #expect(try shell("exit 0").run(input: input) == .exited(0))
    #expect(try shell("cat >\"$1/none\"").run(input: []) == .exited(0))
    #expect(try directory.read("none").isEmpty)
  }

  @Test func tellsHowItEnds() throws {
    #expect(try shell("exit 3").run(input: []) == .exited(3))
    #expect(try shell("kill -KILL $$").run(input: []) == .killed(signal: SIGKILL))
    for path in ["/nowhere/at/all", directory.path, try directory.write([], to: "plain")] {
      let program = ChildProgram(path: path, arguments: [], environment: [:], limitSeconds: 60)
      let error = #expect(throws: IOError.self) { try program.run(input: []) }
      #expect(error?.path == path && error?.operation == "run")
    }
  }

  /// What is ignored or open in us is not in it, and its output is nowhere.
  @Test func isNotWhatWeAre() throws {
    let file = unsafe open(directory.path, O_RDONLY)  // without O_CLOEXEC
    defer { close(file) }
    let before = signal(SIGUSR2, SIG_IGN)
    defer { signal(SIGUSR2, before) }
    // A program without a shell, which has ways of its own with signals and descriptors.
    let (list, copy) = (directory.path("descriptors"), directory.path("status"))
    for command in [
      ["/usr/bin/find", "/proc/self/fd", "-type", "l", "-fprintf", list, "%f %l\n"],
      ["/bin/cp", "/proc/self/status", copy],
    ] {
      let program = ChildProgram(
        path: command[0], arguments: Array(command.dropFirst()), environment: [:],
        limitSeconds: 60)
      #expect(try program.run(input: []) == .exited(0))
    }
    let descriptors = try text("descriptors").split(separator: "\n")
    #expect(descriptors.contains("1 /dev/null"))
    for descriptor in descriptors.filter({ !["0", "1", "2"].contains($0.prefix { $0 != " " }) }) {
      let target = descriptor.drop { $0 != " " }.dropFirst()
      #expect(target != directory.path && !target.contains(":"), "\(descriptor)")
    }
    let status = try text("status")
    let signals = try #require(status.firstMatch(of: /SigBlk:\s(\w+)\nSigIgn:\s(\w+)\n/))
    // Two belong to the C library.
    let ownSignals = UInt64(3) << 31
    #expect(try #require(UInt64(signals.1, radix: 16)) & ~ownSignals == 0)
    #expect(try #require(UInt64(signals.2, radix: 16)) & ~ownSignals == 0)
    let group = try #require(status.firstMatch(of: /\nPid:\s(\d+)[^$]*\nNSpgid:\s(\d+)\n/))
    #expect(group.1 == group.2)
  }

  /// Runs what never ends by itself, with limits that grow until it had the time to say that it is
  /// `ready`: how long a shell takes to start, nobody knows.
  private func runTooLong(_ script: String, graceSeconds: Double) throws {
    for limit in [0.2, 2, 20, 60] {
      let program = shell(script, limitSeconds: limit, graceSeconds: graceSeconds)
      #expect(try program.run(input: []) == .tookTooLong)
      if try directory.names().contains("ready") { return }
    }
    Issue.record("it does not begin")
  }

  /// The FIFO has no writer any more when the last of them is gone.
  @Test(arguments: ["", "trap '' TERM; "])
  func whatTakesTooLongIsEndedWithAllItStarted(_ trap: String) throws {
    #expect(makeFIFO(directory.path("fifo")))
    let file = unsafe open(directory.path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    defer { close(file) }
    let script = """
      \(trap)exec 9<>"$1/fifo"
      sh -c '\(trap)echo >"$1/ready"; read line <&9' sh "$1" &
      read line <&9
      """
    try runTooLong(script, graceSeconds: trap.isEmpty ? 60 : 0.1)
    var state = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&state, 1, 60_000) == 1)
    #expect(state.revents == Int16(POLLHUP), "somebody is left")
  }

  @Test func whatEndsWhenItIsAskedIsNotKilled() throws {
    #expect(makeFIFO(directory.path("fifo")))
    let script = """
      trap 'echo asked >"$1/answer"; exit 0' TERM
      exec 9<>"$1/fifo"
      echo >"$1/ready"
      read line <&9
      """
    try runTooLong(script, graceSeconds: 60)
    #expect(try text("answer") == "asked\n")
  }
}
