/// What is wrong with a disk that was to be read, or a place where disks were to be written.
package struct DiskError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Code: Equatable, Sendable {
    /// Not there, or not a kind of file that a disk can be.
    case unsuitable
    /// This user may not read it or write there.
    case notAllowed
    /// The request itself makes no sense, whatever is on the disk.
    case misuse
    /// Something stands where a disk was to be made, or it can't be made there.
    case cannotCreate
    /// Reading or writing failed, or the disk changed its size meanwhile.
    case failed
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
