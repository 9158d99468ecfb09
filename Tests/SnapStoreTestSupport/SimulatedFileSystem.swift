internal import SnapStoreIO
internal import SystemPackage

/// A file system in memory, behind the seam of all system calls, that knows what a cut leaves.
///
/// It keeps two states: what the running program sees, and what is durable. The model is the
/// strictest that POSIX allows and that file systems with a journal come near to; it follows
/// Pillai et al., "All File Systems Are Not Created Equal" (ALICE, OSDI 2014), and fsync(2):
///
/// - A file's bytes, size and mode are durable once its fsync returned, and not before: not by a
///   later fsync of another file, not by `sync_file_range`, not by closing.
/// - A name (made, removed, renamed) is durable once the fsync of its directory returned. fsync of
///   a file does not make its name durable, nor fsync of a directory its own name in its parent.
/// - What is not durable may be there after a cut or not, each piece by itself and in any order:
///   data by sectors of 512 bytes (a torn write; a sector that was never durable is zeros), size
///   (the old one, the new one, or one between), mode, and each change of a name.
/// - A sector is written whole or not at all. A rename is atomic: the file has its old name or its
///   new one, never none. Between two directories it may have both, until both are synchronized.
/// - A failed fsync has dropped what it could not write: a later one that succeeds does not bring
///   it back (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). Names are
///   not dropped: a journal that can't be written ends the file system.
/// - Locks and descriptors go with the machine.
///
/// All calls are serialized and counted. While it records, every moment at which a cut would find
/// something new is kept, so one run gives all of its cuts.
package final class SimulatedFileSystem: SystemCalls {
  /// What a cut leaves of what was not durable.
  package enum Survival: Equatable, Sendable {
    case nothing
    case everything
    /// Pieces, chosen by this seed.
    case some(seed: UInt64)
  }

  /// The state between two system calls.
  package struct Moment: Sendable {
    /// How many calls were made before it.
    package var callCount: Int
    package var lastCall: RecordedCall?
    /// How often `mark` was called before it.
    package var milestone: Int
    fileprivate var state: State

    /// The machine loses its power, and starts again.
    package func afterCut(_ survival: Survival) -> SimulatedFileSystem {
      SimulatedFileSystem(state.afterCut(survival))
    }

    /// The process ends, and the machine goes on: nothing is lost, and nothing becomes durable.
    package func afterKill() -> SimulatedFileSystem { SimulatedFileSystem(state.afterKill()) }
  }

  struct Machine: Sendable {
    var state: State
    var callCount = 0
    var calls: [RecordedCall] = []
    var milestone = 0
    var moments: [Moment]?
    var stopsAfter = Int.max
    /// fsync of these paths says that it is done, and does nothing.
    var ignored: (@Sendable (String) -> Bool)?
  }

  let machine: Lock<Machine>
  /// As which process calls are made, where several take turns.
  private let process: (number: Int, turns: Turns)?

  private init(_ state: State) {
    machine = Lock(Machine(state: state))
    process = nil
  }

  private init(_ machine: Lock<Machine>, process: (number: Int, turns: Turns)) {
    self.machine = machine
    self.process = process
  }

  /// An empty file system, with room for `byteCount` bytes in blocks of 4 KiB; a file or directory
  /// takes one block by itself. New files get the modes that `umask` leaves.
  package convenience init(byteCount: UInt64 = 1 << 40, umask: UInt32 = 0o277) {
    self.init(State(blockCount: byteCount / UInt64(SimulatedContent.pageByteCount), umask: umask))
  }

  /// The same machine, as a process has it that makes its calls in turn with others.
  package func asProcess(_ number: Int, of turns: Turns) -> SimulatedFileSystem {
    SimulatedFileSystem(machine, process: (number, turns))
  }

  func inTurn<Result>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result {
    guard let process else { return try body() }
    return try process.turns.take(process.number, body)
  }

  // MARK: Time and calls

  package var callCount: Int { machine.withLock { $0.callCount } }
  package var calls: [RecordedCall] { machine.withLock { $0.calls } }
  package var openDescriptors: [String] {
    machine.withLock { $0.state.descriptors.values.map(\.path).sorted() }
  }

  /// From now on keeps every moment that a cut could tell from the one before.
  package func startRecording() {
    machine.withLock { machine in
      machine.moments = []
      machine.keepMoment()
    }
  }

  /// Says that something was reported to the person just now: the moments from here on know it.
  package func mark() {
    machine.withLock { machine in
      machine.milestone += 1
      machine.keepMoment()
    }
  }

  package var moments: [Moment] { machine.withLock { $0.moments ?? [] } }
  package var now: Moment { machine.withLock { $0.moment() } }

  /// After so many calls the machine stops: every later call throws `EIO` and does nothing.
  package func stop(afterCalls count: Int) {
    machine.withLock { $0.stopsAfter = count }
  }

  /// Makes fsync lie for the paths that `isIgnored` chooses (as they were opened): what a test of
  /// the tests needs.
  package func ignoreSynchronize(_ isIgnored: @escaping @Sendable (String) -> Bool) {
    machine.withLock { $0.ignored = isIgnored }
  }

  /// Renames without replacing are refused with `EINVAL` from now on, as some file systems do.
  package func refuseRenames() {
    machine.withLock { $0.state.refusesRenames = true }
  }

  /// The same state on its own: what happens to one does not happen to the other.
  package func copy() -> SimulatedFileSystem {
    SimulatedFileSystem(machine.withLock { $0.state })
  }

  // MARK: Looking at it, without system calls

  package func contents(_ path: String) -> [UInt8]? {
    machine.withLock { machine in
      guard let inode = machine.state.find(path), !inode.isDirectory else { return nil }
      return inode.content.allBytes
    }
  }

  /// Whether a file holds just these bytes; nil where there is none.
  package func file(_ path: String, holds bytes: [UInt8]) -> Bool? {
    machine.withLock { machine in
      guard let inode = machine.state.find(path), !inode.isDirectory else { return nil }
      return inode.content.holds(bytes)
    }
  }

  package func mode(_ path: String) -> UInt32? {
    machine.withLock { $0.state.find(path)?.mode }
  }

  /// The names in a directory, sorted; nil where there is none.
  package func names(_ path: String) -> [String]? {
    machine.withLock { machine in
      guard let inode = machine.state.find(path), inode.isDirectory else { return nil }
      return inode.entries.keys.sorted()
    }
  }

  /// Stands for all that a program can see, and all that is durable: equal for equal states.
  package var digest: Int {
    machine.withLock { machine in
      var hasher = Hasher()
      machine.state.hash(SimulatedFileSystem.State.root, isDurable: false, into: &hasher)
      machine.state.hash(SimulatedFileSystem.State.root, isDurable: true, into: &hasher)
      return hasher.finalize()
    }
  }

  /// Puts a file there that is durable at once, sparse where blocks are zero, over what was there.
  package func setContents(_ path: String, _ bytes: [UInt8]) {
    machine.withLock { $0.state.place(path, bytes) }
  }

  /// Makes a directory that is durable at once, with those above it.
  package func setDirectory(_ path: String) {
    machine.withLock { _ = $0.state.placeDirectory(path) }
  }

  /// Blocks of 4 KiB that files and directories take now.
  package var usedBlockCount: UInt64 { machine.withLock { $0.state.usedBlockCount } }

  /// So much can be written from now on, on top of what is there. `isKnown` false: statfs says that
  /// there is more, as where another process fills the file system meanwhile.
  package func setFreeBlockCount(_ count: UInt64, isKnown: Bool = true) {
    machine.withLock { machine in
      machine.state.blockCount = machine.state.usedBlockCount + count
      machine.state.knowsFreeBlocks = isKnown
    }
  }

  /// What a failed fsync of the file leaves: nothing of what it had to write will be written.
  func loseUnsynchronized(_ file: Int32) {
    machine.withLock { machine in
      guard let number = machine.state.descriptors[file]?.inode else { return }
      machine.state.inodes[number]?.content.loseUnsynchronized()
    }
  }
}

extension SimulatedFileSystem.Machine {
  func moment() -> SimulatedFileSystem.Moment {
    .init(callCount: callCount, lastCall: calls.last, milestone: milestone, state: state)
  }

  mutating func keepMoment() {
    guard let kept = moments else { return }
    if let last = kept.last, last.state.version == state.version, last.milestone == milestone {
      return
    }
    let moment = moment()
    moments?.append(moment)
  }
}
