internal import SystemPackage

/// An object on its way: a locked file in `unfinished`.
///
/// What comes in large pieces is collected into aligned blocks, which go around the page cache (see
/// `DirectPath`); small objects are written as they come.
final class LocalObjectWriter: ObjectWriter {
  private enum State {
    case open(Contents)
    case finished
    case dead
  }

  /// What was appended so far: `writtenByteCount` bytes are in the file, and behind them come the
  /// first `stagedByteCount` bytes of `staging`.
  private struct Contents {
    var writtenByteCount: UInt64 = 0
    var staging: Buffer?
    var stagedByteCount = 0
  }

  /// Of the buffers that collect: as much as one write to the disk.
  static let stagingByteCount = 1 << 20

  let file: OpenFile
  private let name: ObjectName
  private let temporaryName: String
  private let directory: Directory
  private let store: LocalObjectStore
  private let state = Lock(State.open(Contents()))

  init(_ name: ObjectName, store: LocalObjectStore) throws {
    self.name = name
    self.store = store
    (file, temporaryName, directory) = try store.beginFile()
  }

  deinit {
    if case .finished = state.withLock({ $0 }) { return }
    do throws(IOError) {
      try directory.removeFile(temporaryName)
    } catch {
      // It stays in `unfinished` without a lock, and the next cleaning takes it.
    }
  }

  func append(_ bytes: RawSpan) throws {
    var contents = try take()
    if contents.staging == nil && bytes.byteCount < DirectPath.minimumByteCount {
      try write(bytes, &contents)
    } else {
      try stage(bytes, &contents)
    }
    state.withLock { $0 = .open(contents) }
  }

  private func stage(_ bytes: RawSpan, _ contents: inout Contents) throws {
    var done = 0
    if contents.staging == nil {
      // Staging begins at a block's start.
      let block = UInt64(DirectPath.alignment)
      done = Int((block - contents.writtenByteCount % block) % block)
      try write(bytes.extracting(0..<done), &contents)
    }
    let staging = contents.staging ?? store.stagingBuffers.take()
    contents.staging = staging
    while done < bytes.byteCount {
      let start = contents.stagedByteCount
      let count = min(bytes.byteCount - done, staging.byteCount - start)
      staging.withMutableBytes { target in
        target.withBytes(start..<(start + count)) {
          $0.copy(bytes.extracting(done..<(done + count)))
        }
      }
      contents.stagedByteCount += count
      done += count
      if contents.stagedByteCount == staging.byteCount { try flush(&contents) }
    }
  }

  private func flush(_ contents: inout Contents) throws {
    guard let staging = contents.staging else { return }
    try write(staging.bytes.extracting(0..<contents.stagedByteCount), &contents)
    contents.stagedByteCount = 0
  }

  private func write(_ bytes: RawSpan, _ contents: inout Contents) throws {
    let start = contents.writtenByteCount
    let end = start + UInt64(bytes.byteCount)
    try file.write(bytes, at: start)
    try file.startWriteback(start..<end)
    contents.writtenByteCount = end
  }

  func finish() throws -> Bool {
    var contents = try take()
    try flush(&contents)
    try file.synchronize()
    let target = try store.durableFolder(name.folder)
    let moved: Void? = try tolerating(.fileExists) { () throws(IOError) in
      try directory.moveWithoutReplacing(temporaryName, to: name.key, in: target)
    }
    guard moved != nil else {
      // Who hears that the name is taken relies on it, and who took it may have been killed since.
      try target.synchronize()
      return false
    }
    state.withLock { $0 = .finished }
    try target.synchronize()
    return true
  }

  /// What was appended so far; marks the writer dead until the caller has succeeded.
  private func take() throws -> Contents {
    try state.withLock { state in
      guard case .open(let contents) = state else {
        throw StoreError(.deadWriter, "\(name) can't be written after an error")
      }
      state = .dead
      return contents
    }
  }
}
