import Foundation
import SnapStoreTestSupport
import Testing

/// What some tests of permissions and full disks need, and not every machine allows.
enum Privileges {
  /// Whether this is root, who may become another user and mount.
  static let isRoot = geteuid() == 0
  static let rootReason: Comment = "needs root, to run as somebody else"
  /// Whether a file system can be mounted: not in every container.
  static let canMount =
    isRoot
    && works { directory in
      _ = try Mount.small(directory.path, kibibytes: 64)
    }
  static let mountReason: Comment = "needs root, and leave to mount"
  /// Whether a file can be mounted by way of a loop device.
  static let canMountImages =
    canMount
    && works { directory in
      let image = try directory.write([UInt8](repeating: 0, count: 1 << 20), to: "image")
      try FileManager.default.createDirectory(
        atPath: directory.path("m"), withIntermediateDirectories: false)
      _ = try Mount.image(image, at: directory.path("m"))
    }
  static let imageReason: Comment = "needs root, loop devices and mkfs.ext4"
  /// Whether a file can be a block device with a partition.
  static let canPartition =
    isRoot
    && works { directory in
      let image = try directory.write([UInt8](repeating: 0, count: 2 << 20), to: "image")
      _ = try PartitionedDevice(image: image)
    }
  static let partitionReason: Comment = "needs root, loop devices and their partitions"

  /// Whether what a test needs can be done, in a directory of its own.
  private static func works(_ attempt: (TemporaryDirectory) throws -> Void) -> Bool {
    do {
      let directory = try TemporaryDirectory()
      try withExtendedLifetime(directory) { try attempt(directory) }
      return true
    } catch {
      return false
    }
  }
}

/// An image file as a block device, which has one partition: all but the first mebibyte. Gone with
/// the last reference.
final class PartitionedDevice {
  let path: String
  var partition: String { "\(path)p1" }
  private var hasPartition = false

  init(image: String) throws {
    let size = try FileManager.default.attributesOfItem(atPath: image)[.size] as? Int ?? 0
    path = try run("/usr/sbin/losetup", ["--find", "--show", image])
    // The kernel is told, as not every one can read partition tables.
    try run("/usr/bin/addpart", [path, "1", "2048", "\(size / 512 - 2048)"])
    hasPartition = true
    // In some containers nobody makes the device files.
    guard FileManager.default.isReadableFile(atPath: partition) else { throw ToolFailed() }
  }

  deinit {
    // A process that another test starts right now has every descriptor until it is its program,
    // and what is open stays.
    for attempt in 1...100 where hasPartition {
      do {
        try run("/usr/bin/delpart", [path, "1"])
        hasPartition = false
      } catch {
        if attempt == 100 { print("a test's partition stays behind: \(partition)") }
      }
    }
    do {
      try run("/usr/sbin/losetup", ["-d", path])
    } catch {
      print("a test's block device stays behind: \(path)")
    }
  }
}

/// A mounted file system, unmounted when the last reference goes.
final class Mount {
  private let path: String

  private init(_ path: String, _ arguments: [String]) throws {
    self.path = path
    try run("/usr/bin/mount", arguments)
  }

  /// A file system in memory with so much space and room for so many files, on an existing
  /// directory.
  static func small(_ path: String, kibibytes: Int, inodes: Int = 100_000) throws -> Mount {
    let options = "size=\(kibibytes)k,nr_inodes=\(inodes),mode=755"
    return try Mount(path, ["-t", "tmpfs", "-o", options, "tmpfs", path])
  }

  /// An existing directory, read-only at another one.
  static func readOnly(_ path: String, at target: String) throws -> Mount {
    let mount = try Mount(target, ["--bind", path, target])
    try run("/usr/bin/mount", ["-o", "remount,bind,ro", target])
    return mount
  }

  /// A new ext4 file system in a file, at an existing directory.
  static func image(_ image: String, at target: String) throws -> Mount {
    try run("/usr/sbin/mkfs.ext4", ["-q", "-F", image])
    return try Mount(target, ["-o", "loop", image, target])
  }

  /// One directory seen through an overlay, which has no device of its own.
  static func overlay(_ lower: String, upper: String, work: String, at target: String) throws
    -> Mount
  {
    try Mount(
      target,
      [
        "-t", "overlay", "-o", "lowerdir=\(lower),upperdir=\(upper),workdir=\(work)", "none",
        target,
      ])
  }

  func resize(kibibytes: Int) throws {
    try run("/usr/bin/mount", ["-o", "remount,size=\(kibibytes)k", path])
  }

  deinit {
    do {
      try run("/usr/bin/umount", ["-l", path])
    } catch {
      print("a test's mount stays behind: \(path)")
    }
  }
}

private struct ToolFailed: Error {}

/// Runs a program of the system to its end, and returns the line that it prints.
@discardableResult
private func run(_ command: String, _ arguments: [String]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: command)
  process.arguments = arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  try process.run()
  let text = try output.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw ToolFailed() }
  return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines)
}
