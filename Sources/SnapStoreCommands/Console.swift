internal import FoundationEssentials
internal import Logging
internal import SnapStoreEngine
internal import SnapStoreIO

/// What the program says: results on standard output, for people or as JSON Lines; warnings and
/// errors for people on standard error.
struct Console {
  var isJSON: Bool

  func print(_ text: String) throws {
    try StandardOutput.write(text + "\n")
  }

  /// One JSON value on one line.
  func print(_ value: JSONValue) throws {
    try print(try value.line())
  }

  func warn(_ message: String) {
    StandardError.write("snapstore: warning: \(HumanText.plain(message))\n")
  }

  /// Runs a long work; with JSON, a line a second tells how far it is.
  func showing<Result>(_ progress: Progress, _ work: () throws -> Result) throws -> Result {
    guard isJSON else { return try work() }
    let ticker = Ticker(everySeconds: 1) {
      let state = progress.current
      let line: JSONValue = [
        "type": "progress", "done_bytes": .bytes(state.doneByteCount),
        "total_bytes": .bytes(state.totalByteCount),
      ]
      do {
        try print(line)
      } catch {
        // The summary will meet the same fault, and end the run with it.
      }
    }
    defer { ticker.stop() }
    return try work()
  }

  /// A remark for people: it goes to standard error, where no script reads it.
  func note(_ message: String) {
    StandardError.write("snapstore: \(HumanText.plain(message))\n")
  }

  func show(_ failure: Failure) {
    var text = "snapstore: error: \(HumanText.plain(failure.message))\n"
    if let hint = failure.hint { text += "hint: \(HumanText.plain(hint))\n" }
    StandardError.write(text)
    guard isJSON else { return }
    let value: JSONValue = [
      "type": "error", "code": .integer(Int64(failure.code.rawValue)),
      "message": .string(failure.message), "hint": .optional(failure.hint),
    ]
    do {
      try print(value)
    } catch {
      StandardError.write("snapstore: error: the error can't be shown as JSON: \(error)\n")
    }
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
    StandardError.write("snapstore: \(event.level): \(HumanText.plain("\(event.message)"))\n")
  }
}
