internal import SystemPackage

/// Objects as files under one directory of this host.
///
///     STORE/KEY  STORE/FOLDER/KEY      objects: regular files of mode 0600, never replaced
///     STORE/unfinished/…               being written, each locked by its writer
///
/// Directories have mode 0700. Everything inside is opened by single names in directories that are
/// open already, without following links, so nothing a store holds can lead out of it.
///
/// A file is written in `unfinished`, synchronized, and moved to its name by a rename that does not
/// replace; then its directory is synchronized. The kernel's lock on an unfinished file goes with
/// its process, so leftovers of the dead are told from the work of the living.
package final class LocalObjectStore: ObjectStore {
  private static let unfinished = "unfinished"

  package let location: String
  private let root: Directory
  private let host: HostSystem
  private let folders = Lock<[String: Directory]>([:])
  /// Folders whose names in the root were made durable by this store: who made one of them may have
  /// been killed before.
  private let durableFolders = Lock<Set<String>>([])
  /// Of the writers of large objects; as many as there are of these at once.
  let stagingBuffers = BufferPool(
    capacity: .max, bufferByteCount: LocalObjectWriter.stagingByteCount)

  private init(root: Directory, host: HostSystem) {
    self.root = root
    self.host = host
    location = root.path
  }

  /// How much can still be written there.
  package func availableByteCount() throws -> UInt64? {
    try root.fileSystem().availableByteCount
  }

  /// Opens the store at an existing directory.
  package static func open(_ path: String, host: HostSystem) throws -> LocalObjectStore {
    let root: Directory
    do {
      root = try Directory(path, followLinks: true, calls: host.calls)
    } catch {
      switch error.errno {
      case .noSuchFileOrDirectory:
        throw StoreError(.notThere, "there is nothing at \(path)")
      case .notDirectory: throw StoreError(.notThere, "\(path) is not a directory")
      default: throw error
      }
    }
    try refuseNetwork(root)
    return LocalObjectStore(root: root, host: host)
  }

  /// Makes a directory for a new store, with those above it that are missing, or takes one that is
  /// there and empty, or holds no more than what an interrupted creation left.
  package static func create(_ path: String, host: HostSystem) throws -> LocalObjectStore {
    let root = try makeDirectories(path, host: host)
    try refuseNetwork(root)
    for name in try root.names() {
      guard name == unfinished, try root.status(of: name)?.kind == .directory else {
        throw StoreError(
          .taken, "\(path) exists and is not empty",
          hint: "name a directory that does not exist yet")
      }
    }
    return LocalObjectStore(root: root, host: host)
  }

  private static func makeDirectories(_ path: String, host: HostSystem) throws -> Directory {
    let (parentPath, name) = splitPath(path)
    do {
      let there = try Directory(path, followLinks: true, calls: host.calls)
      try there.synchronizeInParent()
      return there
    } catch {
      switch error.errno {
      // The working directory, too, may be gone, as may be the one of another process.
      case .noSuchFileOrDirectory where parentPath != path: break
      case .notDirectory:
        throw StoreError(.taken, "\(path) exists and is not a directory")
      case .tooManySymbolicLinkLevels, .fileNameTooLong:
        throw StoreError(.taken, "there can't be a directory at \(path): \(error.errno)")
      default: throw error
      }
    }
    let parent = try makeDirectories(parentPath, host: host)
    // It may exist: made by another process just now, or a link to nothing, as opening will tell.
    _ = try tolerating(.fileExists) { () throws(IOError) in try parent.makeDirectory(name) }
    try parent.synchronize()
    let made = try tolerating(.noSuchFileOrDirectory) { () throws(IOError) in
      try Directory(path, followLinks: true, calls: host.calls)
    }
    guard let made else {
      throw StoreError(
        .taken, "\(path) is a symbolic link to nothing",
        hint: "name a directory that does not exist yet")
    }
    return made
  }

  private static func refuseNetwork(_ directory: Directory) throws {
    let type = try directory.fileSystem().type
    guard let name = FileSystemStatus.networkNames[type] else { return }
    throw StoreError(
      .networkFileSystem, "\(directory.path) is on a network file system (\(name))",
      hint: "a vault needs a file system of this host, where locks and renames hold")
  }

  // MARK: Objects

  package func create(_ name: ObjectName) throws -> any ObjectWriter {
    try LocalObjectWriter(name, store: self)
  }

  package func open(_ name: ObjectName) throws -> (any ObjectReader)? {
    try openFile(name).map { try LocalObjectReader($0) }
  }

  private func openFile(_ name: ObjectName) throws -> OpenFile? {
    guard let directory = try folder(name.folder) else { return nil }
    do {
      return try OpenFile(
        name.key, in: directory, .read(followLinks: false), calls: host.calls)
    } catch {
      switch error.errno {
      case .noSuchFileOrDirectory: return nil
      case .tooManySymbolicLinkLevels:
        throw StoreError(.notAnObject, "\(location)/\(name) is a symbolic link, not an object")
      case .noSuchAddressOrDevice:
        throw StoreError(.notAnObject, "\(location)/\(name) is a socket, not an object")
      default: throw error
      }
    }
  }

  package func list(_ folderName: String) throws -> [ListedObject] {
    guard let directory = try folder(folderName) else { return [] }
    return try directory.names().compactMap { key in
      guard ObjectName.isValidPart(key),
        let byteCount = try objectByteCount(of: key, in: directory)
      else { return nil }
      return ListedObject(
        name: ObjectName(folder: folderName, key: key), byteCount: byteCount)
    }
  }

  /// Nil where there is no file. One bad inode must not take a whole folder away: what can't be
  /// looked at is there, with a size that no object has.
  private func objectByteCount(
    of key: String, in directory: Directory
  ) throws(IOError) -> UInt64? {
    do {
      guard let status = try directory.status(of: key), status.kind == .regular else { return nil }
      return status.byteCount
    } catch {
      if error.isShortage { throw error }
      return 0
    }
  }

  package func synchronize(_ folderName: String) throws {
    guard let directory = try folder(folderName) else { return }
    try directory.synchronize()
    try synchronizeName(of: folderName)
  }

  package func delete(_ name: ObjectName) throws -> Bool {
    guard let directory = try folder(name.folder) else { return false }
    let removed: Void? = try tolerating(.noSuchFileOrDirectory) { () throws(IOError) in
      try directory.removeFile(name.key)
    }
    guard removed != nil else { return false }
    try directory.synchronize()
    return true
  }

  package func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    let writer = try LocalObjectWriter(name, store: self)
    try bytes.withRawSpan { try writer.append($0) }
    return try writer.finish() ? LocalObjectHold(writer.file) : nil
  }

  package func isHeld(_ name: ObjectName) throws -> Bool {
    guard let file = try openFile(name) else { return false }
    return try file.isLocked()
  }

  /// Removes what dead writers left in `unfinished`; returns how many files that were.
  package func removeAbandoned() throws -> Int {
    guard let directory = try folder(Self.unfinished) else { return 0 }
    var count = 0
    for name in try directory.names() {
      if try removeAbandoned(name, in: directory) { count += 1 }
    }
    return count
  }

  /// False where it belongs to somebody or has gone, and where it can't be looked at or removed,
  /// which must not stop the cleaning.
  private func removeAbandoned(_ name: String, in directory: Directory) throws(IOError) -> Bool {
    do {
      // No writer made what is no file.
      guard try directory.status(of: name)?.kind == .regular else { return false }
      let file = try OpenFile(name, in: directory, .read(followLinks: false), calls: host.calls)
      guard try file.tryLock() else { return false }
      try directory.removeFile(name)
      return true
    } catch {
      if error.isShortage { throw error }
      return false
    }
  }

  // MARK: Whether a place is fit

  /// Tries the file system, by files among the unfinished ones.
  package func tryFileSystem() throws -> FileSystemTrial {
    try FileSystemTrial(in: try makeFolder(Self.unfinished), randomness: host.randomness)
  }

  /// The same in a directory that has no store yet, by files in a hidden directory, which is gone
  /// when this returns. Throws where a store would be refused there.
  package static func tryFileSystem(
    at path: String, host: HostSystem
  ) throws -> FileSystemTrial {
    let parent = try Directory(path, followLinks: true, calls: host.calls)
    try refuseNetwork(parent)
    let name = ".snapstore-trial-\(String(host.randomness.next(), radix: 16))"
    let trial: Result<FileSystemTrial, any Error>
    let directory = try parent.makeDirectory(name)
    do {
      trial = .success(try FileSystemTrial(in: directory, randomness: host.randomness))
    } catch {
      trial = .failure(error)
    }
    try parent.removeDirectory(name)
    return try trial.get()
  }

  // MARK: For the writer

  /// An empty locked file in `unfinished`, and its name there.
  func beginFile() throws -> (file: OpenFile, name: String, directory: Directory) {
    let directory = try makeFolder(Self.unfinished)
    while true {
      let name = String(host.randomness.next(), radix: 16)
      let file = try OpenFile(
        name, in: directory, .create, aroundCache: true, calls: host.calls)
      // Whoever cleans up may have come between creation and lock: then this file is not ours.
      if try file.tryLock(), try file.status().linkCount > 0 { return (file, name, directory) }
    }
  }

  /// The directory into which an object goes, made where it is missing; its name is durable.
  func durableFolder(_ name: String) throws -> Directory {
    if name.isEmpty { return root }
    let directory = try makeFolder(name)
    if !durableFolders.withLock({ $0.contains(name) }) { try synchronizeName(of: name) }
    return directory
  }

  private func synchronizeName(of folder: String) throws {
    try root.synchronize()
    durableFolders.withLock { _ = $0.insert(folder) }
  }

  private func makeFolder(_ name: String) throws -> Directory {
    if let directory = try folder(name) { return directory }
    // Another process may make it just now.
    _ = try tolerating(.fileExists) { () throws(IOError) in try root.makeDirectory(name) }
    guard let directory = try folder(name) else {
      throw IOError("open", "\(location)/\(name)", .noSuchFileOrDirectory)
    }
    return directory
  }

  /// The directory of a folder, kept open; nil where there is none.
  private func folder(_ name: String) throws -> Directory? {
    if name.isEmpty { return root }
    if let known = folders.withLock({ $0[name] }) { return known }
    do {
      let directory = try Directory(name, in: root, calls: host.calls)
      return folders.withLock { folders in
        folders[name] = folders[name] ?? directory
        return folders[name]
      }
    } catch {
      switch error.errno {
      case .noSuchFileOrDirectory: return nil
      case .tooManySymbolicLinkLevels, .notDirectory:
        throw StoreError(.notAnObject, "\(location)/\(name) is not a directory")
      default: throw error
      }
    }
  }
}

private final class LocalObjectReader: ObjectReader {
  let byteCount: UInt64
  private let file: OpenFile

  init(_ file: OpenFile) throws {
    let status = try file.status()
    guard status.kind == .regular else {
      throw StoreError(.notAnObject, "\(file.path) is not a regular file")
    }
    self.file = file
    byteCount = status.byteCount
  }

  func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int {
    try file.read(into: &target, at: offset)
  }
}

/// The file of a held object; the lock goes with it.
private final class LocalObjectHold: ObjectHold {
  private let file: OpenFile

  init(_ file: OpenFile) {
    self.file = file
  }
}
