internal import FoundationEssentials
internal import Logging
internal import SnapStoreEngine
internal import SnapStoreIO

/// What the program says: results on standard output, for people or as JSON Lines; progress,
/// warnings and errors for people on standard error.
struct Console {
  var isJSON: Bool
  /// No progress, no remarks, no results for people: JSON, warnings and errors are left.
  var isQuiet = false

  /// A result for people. One that tells of a fault is told on standard error even to those who
  /// want it quiet.
  func print(_ text: String, isFault: Bool = false) throws {
    if !isQuiet {
      try StandardOutput.write(text + "\n")
    } else if isFault {
      StandardError.write(text + "\n")
    }
  }

  /// One JSON value on one line.
  func print(_ value: JSONValue) throws {
    try StandardOutput.write(value.line() + "\n")
  }

  func warn(_ message: String) {
    StandardError.write("snapstore: \(Self.label("warning")) \(HumanText.plain(message))\n")
  }

  /// Runs a long work and tells how far it is: with JSON by a line a second, and for people by a
  /// line at the bottom of their terminal that is gone when this returns or throws.
  func showing<Result>(_ progress: Progress, _ work: () throws -> Result) throws -> Result {
    guard let ticker = ticker(showing: progress) else { return try work() }
    defer {
      ticker.stop()
      StandardError.showStatus("")
    }
    return try work()
  }

  private func ticker(showing progress: Progress) -> Ticker? {
    if isQuiet { return nil }
    if isJSON { return Ticker(everySeconds: 1) { printLine(progress.current) } }
    guard Self.canRedraw else { return nil }
    let meter = Lock(ProgressMeter())
    let clock = SystemClock()
    return Ticker(everySeconds: 0.1) {
      guard let columns = StandardError.terminalColumns else { return }
      let line = meter.withLock { meter in
        let state = progress.current
        meter.observe(
          doneByteCount: state.doneByteCount, totalByteCount: state.totalByteCount,
          atSeconds: clock.monotonicSeconds())
        return meter.line(columns: columns, isColored: Self.isColored)
      }
      StandardError.showStatus(line)
    }
  }

  private func printLine(_ state: Progress.State) {
    let line: JSONValue = [
      "type": "progress", "done_bytes": .bytes(state.doneByteCount),
      "total_bytes": .bytes(state.totalByteCount),
    ]
    StandardOutput.offer(line.line() + "\n")
  }

  /// A remark for people: it goes to standard error, where no script reads it.
  func note(_ message: String) {
    if isQuiet { return }
    StandardError.write("snapstore: \(HumanText.plain(message))\n")
  }

  func show(_ failure: Failure) {
    var text = "snapstore: \(Self.label("error")) \(HumanText.plain(failure.message))\n"
    if let hint = failure.hint { text += "hint: \(HumanText.plain(hint))\n" }
    StandardError.write(text)
    guard isJSON else { return }
    do {
      try print(failure.fields.merging(["type": "error"]))
    } catch {
      StandardError.write("snapstore: error: the error can't be shown as JSON: \(error)\n")
    }
  }

  /// Whether standard error is a terminal on which a line can be replaced.
  private static let canRedraw: Bool = {
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? ""
    return StandardError.terminalColumns != nil && terminal != "" && terminal != "dumb"
  }()

  /// Colors are for terminals, and only where `NO_COLOR` (https://no-color.org) is not set.
  private static let isColored =
    canRedraw && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

  /// The word that says what kind of message follows.
  fileprivate static func label(_ kind: String) -> String {
    let color = ["error": 31, "critical": 31, "warning": 33][kind]
    guard isColored, let color else { return "\(kind):" }
    return "\u{1B}[1;\(color)m\(kind):\u{1B}[0m"
  }

  /// The log goes to standard error too: warnings, or with SNAPSTORE_LOG=info|debug|trace more.
  static func startLogging() {
    let level = ProcessInfo.processInfo.environment["SNAPSTORE_LOG"]
      .flatMap { Logger.Level(rawValue: $0) }
    LoggingSystem.bootstrap { _ in PlainLogHandler(logLevel: level ?? .warning) }
  }

  static let log = Logger(label: "snapstore")
}

/// One line a message, in the form of the program's other remarks.
private struct PlainLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    StandardError.write(
      "snapstore: \(Console.label(event.level.rawValue)) "
        + "\(HumanText.plain("\(event.message)"))\n")
  }
}
