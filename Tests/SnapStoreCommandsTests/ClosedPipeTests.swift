import Foundation
import SnapStoreTestSupport
import Testing

/// Runs whose standard output is a pipe that nobody reads any more.
@Suite("Nobody reads what it prints") struct ClosedPipeTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
  }

  /// The exit code as a shell tells it.
  private func runUnread(_ words: [String], prelude: String = "") throws -> Int32 {
    // Opened for reading too, a named pipe makes nobody wait; then its last reader has surely gone.
    let script = """
      mkfifo unread; exec <&- 3<>unread 4>unread 3<&-; rm unread
      \(prelude) "$@" >&4 4>&-; echo $? > status
      """
    let run = try snapstore.start(words, through: ["/bin/sh", "-c", script, "sh"]).wait()
    #expect(run.errors.isEmpty, "\(run.errors)")
    let status = String(decoding: try snapstore.read("status"), as: UTF8.self)
    return try #require(Int32(status.trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  @Test("the work is done all the same; its result ends the run as in any pipeline")
  func workGoesOn() throws {
    let slowly = ["disk.img", "--jobs", "1", "--compression", "zstd:19", "--json"]
    var mebibytes = 16
    var showsProgress = false
    // As much as takes long enough to tell how far it is, on this machine.
    while !showsProgress {
      try #require(mebibytes < 4096)
      try snapstore.writeLong("disk.img", mebibytes: mebibytes)
      let vault = "v\(mebibytes)"
      #expect(try snapstore("vault", "create", vault).status == 0)
      let read = try snapstore.run(["backup", "--vault", vault] + slowly)
      showsProgress = read.output.contains("\"progress\"")
      mebibytes *= 2
    }
    #expect(try snapstore("vault", "create", "w").status == 0)
    #expect(try runUnread(["backup", "--vault", "w"] + slowly) == 128 + SIGPIPE)
    #expect(try snapstore("restore", "--vault", "w", "--point", "latest").status == 0)
    #expect(try snapstore("verify", "--vault", "w").status == 0)
  }

  @Test("a list ends in silence; where pipes end nobody, it is a fault")
  func lists() throws {
    try snapstore.write("disk.img", [1])
    #expect(try snapstore("vault", "create", "v").status == 0)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    #expect(try runUnread(["points", "--vault", "v"]) == 128 + SIGPIPE)
    let ignoring = "trap '' PIPE; exec 2> errors;"
    #expect(try runUnread(["points", "--vault", "v"], prelude: ignoring) == 74)
    let errors = String(decoding: try snapstore.read("errors"), as: UTF8.self)
    #expect(errors.contains("standard output"), "\(errors)")
  }
}
