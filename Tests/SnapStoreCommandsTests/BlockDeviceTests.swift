import Foundation
import Glibc
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Disks that are block devices")
struct BlockDeviceTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  /// Runs `dd`, so that what happens to a device does not go through the same code twice.
  private func copy(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/dd")
    process.arguments = arguments + ["bs=1M", "status=none"]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "dd \(arguments)")
  }

  /// The first part of a file in memory, as a program has it that maps what it reads.
  @safe private final class Mapping {
    private static let byteCount = 4 << 20
    private let start: UnsafeMutableRawPointer

    init(_ file: Int32) throws {
      let mapped = unsafe mmap(nil, Self.byteCount, PROT_READ, MAP_SHARED, file, 0)
      unsafe start = try #require(mapped)
      try #require(unsafe start != MAP_FAILED)
      // Every page is used, or it is not there.
      let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Self.byteCount)
      let used = stride(from: 0, to: bytes.count, by: 4096).count { unsafe bytes[$0] != 0 }
      #expect(used > 0)
    }

    deinit { unsafe munmap(start, Self.byteCount) }
  }

  /// Linux keeps a page cache for a disk and another one for each of its partitions, and what is
  /// written through the one does not change what the other has.
  @Test(
    "what was written through a partition is in the backup of the whole disk, cached or not",
    .enabled(if: Privileges.canPartition, Privileges.partitionReason))
  func partition() throws {
    for (name, mebibytes) in [("disk.img", 9), ("new.img", 8)] {
      try snapstore.writeLong(name, mebibytes: mebibytes)
      // The last sector is no whole page, so that it is read another way than the others.
      let file = try #require(FileHandle(forUpdatingAtPath: snapstore.path(name)))
      try file.seekToEnd()
      try file.write(contentsOf: SeededRandomness(seed: UInt64(mebibytes)).bytes(512))
      try file.close()
    }
    let device = try PartitionedDevice(image: snapstore.path("disk.img"))
    defer { withExtendedLifetime(device) {} }
    // As long as anybody has them open, the caches stay, and nobody can drop what is mapped.
    let holders = [device.path, device.partition].map { (path: String) in
      unsafe open(path, O_RDONLY | O_CLOEXEC)
    }
    #expect(holders.allSatisfy { $0 >= 0 })
    var mapping: Mapping?
    // Before the device goes, which it can't while it is open.
    defer {
      withExtendedLifetime(mapping) {}
      mapping = nil
      for holder in holders { close(holder) }
    }
    mapping = try Mapping(holders[0])
    try copy("if=\(device.path)", "of=\(snapstore.path("before"))")
    #expect(snapstore.areSame("before", "disk.img"))
    try copy(
      "if=\(snapstore.path("new.img"))", "of=\(device.partition)", "oflag=direct", "conv=fsync")

    let backup = try snapstore("backup", "--vault", "v", "disk=\(device.path)")
    #expect(backup.status == 0, "\(backup.errors)")
    let restore = try snapstore("restore", "--vault", "v", "--point", "latest", "--to", "out")
    #expect(restore.status == 0, "\(restore.errors)")
    try copy("if=\(device.path)", "of=\(snapstore.path("now"))", "iflag=direct")
    #expect(!snapstore.areSame("now", "before"))
    #expect(snapstore.areSame("out/disk.img", "now"))
  }
}
