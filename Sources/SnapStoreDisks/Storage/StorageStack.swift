internal import SnapStoreIO

/// What a file or a device lies on, down to the last device that the kernel tells of: file systems,
/// partitions, mapped devices, loop devices and the files behind them.
package struct StorageStack: Sendable {
  /// Each file and device that was met, the first one too.
  package private(set) var layers: Set<SourceDisk.Identity> = []
  /// The kind of the first network file system that was met.
  package private(set) var network: String?

  private let storage: HostStorage
  private static let maximumLayers = 256

  init(_ storage: HostStorage) {
    self.storage = storage
  }

  /// Whether the disk's own bytes are part of it.
  package func contains(_ disk: SourceDisk) -> Bool { layers.contains(disk.identity) }

  /// An open file and its canonical path.
  mutating func add(_ file: OpenFile, at path: String) throws(IOError) {
    let status = try file.status()
    if status.kind == .blockDevice {
      add(DeviceNumber(status.representedDevice), number: status.representedDevice)
    } else {
      let own = SourceDisk.Identity(isDevice: false, device: status.device, inode: status.inode)
      guard insert(own) else { return }
      try add(fileSystem: try file.fileSystem(), of: status, at: path)
    }
  }

  mutating func add(_ directory: Directory, at path: String) throws(IOError) {
    let status = try directory.status()
    let own = SourceDisk.Identity(isDevice: false, device: status.device, inode: status.inode)
    guard insert(own) else { return }
    try add(fileSystem: try directory.fileSystem(), of: status, at: path)
  }

  private mutating func insert(_ layer: SourceDisk.Identity) -> Bool {
    layers.count < Self.maximumLayers && layers.insert(layer).inserted
  }

  private mutating func add(
    fileSystem: FileSystemStatus, of status: FileStatus, at path: String
  ) throws(IOError) {
    if let name = FileSystemStatus.networkNames[fileSystem.type] {
      let mount = storage.mounts().mount(at: path)
      let isFUSE = fileSystem.type == FileSystemStatus.fuseType
      if !isFUSE || !Self.localFUSE.contains(mount?.type ?? "") {
        network = network ?? (isFUSE ? mount?.type ?? name : name)
      }
    }
    let device = DeviceNumber(status.device)
    guard device.isAnonymous else {
      add(device, number: status.device)
      return
    }
    guard let mount = storage.mounts().mount(at: path) else { return }
    if mount.type == "overlay" {
      let folders = ["upperdir", "lowerdir"].compactMap { mount.value($0) }
      for folder in folders.flatMap({ $0.split(separator: ":") }) { addPath(String(folder)) }
    } else if mount.source.hasPrefix("/") {
      addPath(mount.source)
    }
  }

  /// File systems in user space that are on a device of this host.
  private static let localFUSE: Set<String> = ["fuseblk", "fuse.ntfs-3g", "fuse.exfat"]

  private mutating func add(_ device: DeviceNumber, number: UInt64) {
    guard insert(SourceDisk.Identity(isDevice: true, device: number, inode: 0)) else { return }
    for lower in storage.devices.below(device) { add(lower, number: lower.number) }
    if let path = storage.devices.backingPath(device) { addPath(path) }
  }

  /// What the kernel names by its path may not be there under that name, or not for this process:
  /// then no more is known.
  private mutating func addPath(_ path: String) {
    do throws(IOError) {
      let canonical = try canonicalPath(path, calls: storage.calls)
      do throws(IOError) {
        try add(
          try OpenFile(canonical, .read(followLinks: true), calls: storage.calls), at: canonical)
      } catch {
        try add(
          try Directory(canonical, followLinks: true, calls: storage.calls), at: canonical)
      }
    } catch {
      return  // as said above
    }
  }
}
