import Foundation
import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// A kernel's files, made up below a directory, with real disks beside them.
struct MadeUpKernel {
  let directory: TemporaryDirectory
  let calls = FaultySystemCalls()

  init() throws {
    directory = try TemporaryDirectory()
  }

  var storage: HostStorage { HostStorage(calls: calls, root: directory.path("root")) }

  /// On which the disks of the test are.
  func ownDevice() throws -> String {
    let number = try Directory(directory.path, calls: calls).status().device
    return DeviceNumber(number).description
  }

  func write(_ path: String, _ text: String) throws {
    let url = URL(fileURLWithPath: directory.path("root/\(path)"))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  /// A device `name` with a number, a loop device where it has a backing path.
  func device(_ number: String, name: String, backing: String? = nil) throws {
    let folder = "sys/devices/\(name)"
    try write("\(folder)/dev", "\(number)\n")
    if let backing { try write("\(folder)/loop/backing_file", "\(backing)\n") }
    let isWhole = !name.contains("/")
    for place in ["sys/dev/block/\(number)"] + (isWhole ? ["sys/block/\(name)"] : []) {
      let url = URL(fileURLWithPath: directory.path("root/\(place)"))
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: url.path, withDestinationPath: directory.path("root/\(folder)"))
    }
  }

  /// One line a mount: number, path, type, source, options of the file system.
  func mounts(_ lines: (String, String, String, String, String)...) throws {
    try write(
      "proc/self/mountinfo",
      lines.map { "1 1 \($0) / \($1) rw shared:1 - \($2) \($3) \($4)\n" }.joined())
  }

  func disk(_ name: String = "disk", _ bytes: [UInt8] = [1, 2, 3]) throws -> SourceDisk {
    let path = try directory.write(bytes, to: "\(name).img")
    return try SourceDisk(name: try #require(Name(name)), path: path, calls: calls)
  }
}

@Suite("What disks lie on")
struct StorageTests {
  private let kernel: MadeUpKernel

  init() throws {
    kernel = try MadeUpKernel()
  }

  @Test("a disk of this host is on no network")
  func local() throws {
    let disk = try kernel.disk()
    #expect(try kernel.storage.stack(of: disk).network == nil)
    #expect(try HostStorage(calls: LinuxSystemCalls()).stack(of: disk).network == nil)
    #expect(try kernel.storage.stack(of: disk).contains(disk))
  }

  @Test(
    "network file systems by the kernel's number",
    arguments: [(UInt64(0x6969), "NFS"), (0xFF53_4D42, "CIFS"), (0x0102_1997, "9P")])
  func network(type: UInt64, name: String) throws {
    let disk = try kernel.disk()
    kernel.calls.restart(faults: [.every(.fileSystem, .fileSystemType(type))])
    #expect(try kernel.storage.stack(of: disk).network == name)
  }

  @Test("of FUSE the mount table says more: sshfs is a network, a local NTFS disk is none")
  func userSpace() throws {
    let disk = try kernel.disk()
    kernel.calls.restart(faults: [.every(.fileSystem, .fileSystemType(0x6573_5546))])
    #expect(try kernel.storage.stack(of: disk).network == "FUSE")
    let root = ("8:1", "/", "ext4", "/dev/sda1", "rw")
    try kernel.mounts(root, ("0:50", kernel.directory.path, "fuse.sshfs", "host:/x", "rw"))
    #expect(try kernel.storage.stack(of: disk).network == "fuse.sshfs")
    try kernel.mounts(root, ("8:2", kernel.directory.path, "fuseblk", "/dev/none", "rw"))
    #expect(try kernel.storage.stack(of: disk).network == nil)
  }

