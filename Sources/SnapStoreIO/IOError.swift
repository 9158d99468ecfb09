package import SystemPackage

/// What the operating system refused: which operation, on what, and its reason.
package struct IOError: Error, Equatable, Sendable, CustomStringConvertible {
  package var operation: String
  package var path: String
  package var errno: Errno
  /// Where in the file, for reads and writes.
  package var offset: UInt64?

  package init(_ operation: String, _ path: String, _ errno: Errno, offset: UInt64? = nil) {
    self.operation = operation
    self.path = path
    self.errno = errno
    self.offset = offset
  }

  package var description: String {
    let place = offset.map { " at byte \($0)" } ?? ""
    return "cannot \(operation) \(path)\(place): \(errno.sentence)"
  }
}

extension Errno {
  /// What it means here, in a person's words.
  var sentence: String {
    self == .illegalByteSequence
      ? "a name on the way to it has bytes that are not UTF-8" : description
  }
}

/// Runs one system call, again after `EINTR`, and turns its refusal into an `IOError`.
func system<Value>(
  _ operation: String, _ path: String, offset: UInt64? = nil, retry: Bool = true,
  _ call: () throws(Errno) -> Value
) throws(IOError) -> Value {
  while true {
    do throws(Errno) {
      return try call()
    } catch {
      if error == .interrupted && retry { continue }
      throw IOError(operation, path, error, offset: offset)
    }
  }
}

/// Closes a descriptor for good: Linux has done so also where it gives an error, and what had to be
/// durable was synchronized.
func closing(_ descriptor: Int32, _ calls: any SystemCalls) {
  do throws(Errno) {
    try calls.close(descriptor)
  } catch {
    // As said above.
  }
}

/// Runs `call`; nil where the system refused it for one of the reasons, which the caller takes as
/// an answer.
package func tolerating<Value>(
  _ reasons: Errno..., call: () throws(IOError) -> Value
) throws(IOError) -> Value? {
  do throws(IOError) {
    return try call()
  } catch {
    guard reasons.contains(error.errno) else { throw error }
    return nil
  }
}
