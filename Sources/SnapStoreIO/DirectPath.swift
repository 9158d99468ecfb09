internal import SystemPackage

/// The way around the page cache for an open file, where there is one.
///
/// A page that enters the cache costs a copy and, on a virtual machine, up to ten times that for
/// the first touch of its memory; what is larger than the cache pays that for nothing, and pushes
/// out what others use. So what is large and aligned goes directly between the disk and our
/// buffers; small and odd parts take the usual way. Of a file both see the same: the kernel writes
/// out and drops the cached pages that a direct call touches. For a block device that is not so
/// (see `distrustCache`).
///
/// What the cache of a file has already, or most of it, is taken from there. Nothing here promises
/// durability: that is for `synchronize`, as ever.
final class DirectPath: Sendable {
  /// Offsets, lengths and memory of a direct call are multiples of this.
  static let alignment = 4096
  /// Less than this is not worth a wait for the disk.
  static let minimumByteCount = 64 * 1024

  private enum State {
    case unopened
    case open(Int32)
    case refused
  }

  private let file: Int32
  private let direction: DirectAccess
  private let calls: any SystemCalls
  private let state = Lock(State.unopened)
  private let trustsCache = Lock(true)

  /// Opens nothing before the first call that is worth it.
  init(_ file: Int32, _ direction: DirectAccess, calls: any SystemCalls) {
    self.file = file
    self.direction = direction
    self.calls = calls
  }

  deinit {
    guard case .open(let descriptor) = state.withLock({ $0 }) else { return }
    closing(descriptor, calls)
  }

  /// From now on nothing is asked of the cache that can be read from the disk.
  func distrustCache() { trustsCache.withLock { $0 = false } }

  /// Reads a part of the file from the disk; nil where it is not to be done this way, or where the
  /// cache has most of it. Otherwise as `SystemCalls.read`.
  func read(into target: inout MutableRawSpan, at offset: UInt64) throws(Errno) -> Int? {
    let byteCount = Self.suitableByteCount(of: target.bytes, at: offset)
    guard byteCount > 0, !isCached(offset..<(offset + UInt64(byteCount))),
      let descriptor = descriptor()
    else { return nil }
    return try attempt { () throws(Errno) in
      let count = try target.withBytes(0..<byteCount) { (part) throws(Errno) in
        try calls.read(descriptor, into: &part, at: offset)
      }
      // Where the file ends is for the usual way to say: the end need not be aligned.
      return count > 0 ? count : nil
    }
  }

  private func isCached(_ range: Range<UInt64>) -> Bool {
    guard trustsCache.withLock({ $0 }) else { return false }
    do throws(Errno) {
      return try 2 * calls.cachedByteCount(file, range) > range.count
    } catch {
      return false  // either way reads the same bytes
    }
  }

  /// Writes a part of `bytes`; nil where it is not to be done this way.
  func write(_ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int? {
    let byteCount = Self.suitableByteCount(of: bytes, at: offset)
    guard byteCount > 0, let descriptor = descriptor() else { return nil }
    return try attempt { () throws(Errno) in
      try calls.write(descriptor, bytes.extracting(0..<byteCount), at: offset)
    }
  }

  /// How much from the start on is fit for a direct call.
  private static func suitableByteCount(of bytes: RawSpan, at offset: UInt64) -> Int {
    guard bytes.byteCount >= minimumByteCount, offset % UInt64(alignment) == 0 else { return 0 }
    let isAligned = unsafe bytes.withUnsafeBytes { memory in
      UInt(bitPattern: memory.baseAddress) % UInt(alignment) == 0
    }
    return isAligned ? bytes.byteCount / alignment * alignment : 0
  }

  /// Opened on the first use. Nil where the file system, or the lack of a descriptor or of /proc,
  /// does not allow it.
  private func descriptor() -> Int32? {
    state.withLock { state in
      if case .unopened = state {
        do throws(Errno) {
          state = .open(try calls.openDirect(file, direction))
        } catch {
          state = .refused
        }
      }
      guard case .open(let descriptor) = state else { return nil }
      return descriptor
    }
  }

  /// Nil where the file system takes no such calls.
  private func attempt(_ call: () throws(Errno) -> Int?) throws(Errno) -> Int? {
    do throws(Errno) {
      return try call()
    } catch {
      guard Self.refuses(error) else { throw error }
      return nil
    }
  }

  private static func refuses(_ error: Errno) -> Bool {
    error == .invalidArgument || error == .notSupported || error == .noFunction
  }
}
