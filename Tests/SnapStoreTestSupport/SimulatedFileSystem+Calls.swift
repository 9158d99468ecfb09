package import SnapStoreIO
package import SystemPackage

extension SimulatedFileSystem {
  /// Counts the call, makes it, and keeps the moment after it.
  private func perform<Result>(
    _ call: SystemCall, _ path: String,
    _ body: (inout State) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try inTurn { () throws(Errno) in
      try machine.withLock { (machine) throws(Errno) in
        guard machine.callCount < machine.stopsAfter else { throw .ioError }
        machine.callCount += 1
        machine.calls.append(RecordedCall(call: call, path: path))
        defer { machine.keepMoment() }
        return try body(&machine.state)
      }
    }
  }

  private func perform<Result>(
    _ call: SystemCall, _ file: Int32,
    _ body: (inout State, Int) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let path = machine.withLock { $0.state.descriptors[file]?.path } ?? "descriptor \(file)"
    return try perform(call, path) { (state) throws(Errno) in
      try body(&state, try state.number(of: file))
    }
  }

  package func open(
    _ path: String, in directory: Int32, _ access: FileAccess
  ) throws(Errno) -> Int32 {
    try perform(.open, path) { (state) throws(Errno) in
      let number: Int
      if access == .create {
        let (parent, name) = try state.resolveParent(path, in: directory)
        guard state.inode(parent).entries[name] == nil else { throw .fileExists }
        number = try state.makeInode(isDirectory: false, mode: 0o600, in: parent)
        let entry = State.Entry(directory: parent, name: name, inode: number)
        state.addName(entry)
        state.pending.append(State.NameChange(adds: entry))
      } else {
        number = try state.resolve(path, in: directory)
      }
      if case .directory = access, !state.inode(number).isDirectory { throw .notDirectory }
      let file = state.nextDescriptor
      state.nextDescriptor += 1
      state.inodes[number]?.openCount += 1
      state.descriptors[file] = State.Descriptor(inode: number, path: path)
      return file
    }
  }

  package func openDirect(_ file: Int32, _ direction: DirectAccess) throws(Errno) -> Int32 {
    try perform(.openDirect, file) { (state, number) throws(Errno) in
      let path = state.descriptors[file]?.path ?? ""
      let direct = state.nextDescriptor
      state.nextDescriptor += 1
      state.inodes[number]?.openCount += 1
      state.descriptors[direct] = State.Descriptor(inode: number, path: path, isDirect: true)
      return direct
    }
  }

  package func close(_ file: Int32) throws(Errno) {
    try perform(.close, file) { (state, number) throws(Errno) in
      state.descriptors[file] = nil
      state.inodes[number]?.openCount -= 1
      if state.inode(number).lockedBy == file { state.inodes[number]?.lockedBy = nil }
      state.release(number)
    }
  }

  package func read(
    _ file: Int32, into target: inout MutableRawSpan, at offset: UInt64
  ) throws(Errno) -> Int {
    try perform(.read, file) { (state, number) throws(Errno) in
      try state.checkAlignment(file, target.bytes, at: offset)
      guard !state.inode(number).isDirectory else { throw .isDirectory }
      return state.inode(number).content.read(into: &target, at: offset)
    }
  }

  /// Nothing is cached, so that the way around the cache is the one that tests take.
  package func cachedByteCount(
    _ file: Int32, _ range: Range<UInt64>
  ) throws(Errno) -> Int {
    try perform(.cachedByteCount, file) { (_, _) in 0 }
  }

  package func dropCache(_ file: Int32) throws(Errno) {
    try perform(.dropCache, file) { (_, _) throws(Errno) in }
  }

  package func write(_ file: Int32, _ bytes: RawSpan, at offset: UInt64) throws(Errno) -> Int {
    try perform(.write, file) { (state, number) throws(Errno) in
      try state.checkAlignment(file, bytes, at: offset)
      let content = state.inode(number).content
      let count = content.writableByteCount(
        bytes.byteCount, at: offset, freeBlocks: state.freeBlockCount)
      guard count > 0 || bytes.byteCount == 0 else { throw .noSpace }
      let before = content.blockCount
      state.change(number) { $0.content.write(bytes.extracting(0..<count), at: offset) }
      state.usedBlockCount += state.inode(number).content.blockCount - before
      return count
    }
  }

