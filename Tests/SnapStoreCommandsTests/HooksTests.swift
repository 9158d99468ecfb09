import Foundation
import SnapStoreCommands
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Hooks")
struct HooksTests {
  private let directory: TemporaryDirectory
  private let warnings = Lock<[String]>([])

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func hooks(_ configuration: String, limitSeconds: Double = 60) throws -> Hooks {
    Hooks(
      try Configuration(Array(configuration.utf8), path: "c.toml"), limitSeconds: limitSeconds,
      graceSeconds: 0.1
    ) { warning in warnings.withLock { $0.append(warning) } }
  }

  private var warned: [String] { warnings.withLock { $0 } }

  /// The words of a command that runs a script of the directory, `$HERE`. The shell is named
  /// and the script is not itself run: a process that another test starts while the script is
  /// written has it open for writing until its `exec`, and the kernel runs no file that anybody
  /// writes ("Text file busy").
  private func script(_ name: String, _ text: String) throws -> String {
    let text = "HERE='\(directory.path)'\n\(text)\n"
    return "'/bin/sh', '\(try directory.write(Array(text.utf8), to: name))'"
  }

  private func text(_ name: String) throws -> String {
    String(decoding: try directory.read(name), as: UTF8.self)
  }

  private static let job: JSONValue = [
    "kind": "backup", "vault": "/backup/v", "vm": "web", "point": .null, "number": .integer(1),
    "message": "one\ntwo \u{1B}[31m $(touch /tmp/x) `ä`",
  ]

  @Test("the hook of the event gets the job on standard input and in its environment")
  func call() throws {
    let command = try script(
      "hook", #"cat >"$HERE/job"; env >"$HERE/env"; printf '%s|' "$@" >"$HERE/words""#)
    let hooks = try hooks(
      """
      [hooks]
      failure = [\(command), "to the", "$operator"]
      success = ["/bin/false"]
      """)
    hooks.call(.failure, Self.job)
    #expect(warned.isEmpty)
    #expect(try text("words") == "to the|$operator|")
    let line = try text("job")
    #expect(line.hasSuffix("}\n") && line.split(separator: "\n").count == 1)
    let job = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    #expect(job?["message"] as? String == "one\ntwo \u{1B}[31m $(touch /tmp/x) `ä`")
    #expect(job?["point"] is NSNull)
    let ours = try text("env").split(separator: "\n").filter { $0.hasPrefix("SNAPSTORE_") }
    #expect(
      Set(ours) == [
        "SNAPSTORE_EVENT=failure", "SNAPSTORE_KIND=backup", "SNAPSTORE_VAULT=/backup/v",
        "SNAPSTORE_VM=web", #"SNAPSTORE_MESSAGE=one\ntwo \u{1B}[31m $(touch /tmp/x) `ä`"#,
      ])
    #expect(try text("env").contains("PATH=/"))
  }

  @Test("an event without a hook is nothing")
  func none() throws {
    try hooks("").call(.failure, Self.job)
    try hooks("[hooks]\nfailure = ['/bin/false']").call(.warning, Self.job)
    #expect(warned.isEmpty)
  }

  @Test("a hook that fails, is missing, can't be run or takes too long is a warning")
  func warns() throws {
    let hanging = try script("hanging", #"mkfifo "$HERE/fifo"; read line <>"$HERE/fifo""#)
    let plain = try directory.write(Array("#!/bin/sh\n".utf8), to: "plain")
    for (command, warning) in [
      ("['/bin/sh', '-c', 'exit 7']", "the hook for warning, /bin/sh, ended with exit code 7"),
      ("['/bin/sh', '-c', 'kill -9 $$']", "the hook for warning, /bin/sh, was killed by signal 9"),
      ("['/nowhere']", "the hook for warning is not called: cannot run /nowhere: No such file"),
      ("['\(plain)']", "the hook for warning is not called: cannot run \(plain): Permission"),
      ("[\(hanging)]", "did not end within 0.20 s: stopped"),
    ] {
      try hooks("[hooks]\nwarning = \(command)", limitSeconds: command.contains(hanging) ? 0.2 : 60)
        .call(.warning, Self.job)
      let last = warnings.withLock { $0.popLast() }
      #expect(last?.contains(warning) == true, "\(last ?? "no warning")")
    }
    #expect(warned.isEmpty, "one each")
  }

  @Test("a message of any length is told whole on standard input, and in part in the environment")
  func long() throws {
    let command = try script(
      "hook", #"wc -c >"$HERE/job"; printf %s "$SNAPSTORE_MESSAGE" | wc -c >"$HERE/env""#)
    let message = String(repeating: "e\u{301}", count: 200_000)
    try hooks("[hooks]\nsuccess = [\(command)]").call(.success, ["message": .string(message)])
    #expect(warned.isEmpty, "\(warned)")
    #expect(try text("job").trimmingCharacters(in: .whitespacesAndNewlines) == "600015")
    #expect(try text("env").trimmingCharacters(in: .whitespacesAndNewlines) == "6144")
  }
}
