package import SnapStoreIO
internal import SystemPackage

/// What the kernel tells of the disks of this host, in procfs and sysfs: all as far as this process
/// may know it.
package final class HostStorage: Sendable {
  let calls: any SystemCalls
  let devices: BlockDevices
  private let root: String
  private let table = Lock<MountTable?>(nil)

  /// `root` stands before `/proc` and `/sys`: for tests.
  package init(calls: any SystemCalls, root: String = "") {
    self.calls = calls
    self.root = root
    devices = BlockDevices(calls: calls, root: root)
  }

  /// What is mounted, as it was at the first question.
  func mounts() -> MountTable {
    if let known = table.withLock({ $0 }) { return known }
    let read = MountTable(
      text: kernelText("\(root)/proc/self/mountinfo", calls: calls) ?? "")
    table.withLock { $0 = read }
    return read
  }

  /// What a directory of this host lies on.
  package func stack(ofDirectory path: String) throws -> StorageStack {
    var stack = StorageStack(self)
    let canonical = try canonicalPath(path, calls: calls)
    try stack.add(Directory(canonical, followLinks: true, calls: calls), at: canonical)
    return stack
  }

  /// What a disk lies on.
  package func stack(of disk: SourceDisk) throws -> StorageStack {
    var stack = StorageStack(self)
    try stack.add(disk.file, at: disk.canonicalPath)
    return stack
  }

  // MARK: Who writes

  /// Who else may be writing to a disk, as far as can be told; empty where nobody is known to.
  /// `byClaim`: ask too by claiming a device for a moment, in which nobody else can mount it.
  package func writers(of disk: SourceDisk, byClaim: Bool) -> [DiskWriter] {
    var found: [DiskWriter] = disk.isLockedByWriter ? [.imageLock] : []
    let isOpen = disk.mayHaveHoles ? isOpen(disk, isPatient: byClaim) : nil
    // Only a file that is open for writing is behind a loop device that writes.
    guard isOpen != false else { return found }
    var search = WriterSearch(storage: self)
    let own = disk.deviceNumber
    if let own { search.visit(own) }
    let loops = devices.writableLoops(of: disk.canonicalPath)
    for loop in loops { search.visit(loop) }
    found += search.mounts
    guard search.mounts.isEmpty else { return found }
    if let loop = loops.first {
      found.append(.loopDevice(devices.name(loop)))
    } else if isOpen == true, found.isEmpty {
      found.append(.openFile)
    } else if byClaim, own != nil, !search.isMounted, isClaimed(disk) {
      found.append(.claim)
    }
    return found
  }

  /// Who starts a program while it writes has the file open in that program too, for a moment:
  /// with patience, only what lasts counts.
  private func isOpen(_ disk: SourceDisk, isPatient: Bool) -> Bool? {
    var answer = disk.isOpenForWriting
    for _ in 0..<20 where isPatient && answer == true {
      HostSystem.pause(milliseconds: 25)
      answer = disk.isOpenForWriting
    }
    return answer
  }

  private func isClaimed(_ disk: SourceDisk) -> Bool {
    do throws(IOError) {
      _ = try OpenFile(disk.canonicalPath, .claim, calls: calls)
      return false
    } catch {
      return error.errno == .resourceBusy
    }
  }
}

/// Goes from a device up to what lies on it, and notes what of that is mounted.
private struct WriterSearch {
  let storage: HostStorage
  private(set) var mounts: [DiskWriter] = []
  /// Also read-only.
  private(set) var isMounted = false
  private var seen: Set<DeviceNumber> = []

  init(storage: HostStorage) {
    self.storage = storage
  }

  mutating func visit(_ device: DeviceNumber) {
    guard seen.insert(device).inserted else { return }
    let name = storage.devices.name(device)
    for mount in storage.mounts().mounts
    where mount.device == device || (mount.device.isAnonymous && mount.source == name) {
      isMounted = true
      let writer = DiskWriter.mount(device: name, path: mount.path)
      if mount.isWritable, !mounts.contains(writer) { mounts.append(writer) }
    }
    for upper in storage.devices.above(device) { visit(upper) }
    for loop in storage.devices.writableLoops(of: name) { visit(loop) }
  }
}

/// Who may be writing to a disk.
package enum DiskWriter: Equatable, Sendable {
  /// A program that locks images as QEMU does, and says that it writes.
  case imageLock
  /// The disk, or what lies on it, is mounted read-write.
  case mount(device: String, path: String)
  case loopDevice(String)
  /// Some program has the file open for writing.
  case openFile
  /// The device belongs to a mapped device, an array, or a program that wants it for itself.
  case claim

  /// Goes on from "the disk ".
  package var phrase: String {
    switch self {
    case .imageLock: "is locked for writing, as by a running virtual machine (QEMU)"
    case .mount(let device, let path): "is mounted read-write: \(device) at \(path)"
    case .loopDevice(let name): "is attached to the loop device \(name), which may write to it"
    case .openFile: "is open for writing in another program"
    case .claim: "is claimed by another program or device, which may write to it"
    }
  }
}
