internal import SnapStoreFormat
internal import SnapStoreIO

/// What is wrong with a vault or a request to it, in words for the person who has to act.
package struct VaultError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Code: Equatable, Sendable {
    /// The vault or the point is not there, or is not what it should be.
    case notThere
    /// Written by a newer program, or with an option that this one does not have.
    case unsupported
    /// A vault is there already.
    case exists
    /// The request does not say which point it means.
    case ambiguous
    /// The request can't be done as things are: it has to be another one.
    case misuse
    /// The point is pinned, and stays.
    case pinned
    /// Stored bytes are damaged and no good copy is left.
    case damaged
    /// The vault is of another region than this host.
    case otherRegion
    /// Another process ended this session; the same command can be run again.
    case aborted
  }

  package var code: Code
  package var message: String
  package var hint: String?

  package init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  package var description: String { message }
}

/// What an error says, if it is one that damage shows itself by: wrong bytes, or a store that does
/// not give them. Nil for every other error.
func damageReason(_ error: any Error) -> String? {
  switch error {
  case let error as FormatError: error.description
  case let error as IOError: error.isShortage ? nil : error.description
  case let error as StoreError: error.message
  case let error as VaultError where error.code == .damaged: error.message
  default: nil
  }
}
