package import SnapStoreIO
package import SystemPackage

/// The kinds of system calls that can be counted and made to fail.
package enum SystemCall: String, Sendable, CaseIterable {
  case open, openDirect, close, read, cachedByteCount, dropCache, write, synchronize
  case startWriteback, setSize, setMode, status, fileSystem
  case seek, tryLock, isLocked, isOpenForWriting, makeDirectory, removeFile, removeDirectory,
    rename, link, names
  case canonicalPath, replace
}

/// What goes wrong, and when: a fault is a value.
package struct Fault: Sendable {
  package enum Effect: Sendable {
    /// The call is not made. (`close` is made all the same, as Linux does.)
    case error(Errno)
    /// At most so many bytes are read or written; a read of 0 bytes is the end of the file.
    case shortRead(Int)
    case shortWrite(Int)
    /// What is created gets this mode, as under a harsh umask or a lax one.
    case createdMode(UInt32)
    /// statfs says that the file system is of this type.
    case fileSystemType(UInt64)
    /// statfs says that so many bytes are free.
    case availableBytes(UInt64)
    /// The page cache has so many bytes of the range, they say.
    case cachedBytes(Int)
    /// fstat says that it is so long, and has no holes.
    case size(UInt64)
    /// fstat says that the file was written to then, and nothing else of it changed.
    case modified(FileTime)
    /// fstat says that something else of the file changed then.
    case changed(FileTime)
    /// lseek says that it is there.
    case position(UInt64)
    /// A rename replaces what has the name.
    case replaces
    /// A lock is got though another holds it.
    case grants
  }

  package var call: SystemCall?
  package var numbers: ClosedRange<Int>
  package var effect: Effect
  /// Nil: whatever the path is.
  package var path: String?

  /// At the `number`-th call of a kind, counted from 1; with nil, of any kind.
  package static func at(_ number: Int, _ call: SystemCall?, _ effect: Effect) -> Fault {
    Fault(call: call, numbers: number...number, effect: effect)
  }

  /// At every call from the `number`-th on, as a disk that broke.
  package static func from(_ number: Int, _ call: SystemCall?, _ effect: Effect) -> Fault {
    Fault(call: call, numbers: number...Int.max, effect: effect)
  }

  package static func every(
    _ call: SystemCall?, _ effect: Effect, on path: String? = nil
  ) -> Fault {
    Fault(call: call, numbers: 1...Int.max, effect: effect, path: path)
  }
}

/// A system call that was made: its kind, and the path as it was given, or that its descriptor was
/// opened with.
package struct RecordedCall: Equatable, Sendable, CustomStringConvertible {
  package var call: SystemCall
  package var path: String

  package init(call: SystemCall, path: String) {
    self.call = call
    self.path = path
  }

  package var description: String { "\(call.rawValue) \(path)" }
}