  package func synchronize(_ file: Int32) throws(Errno) {
    let isIgnored = machine.withLock { machine in
      machine.ignored?(machine.state.descriptors[file]?.path ?? "") ?? false
    }
    try perform(.synchronize, file) { (state, number) throws(Errno) in
      if !isIgnored { state.synchronize(number) }
    }
  }

  package func startWriteback(_ file: Int32, _ range: Range<UInt64>) throws(Errno) {
    try perform(.startWriteback, file) { (_, _) throws(Errno) in }
  }

  package func setSize(_ file: Int32, _ byteCount: UInt64) throws(Errno) {
    try perform(.setSize, file) { (state, number) throws(Errno) in
      let before = state.inode(number).content.blockCount
      state.change(number) { $0.content.setSize(byteCount) }
      state.usedBlockCount -= before - state.inode(number).content.blockCount
    }
  }

  package func setMode(_ file: Int32, _ mode: UInt32) throws(Errno) {
    try perform(.setMode, file) { (state, number) throws(Errno) in
      state.change(number) { $0.mode = mode }
    }
  }

  package func status(_ file: Int32) throws(Errno) -> FileStatus {
    try perform(.status, file) { (state, number) throws(Errno) in state.status(number) }
  }

  package func status(of path: String, in directory: Int32) throws(Errno) -> FileStatus {
    try perform(.status, path) { (state) throws(Errno) in
      state.status(try state.resolve(path, in: directory))
    }
  }

  package func fileSystem(_ file: Int32) throws(Errno) -> FileSystemStatus {
    try perform(.fileSystem, file) { (state, _) throws(Errno) in
      let blocks = state.knowsFreeBlocks ? state.freeBlockCount : 1 << 30
      return FileSystemStatus(
        type: 0xEF53, availableByteCount: blocks * UInt64(SimulatedContent.pageByteCount))
    }
  }

  package func seek(_ file: Int32, _ target: SeekTarget) throws(Errno) -> UInt64 {
    try perform(.seek, file) { (state, number) throws(Errno) in
      let content = state.inode(number).content
      switch target {
      case .end: return content.byteCount
      case .data(let offset):
        guard let data = content.nextData(from: offset) else { throw .noSuchAddressOrDevice }
        return data
      case .hole(let offset):
        guard offset < content.byteCount else { throw .noSuchAddressOrDevice }
        return content.nextHole(from: offset)
      }
    }
  }

  /// A shared lock is not remembered: who takes one here only asks.
  package func tryLock(_ file: Int32, isShared: Bool) throws(Errno) -> Bool {
    try perform(.tryLock, file) { (state, number) throws(Errno) in
      if let holder = state.inode(number).lockedBy { return holder == file }
      if !isShared { state.inodes[number]?.lockedBy = file }
      return true
    }
  }

  /// Nobody locks bytes here, and no reader meets a writer of its disk.
  package func isLocked(_ file: Int32, byte: UInt64) throws(Errno) -> Bool {
    try perform(.isLocked, file) { (_, _) throws(Errno) in false }
  }

  package func isOpenForWriting(_ file: Int32) throws(Errno) -> Bool {
    try perform(.isOpenForWriting, file) { (_, _) throws(Errno) in false }
  }

