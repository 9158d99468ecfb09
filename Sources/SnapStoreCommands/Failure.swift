internal import ArgumentParser
internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The exit codes of the program (sysexits.h).
package enum ExitStatus: Int32, CaseIterable {
  case done = 0
  case wrongUsage = 64
  case damagedData = 65
  case notThere = 66
  case bug = 70
  case cannotCreate = 73
  case failedInputOutput = 74
  case busy = 75
  case notAllowed = 77
  case interrupted = 130

  /// What a list ends with some of which can't be read, by whether that is damaged: what is not,
  /// needs a newer program. Nil where all can be read.
  init?(unreadable areDamaged: [Bool]) {
    if areDamaged.isEmpty { return nil }
    self = areDamaged.contains(true) ? .damagedData : .notThere
  }

  /// What it says to whoever runs the program; the help and the manual list it.
  var meaning: String {
    switch self {
    case .done: "done; what was made is durable"
    case .wrongUsage: "wrong usage: options, names, an ambiguous point"
    case .damagedData: "stored data is damaged"
    case .notThere: "a disk, vault or point is not there, or not what it should be"
    case .bug: "a bug in snapstore"
    case .cannotCreate: "a target exists, or can't be created"
    case .failedInputOutput: "input or output failed, no space, or a source changed its size"
    case .busy: "another process got in the way: run it again"
    case .notAllowed: "not allowed: permissions, network mounts, another region, a disk in use"
    case .interrupted:
      "interrupted; no point was made, nothing was left under a final name"
    }
  }
}

/// Any error as the person sees it: one sentence, perhaps a hint, and an exit code. The one place
/// where the errors of all modules are given their codes.
package struct Failure: Error, Equatable {
  package var code: ExitStatus
  var message: String
  var hint: String?

  init(_ code: ExitStatus, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  package init(_ error: any Error) {
    switch error {
    case let error as Failure: self = error
    case let error as VaultError: self.init(Self.code(error), error.message, hint: error.hint)
    case let error as DiskError: self.init(Self.code(error), error.message, hint: error.hint)
    case let error as StoreError: self.init(Self.code(error), error.message, hint: error.hint)
    case let error as IOError:
      self.init(Self.code(error), error.description, hint: error.hint)
    case is Interrupted:
      self.init(
        .interrupted, "interrupted",
        hint: "run the same command again: a backup uses what was stored")
    case let error as FormatError:
      self.init(error.code == .damaged ? .damagedData : .notThere, error.description)
    default:
      let code = RootCommand.exitCode(for: error)
      let message = RootCommand.message(for: error)
      self.init(
        code == .validationFailure ? .wrongUsage : .bug, message,
        hint: code == .validationFailure ? "see: snapstore --help" : nil)
    }
  }

  /// What scripts are told of it.
  var fields: JSONValue {
    [
      "code": .integer(Int64(code.rawValue)), "message": .string(message),
      "hint": .optional(hint),
    ]
  }

  private static func code(_ error: VaultError) -> ExitStatus {
    switch error.code {
    case .notThere, .unsupported: .notThere
    case .exists: .cannotCreate
    case .ambiguous, .misuse: .wrongUsage
    case .damaged: .damagedData
    case .aborted: .busy
    case .otherRegion, .pinned: .notAllowed
    }
  }

  private static func code(_ error: DiskError) -> ExitStatus {
    switch error.code {
    case .unsuitable: .notThere
    case .notAllowed: .notAllowed
    case .misuse: .wrongUsage
    case .cannotCreate: .cannotCreate
    case .failed: .failedInputOutput
    }
  }

  private static func code(_ error: StoreError) -> ExitStatus {
    switch error.code {
    case .notThere: .notThere
    case .taken: .cannotCreate
    case .networkFileSystem: .notAllowed
    case .notAnObject: .damagedData
    case .deadWriter: .failedInputOutput
    }
  }

  private static func code(_ error: IOError) -> ExitStatus {
    switch error.reason {
    case .notAllowed, .readOnly: .notAllowed
    case .exists: .cannotCreate
    case .notThere: .notThere
    case .noSpace, .other: .failedInputOutput
    }
  }
}
