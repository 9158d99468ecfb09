import Foundation
import SnapStoreTestSupport
import Testing

/// What some tests of permissions and full disks need, and not every machine allows.
enum Privileges {
  /// Whether this is root, who may become another user and mount.
  static let isRoot = geteuid() == 0
  static let rootReason: Comment = "needs root, to run as somebody else"
  /// Whether a file system can be mounted: not in every container.
  static let canMount: Bool = {
    guard isRoot else { return false }
    do {
      let directory = try TemporaryDirectory()
      return try withExtendedLifetime(directory) {
        _ = try Mount.small(directory.path, kibibytes: 64)
        return true
      }
    } catch {
      return false
    }
  }()
  static let mountReason: Comment = "needs root, and leave to mount"
  /// Whether a file can be mounted by way of a loop device.
  static let canMountImages: Bool = {
    guard canMount else { return false }
    do {
      let directory = try TemporaryDirectory()
      return try withExtendedLifetime(directory) {
        let image = try directory.write([UInt8](repeating: 0, count: 1 << 20), to: "image")
        try FileManager.default.createDirectory(
          atPath: directory.path("m"), withIntermediateDirectories: false)
        _ = try Mount.image(image, at: directory.path("m"))
        return true
      }
    } catch {
      return false
    }
  }()
  static let imageReason: Comment = "needs root, loop devices and mkfs.ext4"
}

/// A mounted file system, unmounted when the last reference goes.
final class Mount {
  private struct Failed: Error {}
  private let path: String

  private init(_ path: String, _ arguments: [String]) throws {
    self.path = path
    try Self.run("/usr/bin/mount", arguments)
  }

  /// A file system in memory with so much space, on an existing directory.
  static func small(_ path: String, kibibytes: Int) throws -> Mount {
    try Mount(path, ["-t", "tmpfs", "-o", "size=\(kibibytes)k,mode=755", "tmpfs", path])
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
    try Self.run("/usr/bin/mount", ["-o", "remount,size=\(kibibytes)k", path])
  }

  deinit {
    do {
      try Self.run("/usr/bin/umount", ["-l", path])
    } catch {
      print("a test's mount stays behind: \(path)")
    }
  }

  private static func run(_ command: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: command)
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed() }
  }
}