  package func makeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try perform(.makeDirectory, path) { (state) throws(Errno) in
      let (parent, name) = try state.resolveParent(path, in: directory)
      guard state.inode(parent).entries[name] == nil else { throw .fileExists }
      let number = try state.makeInode(isDirectory: true, mode: 0o700, in: parent)
      let entry = State.Entry(directory: parent, name: name, inode: number)
      state.addName(entry)
      state.pending.append(State.NameChange(adds: entry))
    }
  }

  package func removeFile(_ path: String, in directory: Int32) throws(Errno) {
    try remove(.removeFile, path, directory) { (inode) throws(Errno) in
      if inode.isDirectory { throw .isDirectory }
    }
  }

  package func removeDirectory(_ path: String, in directory: Int32) throws(Errno) {
    try remove(.removeDirectory, path, directory) { (inode) throws(Errno) in
      guard inode.isDirectory else { throw .notDirectory }
      guard inode.entries.isEmpty else { throw .directoryNotEmpty }
    }
  }

  private func remove(
    _ call: SystemCall, _ path: String, _ directory: Int32,
    _ check: (SimulatedInode) throws(Errno) -> Void
  ) throws(Errno) {
    try perform(call, path) { (state) throws(Errno) in
      let (parent, name) = try state.resolveParent(path, in: directory)
      guard let number = state.inode(parent).entries[name] else { throw .noSuchFileOrDirectory }
      try check(state.inode(number))
      let entry = State.Entry(directory: parent, name: name, inode: number)
      state.removeName(entry)
      state.pending.append(State.NameChange(removes: entry))
      state.change(number) { $0.linkCount -= 1 }
      state.release(number)
    }
  }

  package func renameWithoutReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try perform(.rename, newPath) { (state) throws(Errno) in
      if state.refusesRenames { throw .invalidArgument }
      let (old, new) = try state.entries(path, directory, newPath, newDirectory)
      state.removeName(old)
      state.addName(new)
      state.pending.append(State.NameChange(adds: new, removes: old))
      state.change(new.inode) { $0.parent = new.directory }
    }
  }

  /// Files only, in one directory, as a program replaces its own.
  package func renameReplacing(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try perform(.replace, newPath) { (state) throws(Errno) in
      let (parent, name) = try state.resolveParent(newPath, in: newDirectory)
      let replaced = state.inode(parent).entries[name]
      if let replaced {
        if state.inode(replaced).isDirectory { throw .isDirectory }
        state.removeName(State.Entry(directory: parent, name: name, inode: replaced))
      }
      let (old, new) = try state.entries(path, directory, newPath, newDirectory)
      state.removeName(old)
      state.addName(new)
      state.pending.append(State.NameChange(adds: new, removes: old))
      guard let replaced else { return }
      state.change(replaced) { $0.linkCount -= 1 }
      state.release(replaced)
    }
  }

  package func link(
    _ path: String, in directory: Int32, to newPath: String, in newDirectory: Int32
  ) throws(Errno) {
    try perform(.link, newPath) { (state) throws(Errno) in
      let (old, new) = try state.entries(path, directory, newPath, newDirectory)
      if state.inode(old.inode).isDirectory { throw .notPermitted }
      state.addName(new)
      state.pending.append(State.NameChange(adds: new))
      state.change(new.inode) { $0.linkCount += 1 }
    }
  }

  package func names(in directory: Int32) throws(Errno) -> [String] {
    try perform(.names, directory) { (state, number) throws(Errno) in
      guard state.inode(number).isDirectory else { throw .notDirectory }
      return state.inode(number).entries.keys.sorted()
    }
  }

  package func canonicalPath(_ path: String) throws(Errno) -> String {
    try perform(.canonicalPath, path) { (state) throws(Errno) in
      _ = try state.resolve(path, in: -100)
      var components: [Substring] = []
      for component in path.split(separator: "/") where component != "." {
        if component == ".." { _ = components.popLast() } else { components.append(component) }
      }
      return "/" + components.joined(separator: "/")
    }
  }
}

extension SimulatedFileSystem.State {
  /// Refuses a direct call that is not of whole blocks, as real file systems do.
  fileprivate func checkAlignment(
    _ file: Int32, _ bytes: RawSpan, at offset: UInt64
  ) throws(Errno) {
    guard descriptors[file]?.isDirect == true else { return }
    let block = SimulatedContent.pageByteCount
    let address = unsafe bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    guard offset % UInt64(block) == 0, bytes.byteCount % block == 0, address % UInt(block) == 0
    else { throw .invalidArgument }
  }

  /// The entry that a path names, and the one that it is to get, which must be free.
  fileprivate func entries(
    _ path: String, _ directory: Int32, _ newPath: String, _ newDirectory: Int32
  ) throws(Errno) -> (old: Entry, new: Entry) {
    let (parent, name) = try resolveParent(path, in: directory)
    guard let number = inode(parent).entries[name] else { throw .noSuchFileOrDirectory }
    let (newParent, newName) = try resolveParent(newPath, in: newDirectory)
    guard inode(newParent).entries[newName] == nil else { throw .fileExists }
    return (
      Entry(directory: parent, name: name, inode: number),
      Entry(directory: newParent, name: newName, inode: number)
    )
  }

  fileprivate func status(_ number: Int) -> FileStatus {
    let inode = inode(number)
    let time = FileTime(seconds: inode.changed)
    return FileStatus(
      kind: inode.isDirectory ? .directory : .regular, device: 1, inode: UInt64(number),
      byteCount: inode.content.byteCount,
      allocatedByteCount: inode.blockCount * UInt64(SimulatedContent.pageByteCount),
      linkCount: UInt64(inode.linkCount), mode: inode.mode, modified: time, changed: time)
  }
}
