internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The checks of the disks, and of what this process may do.
extension PreflightRun {
  /// The machine's, where none was named.
  mutating func takeRememberedDisks() {
    guard disks.isEmpty, request.misnamed.isEmpty, let machine = request.machine, let vault else {
      return
    }
    do {
      disks = try Backup.rememberedDisks(of: machine, in: vault)
    } catch {
      fail(.diskSet, "machine \(machine)", error)
    }
  }

  mutating func checkDisks() {
    for bad in request.misnamed {
      add(.diskSet, .fail, "the disks", bad.message, hint: bad.hint)
    }
    guard !disks.isEmpty else { return }
    let before = findings.count
    for check in [Backup.refuseTooMany, Backup.refuseSameNames] {
      do { try check(disks) } catch { fail(.diskSet, "the disks", error) }
    }
    var opened: [Finding] = []
    swap(&opened, &findings)
    for disk in disks { check(disk) }
    swap(&opened, &findings)
    do {
      let path = try existingPath(request.vaultPath, calls: host.calls)
      try checkSources(sources, vaultPath: path, calls: host.calls)
    } catch {
      fail(.diskSet, "the disks", error)
    }
    if findings.count == before, request.misnamed.isEmpty {
      let dataDisks = disks.count { $0.role == .data }
      add(
        .diskSet, .pass, "the disks", "\(disks.count - dataDisks) OS, \(dataDisks) data, all named")
    }
    findings += opened
  }

  private mutating func check(_ request: Backup.DiskRequest) {
    let subject = "disk \(request.name)"
    let disk: SourceDisk
    do {
      disk = try SourceDisk(name: request.name, path: request.path, calls: host.calls)
      sources.append(disk)
      try disk.readEnds()
    } catch {
      fail(.diskReadable, subject, error)
      return
    }
    add(.diskReadable, .pass, subject, "\(disk.path) can be read, \(Self.size(disk.byteCount))")
    checkNetwork(disk, subject)
    checkUse(disk, subject)
    if disk.tellsHoles() {
      let message = disk.mayHaveHoles ? "holes are not read" : "a device is read whole"
      add(.diskHoles, .pass, subject, message)
    } else {
      add(
        .diskHoles, .warn, subject, "its file system does not tell of holes: all of it is read",
        hint: "a file system such as ext4 or XFS makes backups of sparse disks faster")
    }
  }

  private mutating func checkNetwork(_ disk: SourceDisk, _ subject: String) {
    do {
      try Backup.refuseNetwork(disk, storage)
      add(.diskNetwork, .pass, subject, "is on storage of this host")
    } catch {
      fail(.diskNetwork, subject, error)
      guard request.allowsNetworkDisks, error is DiskError else { return }
      findings[findings.count - 1].status = .warn
      findings[findings.count - 1].hint = "backups need --allow-network-disk too"
    }
  }

  private mutating func checkUse(_ disk: SourceDisk, _ subject: String) {
    let writers = storage.writers(of: disk, byClaim: true)
    for writer in writers {
      // A claim says that somebody may write; all others say that somebody does.
      add(
        .diskInUse, writer == .claim ? .warn : .fail, subject, "\(disk.path) \(writer.phrase)",
        hint: writer.hint)
    }
    if writers.isEmpty {
      add(.diskInUse, .pass, subject, "nothing else is known to write to it")
    }
  }

  /// What a run has open: its disks twice (around the page cache too), folders, packs that it reads
  /// and writes, and every index segment.
  mutating func checkOpenFiles() {
    let segments: Int
    do {
      segments = try vault?.store.list(VaultFolder.index).count ?? 0
    } catch {
      fail(.openFiles, "this host", error)
      return
    }
    let least = UInt64(24 + 2 * disks.count + segments)
    let ample = least + 96
    let state = "this process may open \(request.openFileLimit) files; a backup needs"
    let hint = "raise the limit: ulimit -n \(max(1024, ample))"
    if request.openFileLimit < least {
      add(.openFiles, .fail, "this host", "\(state) \(least) and more", hint: hint)
    } else if request.openFileLimit < ample {
      add(.openFiles, .warn, "this host", "\(state) up to \(ample)", hint: hint)
    } else {
      add(.openFiles, .pass, "this host", "\(state) up to \(ample)")
    }
  }
}

extension DiskWriter {
  fileprivate var hint: String {
    switch self {
    case .imageLock: "shut the virtual machine down first"
    case .mount(_, let path): "unmount it first: umount \(path)"
    case .loopDevice(let name): "detach it first: losetup -d \(name)"
    case .openFile: "end that program first; lsof tells which it is"
    case .claim: "see what uses it: lsblk, dmsetup ls --tree"
    }
  }
}
