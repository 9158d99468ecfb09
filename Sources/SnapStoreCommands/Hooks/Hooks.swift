/// The programs of the operator's that are run when something happened.
struct Hooks {
  /// Their names are the keys of the configuration.
  enum Event: String, CaseIterable {
    case success, failure, warning
  }
}
