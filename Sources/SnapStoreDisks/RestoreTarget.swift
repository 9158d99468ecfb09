package import SnapStoreFormat
package import SnapStoreIO
internal import SystemPackage

/// The directory into which disks are restored as `NAME.img`: never over anything that is there.
///
/// A directory that does not exist is built beside its place and appears whole by one rename that
/// does not replace. In one that exists, each file appears complete and synchronized; a failure
/// takes back those that had appeared.
package final class RestoreTarget: Sendable {
  private enum Place {
    /// `staging` is in `parent`, and becomes `name`.
    case newDirectory(parent: Directory, name: String, stagingName: String)
    case existing
  }

  package let path: String
  private let place: Place
  /// Where files are written: the staging directory, or the existing target.
  private let directory: Directory
  private let randomness: any Randomness
  private let disks = Lock<[(disk: NewDisk, temporaryName: String)]>([])
  /// All has its final name: nothing is to be taken back any more.
  private let isPublished = Lock(false)

  /// Refuses a target that exists: the directory as something else, or a file of one of the names.
  /// Reads nothing but directories, and leaves what is there as it was.
  package static func check(
    _ path: String, names: [Name], vaultPath: String, calls: any SystemCalls
  ) throws {
    let existing = try existingDirectory(path, names: names, calls: calls)
    let place = existing == nil ? splitPath(path).parent : path
    if let place = try existingPath(place, calls: calls),
      let vault = try existingPath(vaultPath, calls: calls), isPath(place, in: vault)
    {
      throw DiskError(
        .cannotCreate, "\(path) is inside of the vault \(vaultPath)",
        hint: "name a directory outside of it with --to")
    }
  }

  /// The target directory if it exists and has none of the files.
  private static func existingDirectory(
    _ typedPath: String, names: [Name], calls: any SystemCalls
  ) throws -> Directory? {
    let path = String(trimmingSlashes(typedPath))
    let (parentPath, name) = splitPath(path)
    guard !name.isEmpty else {
      return try refuseFiles(names, in: try Directory(path, followLinks: true, calls: calls))
    }
    let parent: Directory
    do throws(IOError) {
      parent = try Directory(parentPath, followLinks: true, calls: calls)
    } catch {
      throw creationError(error, "make \(path)", hint: "make its parent directory first")
    }
    let found: FileStatus?
    do throws(IOError) {
      found = try parent.status(of: name)
    } catch {
      throw creationError(error, "make \(path)", hint: "name another directory with --to")
    }
    guard let status = found else { return nil }
    guard status.kind == .directory || status.kind == .symbolicLink else {
      throw DiskError(
        .cannotCreate, "\(path) exists and is \(status.kind.phrase)",
        hint: "name another directory with --to")
    }
    do throws(IOError) {
      let directory = try Directory(path, followLinks: true, calls: calls)
      return try refuseFiles(names, in: directory)
    } catch {
      throw creationError(error, "restore to \(path)", hint: "name another directory with --to")
    }
  }

  private static func refuseFiles(
    _ names: [Name], in directory: Directory
  ) throws(IOError) -> Directory {
    for name in names where try directory.status(of: fileName(name)) != nil {
      throw IOError("create", "\(directory.path)/\(fileName(name))", .fileExists)
    }
    return directory
  }

  private static func creationError(
    _ error: IOError, _ action: String, hint: String
  ) -> any Error {
    switch error.errno {
    case .permissionDenied, .notPermitted, .readOnlyFileSystem:
      return DiskError(.notAllowed, "cannot \(action): \(error.errno)")
    case .fileExists:
      return DiskError(
        .cannotCreate, "\(error.path) exists, and a restore never replaces anything",
        hint: "name another directory with --to")
    case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels, .fileNameTooLong:
      return DiskError(.cannotCreate, "cannot \(action): \(error.errno)", hint: hint)
    default: return error
    }
  }

  static func fileName(_ name: Name) -> String { "\(name).img" }

  /// Prepares for writing these disks. Nothing shows under a final name before `publish`.
  package init(_ path: String, names: [Name], host: HostSystem) throws {
    self.path = path
    randomness = host.randomness
    let calls = host.calls
    if let existing = try Self.existingDirectory(path, names: names, calls: calls) {
      directory = existing
      place = .existing
      return
    }
    let (parentPath, name) = splitPath(path)
    let parent = try Directory(parentPath, followLinks: true, calls: calls)
    let stagingName = unfinishedName(for: name, randomness)
    do throws(IOError) {
      directory = try parent.makeDirectory(stagingName)
    } catch {
      throw Self.creationError(error, "make \(path)", hint: "name another directory with --to")
    }
    place = .newDirectory(parent: parent, name: name, stagingName: stagingName)
  }

  /// How many bytes can be written before the file system is full.
  package func availableByteCount() throws -> UInt64 {
    try directory.fileSystem().availableByteCount
  }

  /// Begins a disk, as large as it will be and all hole.
  package func makeDisk(_ name: Name, byteCount: UInt64) throws -> NewDisk {
    let temporaryName: String
    switch place {
    case .newDirectory: temporaryName = Self.fileName(name)
    case .existing: temporaryName = unfinishedName(for: name.text, randomness)
    }
    let file: OpenFile
    do throws(IOError) {
      file = try OpenFile(
        temporaryName, in: directory, .create, aroundCache: true, calls: directory.calls)
    } catch {
      throw Self.creationError(
        error, "create \(name).img in \(path)", hint: "name another directory with --to")
    }
    let disk = NewDisk(name: name, file: file)
    disks.withLock { $0.append((disk, temporaryName)) }
    try disk.setSize(byteCount)
    return disk
  }

  /// Makes all disks durable, then visible; durable under their names when this returns. On a
  /// failure nothing that this restore made is left under a final name; where only making the names
  /// durable failed, the complete files are left, and the error says so.
  package func publish() throws {
    let disks = disks.withLock { $0 }
    for (disk, _) in disks { try disk.synchronize() }
    switch place {
    case .existing:
      try directory.synchronizeInParent()
      try publishEach(disks, in: directory)
      isPublished.withLock { $0 = true }
    case .newDirectory(let parent, let name, let stagingName):
      try directory.synchronize()
      try refusing("create \(path)") { () throws(IOError) in
        if try parent.moveDirectoryWithoutReplacing(stagingName, to: name) {
          isPublished.withLock { $0 = true }
        }
      }
      if !isPublished.withLock({ $0 }) {
        try publishByLinks(disks, parent: parent, name: name, stagingName: stagingName)
      }
      try parent.synchronize()
    }
  }

  /// Where no rename keeps the promise for a directory: makes the directory, which must be new,
  /// and moves each file into it.
  private func publishByLinks(
    _ disks: [(disk: NewDisk, temporaryName: String)], parent: Directory, name: String,
    stagingName: String
  ) throws {
    var made: Directory?
    try refusing("create \(path)") { () throws(IOError) in made = try parent.makeDirectory(name) }
    guard let made else { return }
    do {
      try publishEach(disks, in: made)
      do {
        try parent.removeDirectory(stagingName)
      } catch let failure {
        try takeBack(disks, from: made)
        throw failure
      }
    } catch {
      try parent.removeDirectory(name)
      throw error
    }
    isPublished.withLock { $0 = true }
  }

  private func publishEach(
    _ disks: [(disk: NewDisk, temporaryName: String)], in target: Directory
  ) throws {
    do {
      for (disk, temporaryName) in disks {
        let name = Self.fileName(disk.name)
        try refusing("create \(path)/\(name)") { () throws(IOError) in
          try directory.moveWithoutReplacing(temporaryName, to: name, in: target)
        }
      }
      try target.synchronize()
    } catch let failure {
      try takeBack(disks, from: target)
      throw failure
    }
  }

  private func takeBack(
    _ disks: [(disk: NewDisk, temporaryName: String)], from target: Directory
  ) throws {
    // What stands under a final name is asked for, since a move may fail when that is made.
    for (disk, _) in disks where try disk.isFile(Self.fileName(disk.name), in: target) {
      try target.removeFile(Self.fileName(disk.name))
    }
    try target.synchronize()
  }

  private func refusing(_ action: String, _ body: () throws(IOError) -> Void) throws {
    do throws(IOError) {
      try body()
    } catch {
      throw Self.creationError(error, action, hint: "name another directory with --to")
    }
  }

  /// Removes what was begun and not published. To be called when a restore has failed.
  package func discard() throws {
    guard !isPublished.withLock({ $0 }) else { return }
    let disks = disks.withLock { $0 }
    for (_, temporaryName) in disks {
      _ = try tolerating(.noSuchFileOrDirectory) { () throws(IOError) in
        try directory.removeFile(temporaryName)
      }
    }
    if case .newDirectory(let parent, _, let stagingName) = place {
      _ = try tolerating(.noSuchFileOrDirectory) { () throws(IOError) in
        try parent.removeDirectory(stagingName)
      }
    }
  }

  /// The path of a published disk.
  package static func path(of name: Name, in target: String) -> String {
    let folder = trimmingSlashes(target)
    return folder == "/" ? "/\(fileName(name))" : "\(folder)/\(fileName(name))"
  }
}
