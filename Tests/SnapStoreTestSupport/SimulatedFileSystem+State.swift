internal import SnapStoreIO
internal import SystemPackage

/// A file or directory of the simulated file system.
struct SimulatedInode: Sendable {
  let isDirectory: Bool
  var content = SimulatedContent()
  var mode: UInt32
  var durableMode: UInt32
  /// Names in a directory, as the program sees them and as they are durable.
  var entries: [String: Int] = [:]
  var durableEntries: [String: Int] = [:]
  var linkCount = 1
  /// For `..`.
  var parent: Int
  /// The descriptor that holds the lock.
  var lockedBy: Int32?
  var openCount = 0
  var changed: Int64 = 0

  init(isDirectory: Bool, mode: UInt32, parent: Int) {
    self.isDirectory = isDirectory
    self.mode = mode
    self.parent = parent
    durableMode = 0
  }

  /// What it takes on the disk: itself, and its pages.
  var blockCount: UInt64 { 1 + content.blockCount }
}

extension SimulatedFileSystem {
  /// Everything but the counting: a value, so that a moment is a copy.
  struct State: Sendable {
    struct Descriptor: Sendable {
      var inode: Int
      var path: String
      /// Reads and writes whole blocks only.
      var isDirect = false
    }

    struct Entry: Equatable, Sendable {
      var directory: Int
      var name: String
      var inode: Int
    }

    /// A change of names that is not, or not wholly, durable. A rename has both parts.
    struct NameChange: Sendable {
      var adds: Entry?
      var removes: Entry?
    }

    static let root = 1

    var inodes: [Int: SimulatedInode]
    var nextInode = 2
    var descriptors: [Int32: Descriptor] = [:]
    var nextDescriptor: Int32 = 3
    var pending: [NameChange] = []
    var blockCount: UInt64
    var usedBlockCount: UInt64 = 1
    let umask: UInt32
    var refusesRenames = false
    /// Whether statfs tells the truth.
    var knowsFreeBlocks = true
    /// Grows with all that a cut or a later call can see.
    var version = 0

    init(blockCount: UInt64, umask: UInt32) {
      self.blockCount = blockCount
      self.umask = umask
      var root = SimulatedInode(isDirectory: true, mode: 0o755, parent: Self.root)
      root.durableMode = root.mode
      inodes = [Self.root: root]
    }

    var freeBlockCount: UInt64 { blockCount - min(blockCount, usedBlockCount) }

    // MARK: Paths

    func inode(_ number: Int) -> SimulatedInode {
      guard let inode = inodes[number] else { preconditionFailure("no inode \(number)") }
      return inode
    }

    func resolve(_ path: String, in directory: Int32) throws(Errno) -> Int {
      var number = try start(path, directory)
      for component in path.split(separator: "/") where component != "." {
        number = try step(String(component), in: number)
      }
      return number
    }

    /// The directory that a path's last name is in, and that name.
    func resolveParent(
      _ path: String, in directory: Int32
    ) throws(Errno) -> (directory: Int, name: String) {
      let components = path.split(separator: "/")
      guard let name = components.last, name != ".", name != ".." else {
        throw .invalidArgument
      }
      let above = components.dropLast().joined(separator: "/")
      let number = try resolve(path.hasPrefix("/") ? "/\(above)" : above, in: directory)
      guard inode(number).isDirectory else { throw .notDirectory }
      return (number, String(name))
    }

    private func start(_ path: String, _ directory: Int32) throws(Errno) -> Int {
      if path.hasPrefix("/") || directory == -100 { return Self.root }
      guard let open = descriptors[directory] else { fatalError("closed: \(directory)") }
      return open.inode
    }

    private func step(_ name: String, in number: Int) throws(Errno) -> Int {
      let inode = inode(number)
      guard inode.isDirectory else { throw .notDirectory }
      if name == ".." { return inode.parent }
      guard let next = inode.entries[name] else { throw .noSuchFileOrDirectory }
      return next
    }

    func find(_ path: String) -> SimulatedInode? {
      do throws(Errno) {
        return inode(try resolve(path, in: -100))
      } catch {
        return nil
      }
    }

    func number(of file: Int32) throws(Errno) -> Int {
      guard let open = descriptors[file] else { fatalError("closed: \(file)") }
      return open.inode
    }

    // MARK: Changes

    mutating func change(_ number: Int, _ body: (inout SimulatedInode) -> Void) {
      var inode = inode(number)
      // Taken out, so that the change is made in place where no moment shares it.
      inodes[number] = nil
      body(&inode)
      version += 1
      inode.changed = Int64(version)
      inodes[number] = inode
    }

    mutating func makeInode(isDirectory: Bool, mode: UInt32, in directory: Int) throws(Errno)
      -> Int
    {
      guard freeBlockCount > 0 else { throw .noSpace }
      usedBlockCount += 1
      let number = nextInode
      nextInode += 1
      inodes[number] = SimulatedInode(
        isDirectory: isDirectory, mode: mode & ~umask, parent: directory)
      return number
    }

    mutating func addName(_ entry: Entry) {
      change(entry.directory) { $0.entries[entry.name] = entry.inode }
    }

    mutating func removeName(_ entry: Entry) {
      change(entry.directory) { $0.entries[entry.name] = nil }
    }

    /// Gives back the blocks of what has no name and nobody has open.
    mutating func release(_ number: Int) {
      let inode = inode(number)
      guard inode.linkCount == 0, inode.openCount == 0 else { return }
      usedBlockCount -= inode.blockCount
    }

