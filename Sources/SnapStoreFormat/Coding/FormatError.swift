/// Bytes that are not what the format says.
///
/// Thrown by every decoder of this module and by nothing else. `object` and `offset` are filled in
/// by whoever knows them: a decoder of a small piece knows only the offset inside its piece.
package struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Code: Equatable, Sendable {
    /// The bytes are damaged, or were never written by a program that follows the format.
    case damaged
    /// A newer program wrote them: an unknown version, required feature, section or algorithm.
    case unsupported
  }

  package var code: Code
  package var problem: String
  package var object: String?
  package var offset: UInt64?

  package init(
    _ code: Code, _ problem: String, object: String? = nil, offset: UInt64? = nil
  ) {
    self.code = code
    self.problem = problem
    self.object = object
    self.offset = offset
  }

  package static func damaged(_ problem: String, at offset: Int? = nil) -> FormatError {
    FormatError(.damaged, problem, offset: offset.map { UInt64($0) })
  }

  package static func unsupported(_ problem: String) -> FormatError {
    FormatError(.unsupported, problem)
  }

  /// The same error with the object's name, where no inner decoder has given one.
  package func inObject(_ name: String) -> FormatError {
    var named = self
    if named.object == nil { named.object = name }
    return named
  }

  package var description: String {
    var text = problem
    if let object { text = "\(object): \(text)" }
    if let offset { text += " (at byte \(offset))" }
    return text
  }
}
