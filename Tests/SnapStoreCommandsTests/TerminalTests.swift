import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// What is on a person's terminal while the program runs, and what stays there.
@Suite("The program on a terminal")
struct TerminalTests {
  private static let clearLine = "\r\u{1B}[K"
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
  }

  /// Runs `check` with a disk that takes the program long enough to show a bar: with a larger one
  /// where it was too quick, which is when `check` returns false.
  private func withLongRun(_ check: () throws -> Bool) throws {
    for mebibytes in [48, 192, 768, 3072] {
      try snapstore.writeLong("disk.img", mebibytes: mebibytes)
      if try check() { return }
    }
    Issue.record("no run was long enough for a bar")
  }

  /// The status lines that were shown, one after the other, without colors.
  private func bars(_ text: String) -> [String] {
    text.components(separatedBy: Self.clearLine).dropFirst()
      .map { $0.replacing(/\u{1B}\[\d*m/, with: "") }
      .filter { $0.hasPrefix("[") }
  }

  @Test("a bar tells how far backup and restore are, fits the terminal, and is gone at the end")
  func bar() throws {
    try withLongRun {
      let start = SystemClock().monotonicSeconds()
      let backup = try snapstore.onTerminal(["backup", "disk.img", "--jobs", "1"], columns: 70)
      let seconds = SystemClock().monotonicSeconds() - start
      #expect(backup.status == 0, "\(backup.terminal)")
      let shown = bars(backup.terminal)
      guard !shown.isEmpty else {
        try snapstore.remove(".local")
        return false
      }
      #expect(Double(shown.count) <= seconds * 10 + 1, "at most ten times a second")
      for line in shown { #expect(line.contains("%") && line.count < 70, "\(line)") }
      #expect(backup.terminal.contains("\u{1B}[32m"))
      let screen = try Screen(backup.terminal).lines
      #expect(screen.first?.contains("made a vault at") == true)
      #expect(screen.dropFirst().isEmpty, "\(screen)")
      #expect(backup.output.hasPrefix("Recovery point "))

      let restore = try snapstore.onTerminal(["restore", "--point", "latest", "--to", "out"])
      #expect(restore.status == 0, "\(restore.terminal)")
      #expect(try Screen(restore.terminal).lines == [])
      #expect(snapstore.areSame("disk.img", "out/disk.img"))

      let verify = try snapstore.onTerminal(["verify"])
      #expect(verify.status == 0, "\(verify.terminal)")
      #expect(try Screen(verify.terminal).lines == [])
      return true
    }
  }

  @Test("an interrupted run leaves no bar", arguments: [SIGINT, SIGTERM, SIGHUP])
  func interrupted(_ signal: Int32) throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    try withLongRun {
      let run = try snapstore.onTerminal(["backup", "--vault", "v", "disk.img", "--jobs", "1"]) {
        text, program in
        if text.contains("%") { kill(program.processIdentifier, signal) }
      }
      guard run.status == 130 else { return false }
      #expect(!bars(run.terminal).isEmpty)
      let screen = try Screen(run.terminal).lines
      #expect(screen.first == "snapstore: error: interrupted")
      #expect(screen.allSatisfy { !$0.contains("%") }, "\(screen)")
      return true
    }
  }

  @Test("what other threads say while the bar is shown stands on lines of its own")
  func warnings() throws {
    try withLongRun {
      try snapstore.remove("v")
      #expect(try snapstore("vault", "create", "v").status == 0)
      #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
      // Only what was stored last, which is restored last; not the small pack of the maps.
      let pack = try #require(try snapstore.newest("v/packs"))
      var bytes = try snapstore.read(pack)
      for offset in stride(from: bytes.count * 9 / 10, to: bytes.count, by: 300) {
        bytes[offset] ^= 0x55
      }
      try snapstore.write(pack, bytes)
      let run = try snapstore.onTerminal(
        ["restore", "--vault", "v", "--point", "latest", "--to", "out", "--jobs", "1"],
        columns: 500)
      #expect(run.status == 65, "\(run.terminal)")
      let parts = run.terminal.components(separatedBy: "warning:")
      guard parts.count > 1, !bars(parts[0]).isEmpty else { return false }
      let screen = try Screen(run.terminal).lines
      #expect(screen.contains { $0.hasPrefix("snapstore: warning: ") }, "\(screen)")
      for line in screen { #expect(line.hasPrefix("snapstore: ") || line.hasPrefix("hint: ")) }
      return true
    }
  }

  @Test(
    "no bar and no escapes where they are not wanted",
    arguments: [
      (["--quiet"], "xterm"), (["--json"], "xterm"), ([], "dumb"), ([], ""),
    ])
  func plain(options: [String], terminal: String) throws {
    #expect(try snapstore("vault", "create", "v").status == 0)
    try snapstore.writeLong("disk.img", mebibytes: 48)
    let run = try snapstore.onTerminal(
      ["backup", "--vault", "v", "disk.img", "--jobs", "1"] + options,
      environment: ["TERM": terminal])
    #expect(run.status == 0)
    #expect(run.terminal == "")
    let failed = try snapstore.onTerminal(
      ["points", "--vault", "none"], environment: ["TERM": "dumb"])
    #expect(failed.terminal.hasPrefix("snapstore: error: "))
  }

  @Test("errors are red on a terminal, unless NO_COLOR is set")
  func colors() throws {
    let red = try snapstore.onTerminal(["points", "--vault", "none"])
    #expect(red.terminal.hasPrefix("snapstore: \u{1B}[1;31merror:\u{1B}[0m "))
    let plain = try snapstore.onTerminal(
      ["points", "--vault", "none"], environment: ["NO_COLOR": "1"])
    #expect(plain.terminal.hasPrefix("snapstore: error: "))
    try withLongRun {
      let run = try snapstore.onTerminal(
        ["backup", "disk.img", "--jobs", "1"], environment: ["NO_COLOR": "1"])
      #expect(!run.terminal.contains(/\u{1B}\[\d*m/))
      return !bars(run.terminal).isEmpty
    }
  }

  @Test("quiet leaves warnings, errors and the JSON summary")
  func quiet() throws {
    try snapstore.write("disk.img", [1, 2, 3])
    let backup = try snapstore("backup", "disk.img", "--quiet")
    #expect(backup.status == 0)
    #expect(backup.output == "" && backup.errors == "")
    let json = try snapstore("backup", "disk.img", "--quiet", "--json")
    #expect(try json.json().count == 1)
    #expect(try json.object()["type"] as? String == "summary")
    let restore = ["restore", "--point", "latest", "--to", "out", "--quiet"]
    #expect(try snapstore.run(restore).output == "")
    let refused = try snapstore.run(restore)
    #expect(refused.status == 73)
    #expect(refused.errors.hasPrefix("snapstore: error: "))
    #expect(try snapstore("vault", "create", "v", "--quiet").output == "")
    // A qcow2 image is stored as it is, which a person should know.
    try snapstore.write("q.img", Array("QFI".utf8) + [0xFB] + [UInt8](repeating: 0, count: 508))
    let warned = try snapstore("backup", "q.img", "--quiet")
    #expect(warned.output == "")
    #expect(warned.errors.hasPrefix("snapstore: warning: "))
  }
}
