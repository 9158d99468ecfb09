internal import SystemPackage

/// An open directory, in which names are single components: `/` in one is a bug of the caller.
package final class Directory: Sendable {
  package let path: String
  package let calls: any SystemCalls
  let descriptor: Int32

  package init(
    _ path: String, in parent: Directory? = nil, followLinks: Bool = false,
    calls: any SystemCalls
  ) throws(IOError) {
    self.path = parent.map { "\($0.path)/\(path)" } ?? path
    self.calls = calls
    let base = parent?.descriptor ?? calls.workingDirectory
    descriptor = try system("open", self.path) { () throws(Errno) in
      try calls.open(path, in: base, .directory(followLinks: followLinks))
    }
  }

  deinit {
    closing(descriptor, calls)
  }

  package func names() throws(IOError) -> [String] {
    try system("list", path) { () throws(Errno) in try calls.names(in: descriptor) }
  }

  package func status() throws(IOError) -> FileStatus {
    try system("look at", path) { () throws(Errno) in try calls.status(descriptor) }
  }

  package func fileSystem() throws(IOError) -> FileSystemStatus {
    try system("look at the file system of", path) { () throws(Errno) in
      try calls.fileSystem(descriptor)
    }
  }

  /// What `name` is, links not followed; nil where there is nothing of that name.
  package func status(of name: String) throws(IOError) -> FileStatus? {
    do {
      return try system("look at", "\(path)/\(name)") { () throws(Errno) in
        try calls.status(of: name, in: descriptor)
      }
    } catch  where error.errno == .noSuchFileOrDirectory {
      return nil
    }
  }

  /// Creates a directory of mode 0700 and opens it. Not durable before `synchronize` of this one.
  package func makeDirectory(_ name: String) throws(IOError) -> Directory {
    try system("create directory", "\(path)/\(name)") { () throws(Errno) in
      try calls.makeDirectory(name, in: descriptor)
    }
    do {
      let made = try Directory(name, in: self, calls: calls)
      try system("set the permissions of", made.path) { () throws(Errno) in
        try calls.setModeOfNew(made.descriptor, 0o700)
      }
      return made
    } catch let failure {
      do {
        try removeDirectory(name)
      } catch {
        // It stays, or another has put something into it; why it was no use is what counts.
      }
      throw failure
    }
  }

  package func removeFile(_ name: String) throws(IOError) {
    try system("remove", "\(path)/\(name)") { () throws(Errno) in
      try calls.removeFile(name, in: descriptor)
    }
  }

  package func removeDirectory(_ name: String) throws(IOError) {
    try system("remove directory", "\(path)/\(name)") { () throws(Errno) in
      try calls.removeDirectory(name, in: descriptor)
    }
  }

  /// Moves a directory to a name that must be free; false where the file system has no rename that
  /// keeps that promise.
  package func moveDirectoryWithoutReplacing(
    _ name: String, to newName: String
  ) throws(IOError) -> Bool {
    let moved: Void? = try tolerating(.invalidArgument, .noFunction, .notSupported) {
      () throws(IOError) in
      try system("create", "\(path)/\(newName)") { () throws(Errno) in
        try calls.renameWithoutReplacing(name, in: descriptor, to: newName, in: descriptor)
      }
    }
    return moved != nil
  }

  /// Moves `name` to `newName` in `target`; throws `EEXIST` where that is taken. Where the file
  /// system has no such rename, a file is linked under its new name instead, which refuses to
  /// replace just the same.
  package func moveWithoutReplacing(
    _ name: String, to newName: String, in target: Directory
  ) throws(IOError) {
    let (source, sink) = (descriptor, target.descriptor)
    do {
      try system("create", "\(target.path)/\(newName)") { () throws(Errno) in
        try calls.renameWithoutReplacing(name, in: source, to: newName, in: sink)
      }
    } catch  where [.invalidArgument, .noFunction, .notSupported].contains(error.errno) {
      try system("create", "\(target.path)/\(newName)") { () throws(Errno) in
        try calls.link(name, in: source, to: newName, in: sink)
      }
      try removeFile(name)
    }
  }

  /// Moves a file to another name in this directory, at once and in place of the file that has it.
  func moveReplacing(_ name: String, to newName: String) throws(IOError) {
    try system("replace", "\(path)/\(newName)") { () throws(Errno) in
      try calls.renameReplacing(name, in: descriptor, to: newName, in: descriptor)
    }
  }

  /// Makes durable that this directory is there: who made it may have been killed before. Passed
  /// over where it is a mount point, whose name is nobody's, or the parent may not be read.
  package func synchronizeInParent() throws(IOError) {
    let parent = try tolerating(.permissionDenied) { () throws(IOError) in
      try Directory("..", in: self, calls: calls)
    }
    guard let parent, try parent.status().device == status().device else { return }
    try parent.synchronize()
  }

  /// Makes the names in this directory durable. Never retried.
  package func synchronize() throws(IOError) {
    try system("synchronize directory", path, retry: false) { () throws(Errno) in
      try calls.synchronize(descriptor)
    }
  }
}
