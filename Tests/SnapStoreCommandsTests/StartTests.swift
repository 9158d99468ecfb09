import Foundation
import Glibc
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// What a process has from who started it: signals, limits, open files, environment, directory.
@Suite("However it is started") struct StartTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
    try snapstore.write("disk.img", SeededRandomness(seed: 1).bytes(1 << 20))
  }

  /// Runs it behind a shell's `prelude`.
  private func run(
    _ arguments: [String], after prelude: String, environment: [String: String] = [:]
  ) throws -> ProgramRun.Result {
    try snapstore.start(
      arguments, environment: environment, through: ["/bin/sh", "-c", prelude, "sh"]
    ).wait()
  }

  @Test("it is told how its hooks end, also where the end of children is ignored")
  func childrenIgnored() throws {
    try snapstore.write("c.toml", Array("[hooks]\nsuccess = ['/bin/sh', '-c', 'exit 7']".utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: snapstore.path("c.toml"))
    let result = try run(
      ["backup", "--vault", "v", "disk.img"], after: #"exec env --ignore-signal=CHLD "$@""#,
      environment: ["SNAPSTORE_CONFIG": "c.toml"])
    #expect(result.status == 0)
    #expect(result.errors.contains("ended with exit code 7"), "\(result.errors)")
  }

  @Test("a file that would be longer than it may be is an error, and nothing stays")
  func fileSizeLimit() throws {
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    try FileManager.default.createDirectory(
      atPath: snapstore.path("there"), withIntermediateDirectories: false)
    for target in ["new", "there"] {
      let result = try run(
        ["restore", "--vault", "v", "--point", "latest", "--to", target],
        after: #"ulimit -f 300; exec env --default-signal=XFSZ "$@""#)
      #expect(result.status == 74, "\(result.errors)")
      #expect(result.errors.contains("File too large"), "\(result.errors)")
      #expect(result.errors.contains("hint: "), "\(result.errors)")
    }
    #expect(try snapstore.directory.names("there").isEmpty)
    let names = try snapstore.directory.names()
    #expect(!names.contains { $0 == "new" || $0.contains("unfinished") }, "\(names)")
  }

  @Test("where it may open hardly any files it says so", arguments: [5, 7, 15])
  func fewFiles(limit: Int) throws {
    for arguments in [["backup", "--vault", "v", "disk.img"], ["verify", "--vault", "v"]] {
      let result = try run(arguments, after: "ulimit -n \(limit); exec \"$@\"")
      #expect(result.status == 74)
      #expect(result.errors.contains("may open only \(limit) files"), "\(result.errors)")
      #expect(result.errors.contains("\nhint: raise the limit: ulimit -n "), "\(result.errors)")
    }
  }

  @Test("it has as many files open as it may have, whatever the soft limit says")
  func manyFiles() throws {
    let result = try snapstore.start(
      ["vault", "info", "--vault", "v"], through: ["/usr/bin/prlimit", "--nofile=8:1024"]
    ).wait()
    #expect(result.status == 0, "\(result.errors)")
  }

  /// A user with no other processes: the limit is for all of a user's, and root has none.
  private var lonelyUser: Int { 1_000_000 + Int(getpid()) }

  @Test(
    "where the system makes hardly any threads it says so, and waits for none",
    .enabled(if: Privileges.isRoot, Privileges.rootReason))
  func fewThreads() throws {
    let folder = snapstore.path("mine")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let hooks = "[hooks]\nfailure = ['/bin/true']\nsuccess = ['/bin/true']\n"
    try snapstore.write("mine/c.toml", Array(hooks.utf8))
    for path in [folder, snapstore.path("disk.img"), snapstore.path("mine/c.toml")] {
      try FileManager.default.setAttributes(
        [.ownerAccountID: lonelyUser], ofItemAtPath: path)
    }
    func run(_ arguments: [String], threads: Int) throws -> ProgramRun.Result {
      let user = ["/usr/bin/setpriv", "--reuid=\(lonelyUser)", "--regid=65534", "--clear-groups"]
      return try snapstore.start(
        arguments, environment: ["SNAPSTORE_CONFIG": snapstore.path("mine/c.toml")],
        through: user + ["/usr/bin/prlimit", "--nproc=\(threads):\(threads)"]
      ).wait()
    }
    #expect(try run(["vault", "create", "mine/v"], threads: 1).status == 0)
    for arguments in [
      ["backup", "--vault", "mine/v", "disk.img", "--jobs", "3"], ["verify", "--vault", "mine/v"],
    ] {
      var statuses: [Int32] = []
      for threads in 1...20 {
        let result = try run(arguments, threads: threads)
        statuses.append(result.status)
        guard result.status != 0 else { break }
        #expect(result.status == 74, "\(threads) threads: \(result.errors)")
        #expect(result.errors.contains("cannot start a thread"), "\(result.errors)")
        #expect(result.errors.contains("\nhint: "), "\(result.errors)")
      }
      #expect(statuses.count > 3 && statuses.last == 0, "\(statuses)")
    }
  }

  @Test("--jobs and --memory say how many threads compute")
  func threads() throws {
    try snapstore.assignGold(
      ["--schedule", "daily 02:00", "--keep-last", "9"], to: "web", ["--data-disk", "disk.img"])
    let strace = [
      "/usr/bin/strace", "-f", "-qq", "-o", snapstore.path("trace"), "-e", "trace=clone3,clone",
    ]
    // The memory that it takes by itself is not enough for so many.
    for command in ["run", "backup"] {
      let result = try snapstore.start(
        [command, "--vm", "web", "--jobs", "60", "--memory", "1G", "--vault", "v"], through: strace
      ).wait()
      #expect(result.status == 0, "\(result.errors)")
      let trace = String(decoding: try snapstore.read("trace"), as: UTF8.self)
      #expect(trace.matches(of: /clone3?\(/).count > 70, "\(trace)")
    }
  }

  @Test("streams that are closed do no harm", arguments: ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
  func closedStreams(streams: String) throws {
    let result = try run(
      ["backup", "--vault", "v", "disk.img"], after: "exec \"$@\" \(streams)")
    // Who can't be told of a success is told so.
    #expect(result.status == (streams.contains(" >&-") || streams == ">&-" ? 74 : 0))
    #expect(try snapstore("verify", "--vault", "v").status == 0)
    let points = try snapstore("points", "--vault", "v", "--json").json().first as? [Any]
    #expect(points?.count == 1)
    #expect(
      try snapstore("restore", "--vault", "v", "--point", "latest", "--to", "out").status == 0)
    #expect(snapstore.areSame("out/disk.img", "disk.img"))
  }

  @Test("no file gets the number of a stream that is closed, and with it what is printed")
  func numbersOfClosedStreams() throws {
    let closing = ["/bin/sh", "-c", #"exec "$@" <&- >&- 2>&-"#, "sh"]
    let strace = [
      "/usr/bin/strace", "-f", "-y", "-o", snapstore.path("trace"), "-e", "trace=openat",
    ]
    _ = try snapstore.start(
      ["backup", "--vault", "v", "disk.img"], through: strace + closing
    ).wait()
    let trace = String(decoding: try snapstore.read("trace"), as: UTF8.self)
    let opened = trace.matches(of: /\) += ([0-9]+)<([^>]*)>/).filter {
      $0.2.hasPrefix(snapstore.directory.path)
    }
    #expect(opened.count > 10)
    #expect(opened.contains { $0.2.hasSuffix("/disk.img") })
    #expect(opened.allSatisfy { (Int($0.1) ?? 0) > 2 }, "\(trace)")
  }

  @Test("interrupts that it was started to ignore stay ignored, as in the background of a script")
  func interruptsIgnored() throws {
    let script = """
      trap '' INT; program=$$
      (while [ -e /proc/$program/exe ]; do kill -INT $program; done) & exec "$@"
      """
    let result = try run(["backup", "--vault", "v", "disk.img"], after: script)
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test(
    "told to end in the middle, it ends as interrupted, with nothing half done",
    arguments: [
      (["restore", "--point", "latest", "--to", "out"], "v/packs"), (["verify"], "v/packs"),
      (["collect"], "v/packs"), (["run"], "v/packs"), (["run", "--vm", "web"], "disk.img"),
      (["prune", "--vm", "disk", "--keep-last", "1", "--yes"], "v/tombstones"),
    ])
  func interrupted(arguments: [String], slow place: String) throws {
    for _ in 0..<3 { #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0) }
    // Without a schedule nothing is due but a collection.
    let schedule = place == "disk.img" ? ["--schedule", "daily 02:00"] : []
    try snapstore.assignGold(
      ["--keep-last", "9"] + schedule, to: "web", ["--data-disk", "disk.img"])
    let packs = try snapstore.directory.names("v/packs").map { "v/packs/\($0)" }
    let paths = place == "v/packs" ? packs : [place]
    let strace =
      ["/usr/bin/strace", "-f", "-qq", "-o", "/dev/null"]
      + paths.flatMap { ["-P", snapstore.path($0)] }
      + ["-e", "inject=pread64,preadv,preadv2,fsync:delay_enter=1200000:when=1"]
    let jobCount = try snapstore.directory.names("v/jobs").count
    let running = try snapstore.start(
      arguments + ["--vault", "v"],
      through: strace + ["/bin/sh", "-c", #"echo $$ > pid; exec "$@""#, "sh"])
    while running.isRunning, try snapstore.directory.names("v/jobs").count == jobCount {}
    let number = String(decoding: try snapstore.read("pid"), as: UTF8.self)
    kill(try #require(Int32(number.trimmingCharacters(in: .newlines))), SIGTERM)
    let result = try running.wait()
    #expect(result.status == 130, "\(result.errors)")
    #expect(result.errors.hasPrefix("snapstore: error: interrupted\n"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: snapstore.path("out")))
    let points = try snapstore("points", "--vault", "v", "--json").json().first as? [Any]
    // None was made; of the two that were to go, at most one is gone.
    let count = try #require(points?.count)
    #expect(count == 3 || count == 2 && arguments[0] == "prune", "\(count)")
  }

  @Test("a pipe that makes nobody wait gets all of its output", .timeLimit(.minutes(4)))
  func nonBlockingPipe() throws {
    let arguments = ["--experimental-dump-help"]
    let whole = try snapstore.run(arguments).output
    #expect(whole.utf8.count > 1 << 16, "more than a pipe takes")
    #expect(makeFIFO(snapstore.path("fifo")))
    // The program has the reader's file too, so that only one side has to be made so.
    let reader = unsafe open(snapstore.path("fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC)
    defer { close(reader) }
    let running = try snapstore.start(arguments, output: reader)
    var bytes: [UInt8] = []
    while bytes.count < whole.utf8.count {
      var state = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&state, 1, 100) == 1 else {
        guard running.isRunning else { break }
        continue
      }
      var piece = [UInt8](repeating: 0, count: 4096)
      let count = unsafe read(reader, &piece, piece.count)
      bytes += piece.prefix(max(0, count))
    }
    #expect(bytes.elementsEqual(whole.utf8))
    let result = try running.wait()
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test(
    "a path of the environment that is not UTF-8 is refused, and no other one is used",
    arguments: ["SNAPSTORE_VAULT", "SNAPSTORE_CONFIG", "XDG_DATA_HOME", "HOME"])
  func environment(variable: String) throws {
    // A configuration that is empty is none.
    let others = variable == "SNAPSTORE_CONFIG" ? "" : "SNAPSTORE_CONFIG=; "
    let result = try run(
      ["backup", "disk.img"],
      after: "\(others)export \(variable)=\"$PWD/$(printf 'a\\377')\"; exec \"$@\"")
    #expect(result.status == 64, "\(result.errors)")
    #expect(result.errors.contains("\(variable), in the environment, is not UTF-8"))
    let names = try snapstore.directory.names().filter { !$0.hasPrefix(".output") }
    #expect(names == ["disk.img", "v"], "\(names)")
  }

  @Test("an argument that is not UTF-8 is refused; one that has what stands for such bytes is not")
  func argument() throws {
    let result = try run(
      ["backup", "--vault", "v"], after: #"exec "$@" "d=$(printf 'a\377')""#)
    #expect(result.status == 64)
    #expect(result.errors.contains("an argument is not UTF-8: d=a\u{FFFD}"), "\(result.errors)")
    try snapstore.write("a\u{FFFD}", [1])
    let other = try snapstore("backup", "--vault", "v", "d=a\u{FFFD}")
    #expect(other.status == 0, "\(other.errors)")
  }

  @Test("a disk in a folder whose name is not UTF-8 is refused: its path could not be kept")
  func folder() throws {
    let prelude = #"d=$(printf 'd\377'); mkdir "$d"; cp disk.img "$d"; cd "$d"; exec "$@""#
    let vault = snapstore.path("v")
    let result = try run(["backup", "--vault", vault, "disk.img"], after: prelude)
    #expect(result.status == 66, "\(result.errors)")
    #expect(result.errors.contains("bytes that are not UTF-8"), "\(result.errors)")
  }

  @Test("a working directory that was removed ends what looks for one above it")
  func removedDirectory() throws {
    let prelude = #"mkdir gone; cd gone; rmdir ../gone; exec "$@""#
    let result = try run(["bench", "--vault", "x"], after: prelude)
    #expect(result.status == 66, "\(result.errors)")
    #expect(result.errors.contains("the working directory was removed"), "\(result.errors)")
  }
}