/// System calls around others, that fail when told to; counts and records every call.
package final class FaultySystemCalls: SystemCalls {
  private struct State {
    var faults: [Fault]
    var counts: [SystemCall: Int] = [:]
    var calls: [RecordedCall] = []
    var paths: [Int32: String] = [:]
  }

  private let base: any SystemCalls
  private let state: Lock<State>

  package init(_ base: any SystemCalls = LinuxSystemCalls(), faults: [Fault] = []) {
    self.base = base
    state = Lock(State(faults: faults))
  }

  package func count(of call: SystemCall) -> Int { state.withLock { $0.counts[call] ?? 0 } }
  package var totalCount: Int { state.withLock { $0.calls.count } }
  package var calls: [RecordedCall] { state.withLock { $0.calls } }

  /// Sets other faults, and counts from 1 again.
  package func restart(faults: [Fault] = []) {
    state.withLock { state in
      state.faults = faults
      state.counts = [:]
      state.calls = []
    }
  }

  /// Counts and records a call; throws the error that is due, or returns another effect.
  @discardableResult
  private func enter(_ call: SystemCall, _ path: String) throws(Errno) -> Fault.Effect? {
    let effect = state.withLock { state -> Fault.Effect? in
      state.counts[call, default: 0] += 1
      state.calls.append(RecordedCall(call: call, path: path))
      let (number, total) = (state.counts[call] ?? 0, state.calls.count)
      return state.faults.first { fault in
        guard fault.path == nil || fault.path == path else { return false }
        return fault.call == nil
          ? fault.numbers.contains(total)
          : fault.call == call && fault.numbers.contains(number)
      }?.effect
    }
    if case .error(let error) = effect { throw error }
    return effect
  }

  @discardableResult
  private func enter(_ call: SystemCall, _ file: Int32) throws(Errno) -> Fault.Effect? {
    try enter(call, state.withLock { $0.paths[file] } ?? "descriptor \(file)")
  }

  package func open(
    _ path: String, in directory: Int32, _ access: FileAccess
  ) throws(Errno) -> Int32 {
    let effect = try enter(.open, path)
    let file = try base.open(path, in: directory, access)
    if case .createdMode(let mode) = effect, access == .create { try base.setMode(file, mode) }
    state.withLock { $0.paths[file] = path }
    return file
  }

  package func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32 {
    try enter(.openDirect, file)
    let direct = try base.openDirect(file, direction)
    state.withLock { $0.paths[direct] = $0.paths[file] }
    return direct
  }

  package func close(_ file: Int32) throws(Errno) {
    let path = state.withLock { $0.paths.removeValue(forKey: file) }
    do throws(Errno) {
      try base.close(file)
    } catch {
      precondition(error != .badFileDescriptor, "closed twice: \(path ?? "descriptor \(file)")")
      throw error
    }
    try enter(.close, path ?? "descriptor \(file)")
  }

  package func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int {
    guard case .shortRead(let limit) = try enter(.read, file), limit < target.byteCount else {
      return try base.read(file, into: &target, at: offset)
    }
    if limit == 0 { return 0 }
    return try target.withBytes(0..<limit) { (part) throws(Errno) in
      try base.read(file, into: &part, at: offset)
    }
  }

  package func cachedByteCount(
    _ file: Int32, _ range: Range<UInt64>
  ) throws(Errno) -> Int {
    guard case .cachedBytes(let count) = try enter(.cachedByteCount, file) else {
      return try base.cachedByteCount(file, range)
    }
    return count
  }

  package func dropCache(_ file: Int32) throws(Errno) {
    try enter(.dropCache, file)
    try base.dropCache(file)
  }

  package func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int {
    guard case .shortWrite(let limit) = try enter(.write, file), limit < bytes.byteCount else {
      return try base.write(file, bytes, at: offset)
    }
    return limit == 0 ? 0 : try base.write(file, bytes.extracting(0..<limit), at: offset)
  }

  package func synchronize(_ file: Int32) throws(Errno) {
    do throws(Errno) {
      try enter(.synchronize, file)
    } catch {
      (base as? SimulatedFileSystem)?.loseUnsynchronized(file)
      throw error
    }
    try base.synchronize(file)
  }

  package func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno) {
    try enter(.startWriteback, file)
    try base.startWriteback(file, range)
  }

  package func setSize(_ file: Int32, _ byteCount: UInt64) throws(Errno) {
    try enter(.setSize, file)
    try base.setSize(file, byteCount)
  }

  package func setMode(_ file: Int32, _ mode: UInt32) throws(Errno) {
    try enter(.setMode, file)
    try base.setMode(file, mode)
  }

  package func status(_ file: Int32) throws(Errno) -> FileStatus {
    let effect = try enter(.status, file)
    var status = try base.status(file)
    if case .size(let count) = effect {
      (status.byteCount, status.allocatedByteCount) = (count, count)
    }
    if case .modified(let time) = effect { status.modified = time }
    if case .changed(let time) = effect { status.changed = time }
    return status
  }

  package func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus {
    try enter(.status, path)
    return try base.status(of: path, in: directory)
  }

  package func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus {
    let effect = try enter(.fileSystem, file)
    var status = try base.fileSystem(file)
    if case .fileSystemType(let type) = effect { status.type = type }
    if case .availableBytes(let count) = effect { status.availableByteCount = count }
    return status
  }

  package func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64 {
    if case .position(let position) = try enter(.seek, file) { return position }
    return try base.seek(file, target)
  }

  package func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool {
    if case .grants = try enter(.tryLock, file) { return true }
    return try base.tryLock(file, isShared: isShared)
  }

  package func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool {
    try enter(.isLocked, file)
    return try base.isLocked(file, byte: byte)
  }

  package func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool {
    try enter(.isOpenForWriting, file)
    return try base.isOpenForWriting(file)
  }

  package func makeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    let effect = try enter(.makeDirectory, path)
    try base.makeDirectory(path, in: directory)
    guard case .createdMode(let mode) = effect else { return }
    let made = try base.open(path, in: directory, .directory(followLinks: false))
    try base.setMode(made, mode)
    try base.close(made)
  }

  package func removeFile(_ path: String, in directory: Int32) throws(Errno) {
    try enter(.removeFile, path)
    try base.removeFile(path, in: directory)
  }

  package func removeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try enter(.removeDirectory, path)
    try base.removeDirectory(path, in: directory)
  }

  package func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    if case .replaces = try enter(.rename, newPath) {
      try base.removeFile(newPath, in: newDirectory)
    }
    try base.renameWithoutReplacing(path, in: directory, to: newPath, in: newDirectory)
  }

  package func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try enter(.replace, newPath)
    try base.renameReplacing(path, in: directory, to: newPath, in: newDirectory)
  }

  package func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try enter(.link, newPath)
    try base.link(path, in: directory, to: newPath, in: newDirectory)
  }

  package func names(in directory: Int32) throws(Errno) -> [String] {
    try enter(.names, directory)
    return try base.names(in: directory)
  }

  package func canonicalPath(_ path: String) throws(Errno) -> String {
    try enter(.canonicalPath, path)
    return try base.canonicalPath(path)
  }
}
