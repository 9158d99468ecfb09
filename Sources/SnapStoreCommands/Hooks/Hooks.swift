internal import SnapStoreIO

/// The programs of the operator's that are run when something happened, as the configuration names
/// them (`[hooks]`). A command makes one value of it and calls it at its end:
///
///     let hooks = Hooks(try ConfigurationFile.read(host), warn: console.warn)
///     hooks.call(.failure, job)
///
/// A hook gets the job as JSON, one line, on standard input, and its event and main texts in its
/// environment. It is run without a shell and may take a minute. Whatever becomes of it is at most
/// a warning: no result of ours depends on it.
package struct Hooks {
  /// Their names are the keys of the configuration.
  package enum Event: String, CaseIterable, Sendable {
    case success, failure, warning
  }

  package static let limitSeconds = 60.0

  /// What of the job is in the environment too, where it is a text: as `SNAPSTORE_VM`.
  private static let exported = ["vault", "kind", "vm", "point", "message"]
  /// What of our environment a hook has, where it is UTF-8.
  private static let inherited = [
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", ConfigurationFile.variable,
  ]
  private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  /// A text in the environment is no longer; the whole is on standard input.
  private static let maximumCharacters = 4096

  private let commands: [Event: [String]]
  private let limitSeconds: Double
  private let graceSeconds: Double
  private let warn: (String) -> Void

  package init(
    _ configuration: Configuration, limitSeconds: Double = limitSeconds, graceSeconds: Double = 5,
    warn: @escaping (String) -> Void
  ) {
    commands = configuration.hooks
    self.limitSeconds = limitSeconds
    self.graceSeconds = graceSeconds
    self.warn = warn
  }

  /// Runs the hook of an event, if there is one, and waits for it. `job` is an object.
  package func call(_ event: Event, _ job: JSONValue) {
    guard let command = commands[event], let path = command.first else { return }
    let program = ChildProgram(
      path: path, arguments: Array(command.dropFirst()),
      environment: Self.environment(event, job),
      limitSeconds: limitSeconds, graceSeconds: graceSeconds)
    let hook = "the hook for \(event.rawValue)"
    do throws(IOError) {
      switch try program.run(input: Array((job.line() + "\n").utf8)) {
      case .exited(0): break
      case .exited(let code): warn("\(hook), \(path), ended with exit code \(code)")
      case .killed(let signal): warn("\(hook), \(path), was killed by signal \(signal)")
      case .tookTooLong:
        warn("\(hook), \(path), did not end within \(HumanText.seconds(limitSeconds)): stopped")
      case .unknown: warn("\(hook), \(path), has ended, and nothing tells how")
      }
    } catch {
      warn("\(hook) is not called: \(error)")
    }
  }

  private static func environment(_ event: Event, _ job: JSONValue) -> [String: String] {
    var environment: [String: String] = [:]
    for name in inherited {
      environment[name] = ProgramArguments.variable(name).flatMap {
        String(validating: $0, as: UTF8.self)
      }
    }
    if environment["PATH", default: ""].isEmpty { environment["PATH"] = path }
    environment["SNAPSTORE_EVENT"] = event.rawValue
    guard case .object(let fields) = job else { return environment }
    for name in exported {
      guard case .string(let text) = fields[name] else { continue }
      let start = String(String.UnicodeScalarView(text.unicodeScalars.prefix(maximumCharacters)))
      environment["SNAPSTORE_\(name.uppercased())"] = HumanText.plain(start)
    }
    return environment
  }
}
