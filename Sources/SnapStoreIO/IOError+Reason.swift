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

  package var reason: Reason {
    switch errno {
    case .permissionDenied, .notPermitted: .notAllowed
    case .readOnlyFileSystem: .readOnly
    case .fileExists: .exists
    case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels: .notThere
    case .noSpace, .diskQuotaExceeded: .noSpace
    default: .other
    }
  }
}
