package import SnapStoreFormat
package import SnapStoreIO
internal import SystemPackage

/// A disk to be backed up: a raw image file or a block device, open for reading and never written.
package final class SourceDisk: Sendable {
  package let name: Name
  /// As the person gave it, for messages.
  package let path: String
  /// The same without links and relative parts, for what is read elsewhere.
  package let canonicalPath: String
  package let byteCount: UInt64
  /// True for a file, which may have holes; a device is read whole.
  package let mayHaveHoles: Bool
  let file: OpenFile
  private let opened: FileStatus

  /// Opens and checks the source. A directory, FIFO or other thing that is no disk is refused.
  package init(name: Name, path: String, calls: any SystemCalls) throws {
    self.name = name
    self.path = path
    file = try Self.open(path, name, calls)
    opened = try file.status()
    canonicalPath = try existingPath(path, calls: calls) ?? path
    switch opened.kind {
    case .regular:
      mayHaveHoles = true
      byteCount = opened.byteCount
    case .blockDevice:
      mayHaveHoles = false
      try file.distrustCache()
      byteCount = try file.end()
      guard byteCount > 0 else {
        throw DiskError(
          .unsuitable, "disk \(name): the block device \(path) has no medium: its size is 0")
      }
    default:
      throw DiskError(
        .unsuitable, "disk \(name): \(path) is \(opened.kind.phrase), not a disk image",
        hint: "name a raw image file or a block device")
    }
  }

  private static func open(
    _ path: String, _ name: Name, _ calls: any SystemCalls
  ) throws -> OpenFile {
    do throws(IOError) {
      return try OpenFile(path, .read(followLinks: true), aroundCache: true, calls: calls)
    } catch {
      switch error.errno {
      case .noSuchFileOrDirectory, .notDirectory:
        throw DiskError(.unsuitable, "disk \(name): there is nothing at \(path)")
      case .tooManySymbolicLinkLevels:
        throw DiskError(
          .unsuitable, "disk \(name): the symbolic links of \(path) lead in a circle")
      case .permissionDenied, .notPermitted:
        throw DiskError(
          .notAllowed, "disk \(name): this user may not read \(path)",
          hint: "run as a user that may, such as root")
      case .noSuchAddressOrDevice:
        throw DiskError(
          .unsuitable, "disk \(name): \(path) is a socket, or a device that is not there")
      case .fileNameTooLong:
        throw DiskError(.unsuitable, "disk \(name): \(error)")
      default:
        throw DiskError(.failed, "disk \(name): \(error)")
      }
    }
  }

  /// Where the same bytes come from: two sources with one identity are the same disk.
  package struct Identity: Hashable, Sendable {
    let isDevice: Bool
    let device: UInt64
    let inode: UInt64
  }

  package var identity: Identity {
    opened.kind == .blockDevice
      ? Identity(isDevice: true, device: opened.representedDevice, inode: 0)
      : Identity(isDevice: false, device: opened.device, inode: opened.inode)
  }

  /// For a block device: which one.
  var deviceNumber: DeviceNumber? {
    opened.kind == .blockDevice ? DeviceNumber(opened.representedDevice) : nil
  }

  /// What reading it takes: without its holes, as far as the file system knows them.
  package var dataByteCount: UInt64 {
    mayHaveHoles ? min(byteCount, opened.allocatedByteCount) : byteCount
  }

  /// Where QEMU's programs hold a lock as long as they may write to an image (the permission
  /// "write" of its block layer; include/block/block-common.h and block/file-posix.c).
  private static let qemuWriteLock: UInt64 = 101

  /// Whether a program that locks images as QEMU does may write to it. False also where the file
  /// system can't tell.
  package var isLockedByWriter: Bool {
    do throws(IOError) {
      return try file.isLocked(byte: Self.qemuWriteLock)
    } catch {
      return false  // as said above
    }
  }

  /// Whether any program has the file open for writing; nil where that can't be known.
  package var isOpenForWriting: Bool? {
    do throws(IOError) {
      return try file.isOpenForWriting()
    } catch {
      return nil  // as said above
    }
  }

  /// Reads the first and the last bytes; throws where they can't be read.
  package func readEnds() throws {
    let count = min(4096, byteCount)
    for start in [0, byteCount - count] {
      do {
        _ = try readArray(start..<(start + count))
      } catch {
        throw DiskError(.failed, "disk \(name): \(error)")
      }
    }
  }

  /// Whether the file system tells where the file has holes. True for a device, which has none, and
  /// a file that is known to have none.
  package func tellsHoles() -> Bool {
    guard mayHaveHoles, byteCount > 0 else { return true }
    do throws(IOError) {
      guard try file.nextData(from: 0) == 0, try file.nextHole(from: 0) >= byteCount else {
        return true
      }
      // All data, as it says. What is not allocated says otherwise; small files may lie elsewhere.
      return opened.allocatedByteCount + Self.allocationSlack >= byteCount
    } catch {
      return false
    }
  }

  private static let allocationSlack: UInt64 = 1 << 20

  /// The first bytes of an image format that is not raw: such a file is backed up as it is, and the
  /// person should know. Nil for everything else.
  package func containerFormat() throws -> String? {
    let head = try readArray(0..<min(8, byteCount))
    let formats: [(name: String, magic: [UInt8])] = [
      ("qcow2", [0x51, 0x46, 0x49, 0xFB]), ("VMDK", Array("KDMV".utf8)),
      ("VHDX", Array("vhdxfile".utf8)), ("VHD", Array("conectix".utf8)),
    ]
    return formats.first { head.starts(with: $0.magic) }?.name
  }

  private func readArray(_ range: Range<UInt64>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let count = try bytes.withMutableRawSpan { try file.read(into: &$0, at: range.lowerBound) }
    return Array(bytes.prefix(count))
  }

  /// Reads exactly this range; throws where the disk ends before, or gives an error.
  package func read(_ range: Range<UInt64>, into target: inout MutableRawSpan) throws {
    let count: Int
    do throws(IOError) {
      count = try file.read(into: &target, at: range.lowerBound)
    } catch {
      throw DiskError(.failed, "disk \(name): \(error)")
    }
    guard count == target.byteCount else {
      throw DiskError(
        .failed,
        "disk \(name): \(path) ended at byte \(range.lowerBound + UInt64(count)) while it was "
          + "read; it had \(byteCount) bytes at the start",
        hint: "back it up while nothing resizes it")
    }
  }

  /// Whether the disk was left alone since it was opened. Throws where its size changed.
  package func wasStable() throws -> Bool {
    let now = try file.status()
    let size = mayHaveHoles ? now.byteCount : try file.end()
    guard size == byteCount else {
      throw DiskError(
        .failed,
        "disk \(name): \(path) changed its size from \(byteCount) to \(size) bytes while it was "
          + "read",
        hint: "back it up while nothing resizes it")
    }
    return !mayHaveHoles || (now.modified == opened.modified && now.changed == opened.changed)
  }

  /// The next data from `offset` on, and where it ends; nil where only holes follow. Adjoining data
  /// may come in several pieces. On a file system that knows no holes, everything is data.
  func nextData(from offset: UInt64) throws -> Range<UInt64>? {
    guard offset < byteCount else { return nil }
    guard mayHaveHoles else { return offset..<byteCount }
    do throws(IOError) {
      guard let next = try file.nextData(from: offset), next < byteCount else { return nil }
      // A hole may be made where there was data just now, and not every file system is right: what
      // is said of bytes before is passed over, and each piece has some.
      let start = max(next, offset)
      let hole = try file.nextHole(from: start)
      return start..<min(hole > start ? hole : start + UInt64(FormatLimit.extent), byteCount)
    } catch {
      // A file that was cut short meanwhile answers with "no data"; reading will tell where.
      guard error.errno == .invalidArgument || error.errno == .notSupported else {
        throw DiskError(.failed, "disk \(name): \(error)")
      }
      return offset..<byteCount
    }
  }
}

extension FileStatus.Kind {
  /// For sentences: "is a directory".
  package var phrase: String {
    switch self {
    case .regular: "a file"
    case .directory: "a directory"
    case .blockDevice: "a block device"
    case .characterDevice: "a character device"
    case .fifo: "a FIFO"
    case .socket: "a socket"
    case .symbolicLink: "a symbolic link"
    case .other: "of an unknown kind"
    }
  }
}
