internal import FoundationEssentials
internal import Logging
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
    StandardError.write("snapstore: warning: \(message)\n")
  }

  /// A remark for people: it goes to standard error, where no script reads it.
  func note(_ message: String) {
    StandardError.write("snapstore: \(message)\n")
  }

  func show(_ failure: Failure) {
    var text = "snapstore: error: \(failure.message)\n"
    if let hint = failure.hint { text += "hint: \(hint)\n" }
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
    StandardError.write("snapstore: \(event.level): \(event.message)\n")
  }
}