    mutating func synchronize(_ number: Int) {
      version += 1
      var inode = inode(number)
      inode.durableMode = inode.mode
      if !inode.isDirectory { inode.content.synchronize() }
      inodes[number] = inode
      if inode.isDirectory { synchronizeNames(of: number) }
    }

    private mutating func synchronizeNames(of directory: Int) {
      var left: [NameChange] = []
      for var change in pending {
        let removes = change.removes?.directory == directory
        // A name is not durably gone before the file's new one is durably there.
        if removes || change.adds?.directory == directory {
          makeDurable(adds: change.adds)
          change.adds = nil
        }
        if removes {
          makeDurable(removes: change.removes)
          change.removes = nil
        }
        if change.adds != nil || change.removes != nil { left.append(change) }
      }
      pending = left
    }

    fileprivate mutating func makeDurable(adds entry: Entry?) {
      guard let entry else { return }
      inodes[entry.directory]?.durableEntries[entry.name] = entry.inode
    }

    fileprivate mutating func makeDurable(removes entry: Entry?) {
      guard let entry, inodes[entry.directory]?.durableEntries[entry.name] == entry.inode else {
        return
      }
      inodes[entry.directory]?.durableEntries[entry.name] = nil
    }

    // MARK: Ends

    func afterKill() -> State {
      var left = self
      left.descriptors = [:]
      for number in inodes.keys {
        left.inodes[number]?.lockedBy = nil
        left.inodes[number]?.openCount = 0
      }
      left.countBlocks()
      return left
    }

    func afterCut(_ survival: Survival) -> State {
      var choice = CutChoice(survival)
      var durable = self
      let chance = choice.chance()
      for change in pending {
        durable.apply(change, &choice, chance)
      }
      var left = State(blockCount: blockCount, umask: umask)
      left.refusesRenames = refusesRenames
      left.nextInode = nextInode
      left.inodes = [:]
      left.keep(Self.root, parent: Self.root, of: durable, &choice)
      left.countBlocks()
      return left
    }

    private mutating func apply(_ change: NameChange, _ choice: inout CutChoice, _ chance: Int) {
      guard let adds = change.adds, let removes = change.removes else {
        if choice.keeps(chance) {
          makeDurable(adds: change.adds)
          makeDurable(removes: change.removes)
        }
        return
      }
      guard choice.keeps(chance) else { return }
      makeDurable(adds: adds)
      let isAtomic = adds.directory == removes.directory || inode(adds.inode).isDirectory
      if isAtomic || choice.keeps(chance) { makeDurable(removes: removes) }
    }

    /// Takes over what is durable, from a directory down.
    private mutating func keep(
      _ number: Int, parent: Int, of durable: State, _ choice: inout CutChoice
    ) {
      if inodes[number] != nil {
        inodes[number]?.linkCount += 1
        return
      }
      let old = durable.inode(number)
      var inode = SimulatedInode(isDirectory: old.isDirectory, mode: 0, parent: parent)
      inode.mode = choice.keeps(choice.chance()) ? old.mode : old.durableMode
      inode.durableMode = inode.mode
      inode.content = old.content.afterCut(&choice)
      inode.entries = old.durableEntries
      inode.durableEntries = old.durableEntries
      inode.changed = old.changed
      inodes[number] = inode
      for name in inode.entries.keys.sorted() {
        keep(inode.entries[name, default: 0], parent: number, of: durable, &choice)
      }
    }

    private mutating func countBlocks() {
      usedBlockCount = inodes.values.reduce(0) { $0 + ($1.linkCount > 0 ? $1.blockCount : 0) }
    }

    func hash(_ number: Int, isDurable: Bool, into hasher: inout Hasher) {
      let inode = inode(number)
      hasher.combine(isDurable ? inode.durableMode : inode.mode)
      inode.content.hash(isDurable: isDurable, into: &hasher)
      for (name, child) in (isDurable ? inode.durableEntries : inode.entries)
        .sorted(by: { $0.key < $1.key })
      {
        hasher.combine(name)
        hash(child, isDurable: isDurable, into: &hasher)
      }
    }

    // MARK: Placing what is durable at once

    mutating func placeDirectory(_ path: String) -> Int {
      var number = Self.root
      for component in path.split(separator: "/").map(String.init) {
        if let next = inode(number).entries[component] {
          number = next
          continue
        }
        number = placeInode(component, in: number, isDirectory: true, mode: 0o755)
      }
      return number
    }

    mutating func place(_ path: String, _ bytes: [UInt8]) {
      let components = path.split(separator: "/").map(String.init)
      let directory = placeDirectory(components.dropLast().joined(separator: "/"))
      let name = components.last ?? ""
      let number =
        inode(directory).entries[name]
        ?? placeInode(name, in: directory, isDirectory: false, mode: 0o600)
      change(number) { $0.content = SimulatedContent(durable: bytes) }
      countBlocks()
    }

    private mutating func placeInode(
      _ name: String, in directory: Int, isDirectory: Bool, mode: UInt32
    ) -> Int {
      let number = nextInode
      nextInode += 1
      var inode = SimulatedInode(isDirectory: isDirectory, mode: mode, parent: directory)
      inode.durableMode = mode
      inodes[number] = inode
      change(directory) { parent in
        parent.entries[name] = number
        parent.durableEntries[name] = number
      }
      usedBlockCount += 1
      return number
    }
  }
}
