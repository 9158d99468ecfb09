internal import SystemPackage

/// A file that is written anew as a whole, in place of the one before: who reads it sees the one or
/// the other, never a part, also after a power cut. The only place where a file is replaced; for
/// what is made from other things, and can be made again.
package enum ReplacedFile {
  /// Writes `bytes` to a file beside `path`, which gets that name when it is durable. A run that is
  /// killed may leave that file, whose name begins with a dot.
  package static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32, host: HostSystem
  ) throws {
    let (parent, name) = splitPath(path)
    let directory = try Directory(parent, followLinks: true, calls: host.calls)
    let temporaryName = unfinishedName(for: name, host.randomness)
    let file = try OpenFile(temporaryName, in: directory, .create, calls: host.calls)
    do {
      try bytes.withRawSpan { try file.write($0, at: 0) }
      try file.setMode(mode)
      try file.synchronize()
      try directory.moveReplacing(temporaryName, to: name)
    } catch let failure {
      do throws(IOError) {
        try directory.removeFile(temporaryName)
      } catch {
        // It stays; why it could not be written is what counts.
      }
      throw failure
    }
    try directory.synchronize()
  }
}
