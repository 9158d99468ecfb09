import Foundation
import SnapStoreTestSupport
import Testing

@Suite("The configuration of a host")
struct ConfigurationTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    for vault in ["option", "environment", "configured"] {
      #expect(try snapstore("vault", "create", vault).status == 0)
    }
  }

  private func write(_ text: String, mode: Int = 0o644, to name: String = "c.toml") throws {
    try snapstore.write(name, Array(text.utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: mode], ofItemAtPath: snapstore.path(name))
  }

  /// The base name of the vault that a run takes, or what it said.
  private func vault(
    _ arguments: [String] = [], _ environment: [String: String] = [:], config: String = "c.toml"
  ) throws -> String {
    let result = try snapstore.run(
      ["vault", "info", "--json"] + arguments,
      environment: ["SNAPSTORE_CONFIG": config].merging(environment) { $1 })
    guard result.status == 0 else { return "\(result.status) \(result.errors)" }
    let path = try #require(try result.object()["vault"] as? String)
    return URL(fileURLWithPath: path).lastPathComponent
  }

  @Test("the vault: --vault before SNAPSTORE_VAULT before the configuration before the default")
  func order() throws {
    try write("vault = '\(snapstore.path("configured"))'\n")
    let environment = ["SNAPSTORE_VAULT": "environment"]
    #expect(try vault(["--vault", "option"], environment) == "option")
    #expect(try vault([], environment) == "environment")
    #expect(try vault([], ["SNAPSTORE_VAULT": ""]) == "configured")
    #expect(try vault() == "configured")
    #expect(try vault(config: "").contains("the first backup makes it"))
    // Nothing in it matters where a vault is named.
    try write("vault = 1")
    #expect(try vault(["--vault", "option"]) == "option")
    try write("vault = '/nowhere/at/all'\n")
    #expect(try vault().hasPrefix("66 snapstore: error: there is no vault"))
    #expect(try vault().contains("vault create"))
  }

  @Test("where none is named, it is the one in /etc")
  func place() throws {
    let strace = ["/usr/bin/strace", "-f", "-o", snapstore.path("trace"), "-e", "trace=openat"]
    _ = try snapstore.start(
      ["points"], through: strace + ["/usr/bin/env", "-u", "SNAPSTORE_CONFIG"]
    ).wait()
    let trace = String(decoding: try snapstore.read("trace"), as: UTF8.self)
    #expect(trace.contains("\"/etc/snapstore/snapstore.toml\""), "\(trace)")
  }

  @Test("one that is named must be there, and be a file")
  func absent() throws {
    let missing = try vault(config: "missing.toml")
    #expect(missing.hasPrefix("66 snapstore: error: there is no configuration at missing.toml"))
    #expect(try vault(config: "option").contains("not a regular file"))
    #expect(makeFIFO(snapstore.path("fifo")))
    #expect(try vault(config: "fifo").hasPrefix("66 "), "and nobody waits for a writer")
  }

  @Test("a mistake is named with file and line")
  func mistakes() throws {
    for (text, problem) in [
      ("vault = 'relative'", "line 1: 'vault' must be an absolute path"),
      ("\nvault = 5", "line 2: 'vault' has a number where a string must be"),
      ("vault = '/x'\nvalut = '/y'\n", "line 2: 'valut' is unknown here; there are: vault, region"),
      ("[metrics]\ntextfiles = ''", "line 2: 'metrics.textfiles' is unknown here"),
      ("metrics = 1", "line 1: 'metrics' is a number, but must be a table"),
      ("[hooks]\n\nfailure = '/bin/true'", "line 3: 'hooks.failure' must be an array"),
      ("[hooks]\nfailure = []", "line 2: 'hooks.failure' must be an array"),
      ("[hooks]\nsuccess = ['true']", "line 2: 'hooks.success' must be an absolute path"),
      ("[hooks]\nsuccess = ['/bin/true', 1]", "line 2: 'hooks.success' has a number"),
      ("[hooks]\nsuccess = ['/bin/true', \"\\u0000\"]", "line 2: 'hooks.success' has a zero"),
      (
        "[hooks]\nother = ['/bin/true']", "line 2: 'hooks.other' is unknown here; there are: hooks."
      ),
      ("region = 'a b'", "line 1: 'region' must be a name"),
      ("[hooks", "line 1: ']' behind the name of a table is missing"),
      ("vault = '/x'\nvault = '/y'", "line 2: 'vault' is there twice"),
    ] {
      try write(text)
      let answer = try vault()
      #expect(answer.hasPrefix("64 snapstore: error: c.toml, \(problem)"), "\(answer)")
      #expect(answer.contains("\nhint: "))
    }
  }

  @Test("everything it may say")
  func whole() throws {
    try write(
      """
      # snapstore of this host
      vault = "\(snapstore.path("configured"))"
      region = "north"

      [metrics]
      textfile = "/var/lib/prometheus/node-exporter/snapstore.prom"

      [hooks]
      success = ["/usr/local/bin/done"]
      failure = [
        "/usr/local/bin/mail", "operator",  # and who else?
      ]
      warning = ['/usr/local/bin/mail', '']
      """)
    #expect(try vault() == "configured")
  }

  @Test("who else may write it could have any program run: refused")
  func writable() throws {
    for mode in [0o664, 0o646, 0o666] {
      try write("", mode: mode)
      let answer = try vault()
      #expect(answer.hasPrefix("77 snapstore: error: others than its owner may write"))
      #expect(answer.contains("hint: chmod go-w c.toml"))
    }
    try write("", mode: 0o666, to: "c\u{1B}[0m")
    #expect(try vault(config: "c\u{1B}[0m").contains(#"hint: chmod go-w c\u{1B}[0m"#))
    try write("vault = '\(snapstore.path("configured"))'", mode: 0o600)
    #expect(try vault() == "configured")
  }

  @Test(
    "another user's is refused, by whatever name",
    .enabled(if: Privileges.isRoot, Privileges.rootReason))
  func owner() throws {
    try write("vault = '\(snapstore.path("configured"))'")
    try FileManager.default.setAttributes(
      [.ownerAccountID: 65534], ofItemAtPath: snapstore.path("c.toml"))
    #expect(try vault().hasPrefix("77 snapstore: error: the configuration c.toml belongs to"))
    try FileManager.default.createSymbolicLink(
      atPath: snapstore.path("link"), withDestinationPath: "c.toml")
    #expect(try vault(config: "link").hasPrefix("77 "))
  }

  @Test(
    "the user who runs may own it, and root", .enabled(if: Privileges.isRoot, Privileges.rootReason)
  )
  func owners() throws {
    for owner in [0, 65534, 1] {
      try write("vault = '/nowhere/at/all'")
      try FileManager.default.setAttributes(
        [.ownerAccountID: owner], ofItemAtPath: snapstore.path("c.toml"))
      let result = try snapstore.start(
        ["points"], environment: ["SNAPSTORE_CONFIG": snapstore.path("c.toml")],
        through: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
      ).wait()
      #expect(result.status == (owner == 1 ? 77 : 66), "\(owner): \(result.errors)")
    }
  }
}
