internal import SystemPackage

extension IOError {
  /// The kinds of refusal that a person acts on differently.
  package enum Reason: Sendable {
    case notAllowed
    case readOnly
    case exists
    case notThere
    case noSpace
    case other
  }

  /// This process or the machine had not enough of something, which says nothing about the file.
  package var isShortage: Bool {
    [
      .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .noSpace, .diskQuotaExceeded,
    ].contains(errno)
  }

  /// What a person can do about it.
  package var hint: String? {
    switch reason {
    case .other where errno == .fileTooLarge:
      "files may be no longer there: see ulimit -f, and what the file system can do"
    case .other where errno == .resourceTemporarilyUnavailable:
      "allow this user more processes and threads: see ulimit -u, and TasksMax= of its unit"
    case .notThere where errno == .illegalByteSequence:
      "paths have to be UTF-8: rename the folder, or use another one"
    case .notAllowed: "run as a user that may, such as root"
    case .noSpace: "free some space there, and run the same command again"
    case .readOnly: "the file system is mounted read-only"
    case .exists, .notThere, .other: nil
    }
  }

  package var reason: Reason {
    switch errno {
    case .permissionDenied, .notPermitted: .notAllowed
    case .readOnlyFileSystem: .readOnly
    case .fileExists: .exists
    case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels, .fileNameTooLong,
      .illegalByteSequence:
      .notThere
    case .noSpace, .diskQuotaExceeded: .noSpace
    default: .other
    }
  }
}