  @Test("the mount table is read by bytes, whatever Unicode makes of them")
  func bytes() throws {
    let folder = kernel.directory.path("\u{301}")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let path = try kernel.directory.write([1], to: "\u{301}/disk.img")
    let disk = try SourceDisk(name: try #require(Name("a")), path: path, calls: kernel.calls)
    kernel.calls.restart(faults: [.every(.fileSystem, .fileSystemType(0x6573_5546))])
    try kernel.mounts(
      ("0:49", "/a", "overlay", "overlay", "rw,workdir=/w\r"),
      ("0:50", kernel.directory.path, "fuse.sshfs", "host:/x", "rw"))
    #expect(try kernel.storage.stack(of: disk).network == "fuse.sshfs")
  }

  @Test("a network is seen through a loop device, a mapped device and a partition")
  func nested() throws {
    let far = try kernel.directory.write([1], to: "far.img")
    let disk = try kernel.disk()
    // The disk's file system is on dm-0, which lies on loop0's first partition.
    try kernel.device(try kernel.ownDevice(), name: "dm-0")
    try kernel.write("sys/devices/dm-0/slaves/loop0p1/dev", "259:7\n")
    try kernel.device("7:0", name: "loop0", backing: far)
    try kernel.device("259:7", name: "loop0/loop0p1")
    try kernel.write("sys/devices/loop0/loop0p1/partition", "1\n")
    kernel.calls.restart(faults: [.at(2, .fileSystem, .fileSystemType(0x6969))])
    #expect(try kernel.storage.stack(of: disk).network == "NFS")
  }

  @Test("devices that lie on each other in a circle end")
  func circle() throws {
    let disk = try kernel.disk()
    try kernel.device(try kernel.ownDevice(), name: "loop3", backing: disk.path)
    let stack = try kernel.storage.stack(ofDirectory: kernel.directory.path)
    #expect(stack.contains(disk))
    #expect(stack.layers.count == 3)
  }

  @Test("a path of the kernel's that is not there, or is a FIFO, ends the search")
  func gone() throws {
    let disk = try kernel.disk()
    #expect(makeFIFO(kernel.directory.path("fifo")))
    for path in ["/nowhere/x.img (deleted)", kernel.directory.path("fifo"), ""] {
      let kernel = try MadeUpKernel()
      try kernel.device(try kernel.ownDevice(), name: "loop3", backing: path)
      let stack = try kernel.storage.stack(ofDirectory: kernel.directory.path)
      #expect(!stack.contains(disk))
    }
  }
}

@Suite("Who writes to a disk")
struct DiskWriterTests {
  private let kernel: MadeUpKernel

  init() throws {
    kernel = try MadeUpKernel()
  }

  private func writers(_ disk: SourceDisk) -> [DiskWriter] {
    kernel.storage.writers(of: disk, byClaim: true)
  }

  /// As long as the returned handle lives, the disk is open for writing.
  private func opened(_ disk: SourceDisk) throws -> FileHandle {
    try #require(FileHandle(forUpdatingAtPath: disk.path))
  }

  @Test("nobody")
  func nobody() throws {
    #expect(writers(try kernel.disk()) == [])
  }

  @Test("QEMU, by its lock")
  func imageLock() throws {
    let disk = try kernel.disk()
    let reader = try RecordLock(disk.path, byte: 100)
    withExtendedLifetime(reader) { #expect(!writers(disk).contains(.imageLock)) }
    let lock = try RecordLock(disk.path)
    withExtendedLifetime(lock) { #expect(writers(disk) == [.imageLock]) }
  }

  @Test("a program that has the file open")
  func openFile() throws {
    let disk = try kernel.disk()
    let handle = try opened(disk)
    withExtendedLifetime(handle) { #expect(writers(disk) == [.openFile]) }
    try handle.close()
    #expect(writers(disk) == [])
  }

  @Test("a loop device, and what of it is mounted read-write")
  func loop() throws {
    let disk = try kernel.disk()
    let handle = try opened(disk)
    defer { withExtendedLifetime(handle) {} }
    try kernel.device("7:5", name: "loop5", backing: disk.path)
    #expect(writers(disk) == [.loopDevice("/dev/loop5")])
    try kernel.mounts(("7:5", "/mnt/a\\040b", "ext4", "/dev/loop5", "ro,relatime"))
    #expect(writers(disk) == [.loopDevice("/dev/loop5")])
    try kernel.mounts(("7:5", "/mnt/a\\040b", "ext4", "/dev/loop5", "rw,relatime"))
    #expect(writers(disk) == [.mount(device: "/dev/loop5", path: "/mnt/a b")])
  }

  @Test(
    "a loop device's partition, and a mapped device on it, whose number the mount does not have")
  func partition() throws {
    let disk = try kernel.disk()
    let handle = try opened(disk)
    defer { withExtendedLifetime(handle) {} }
    try kernel.device("7:5", name: "loop5", backing: disk.path)
    try kernel.device("259:1", name: "loop5/loop5p1")
    try kernel.write("sys/devices/loop5/loop5p1/partition", "1\n")
    try kernel.write("sys/devices/loop5/loop5p1/holders/dm-3/dev", "253:3\n")
    try kernel.device("253:3", name: "dm-3")
    try kernel.write("sys/devices/dm-3/dm/name", "vg-lv\n")
    try kernel.mounts(("0:77", "/srv", "btrfs", "/dev/mapper/vg-lv", "rw,space_cache"))
    #expect(writers(disk) == [.mount(device: "/dev/mapper/vg-lv", path: "/srv")])
  }

  @Test("a read-only loop device writes nothing")
  func readOnlyLoop() throws {
    let disk = try kernel.disk()
    let handle = try opened(disk)
    defer { withExtendedLifetime(handle) {} }
    try kernel.device("7:5", name: "loop5", backing: disk.path)
    try kernel.write("sys/devices/loop5/ro", "1\n")
    #expect(writers(disk) == [.openFile])
  }
}
