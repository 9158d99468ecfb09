internal import SnapStoreFormat
internal import SnapStoreIO

/// The directories of packs in which chunks were found lately. An extent's chunks lie in one pack,
/// one behind the other, and are asked for together, while their index entries lie anywhere: so
/// what was found several times in one pack is looked for in its directory next, which needs no
/// page of the index.
///
/// Bounded: the directory that was not used for longest goes first. Whether a pack's records may be
/// used is for the caller to know: only packs that he names are in here.
final class PackDirectories: Sendable {
  fileprivate final class Directory: Sendable {
    let pack: SerialName
    let table: PackDirectoryTable

    init(_ pack: SerialName, _ table: PackDirectoryTable) {
      self.pack = pack
      self.table = table
    }
  }

  private struct State {
    var list = Replaced<[Directory]>([])
    /// The one that was used last comes first.
    var directories: [Directory] {
      get { list.value }
      set { list = Replaced(newValue) }
    }
    var byteCount = 0
    /// Those that are damaged, or too large.
    var refused: Set<SerialName> = []
  }

  /// Reading a directory costs about as much as so many pages, where a pack has some thousand
  /// records.
  private static let findsBeforeReading = 16
  /// Each costs a little for every ID that none of them has.
  private static let maximumCount = 32

  private let packs: PackReaders
  private let vault: VaultID
  private let capacity: Int
  private let state = Lock(State())
  /// Held by the lane that reads a directory, so that no other reads it too.
  private let reading = Lock(())

  /// `byteCount`: of memory, for all of them.
  init(packs: PackReaders, vault: VaultID, byteCount: Int) {
    self.packs = packs
    self.vault = vault
    capacity = byteCount
  }

  /// Looks for IDs that are asked for together, as those of an extent are. One lane's.
  struct Search {
    fileprivate var directories: [Directory]
    private let owner: PackDirectories
    private var finds: [SerialName: Int] = [:]

    fileprivate init(_ owner: PackDirectories) {
      self.owner = owner
      directories = owner.state.withLock { $0.directories }
    }

    /// Where a record lies, if the directory that was used last names it.
    func locationInFirst(of id: ChunkID) -> ChunkLocation? {
      guard let directory = directories.first else { return nil }
      return directory.table.record(of: id).map {
        ChunkLocation(pack: directory.pack, record: $0)
      }
    }

    /// Where a record lies, if one of the other directories names it, which is the first then.
    mutating func locationInOthers(of id: ChunkID) -> ChunkLocation? {
      for directory in directories.dropFirst() {
        guard let record = directory.table.record(of: id) else { continue }
        owner.use(directory, &directories)
        return ChunkLocation(pack: directory.pack, record: record)
      }
      return nil
    }

    /// Takes note that a record was found in a pack by other means. Throws only where the machine
    /// is short of something.
    mutating func note(_ pack: SerialName) throws {
      let count = finds[pack, default: 0] + 1
      finds[pack] = count
      guard count == PackDirectories.findsBeforeReading else { return }
      try owner.read(pack)
      directories = owner.state.withLock { $0.directories }
    }
  }

  func search() -> Search { Search(self) }

  /// Puts a directory before the others.
  private func use(_ directory: Directory, _ directories: inout [Directory]) {
    directories = state.withLock { state in
      if let place = state.directories.firstIndex(where: { $0 === directory }) {
        state.directories.remove(at: place)
        state.directories.insert(directory, at: 0)
      }
      return state.directories
    }
  }

  private func read(_ pack: SerialName) throws {
    try reading.withLock { _ in
      let isKnown = state.withLock { state in
        state.refused.contains(pack) || state.directories.contains { $0.pack == pack }
      }
      guard !isKnown else { return }
      let table: PackDirectoryTable?
      do {
        table = try packs.table(pack, vault: vault, limit: capacity)
      } catch {
        // The index has told the same, page by page; who verifies the vault tells of the damage.
        guard damageReason(error) != nil else { throw error }
        table = nil
      }
      state.withLock { state in
        guard let table else {
          state.refused.insert(pack)
          return
        }
        state.directories.insert(Directory(pack, table), at: 0)
        state.byteCount += table.byteCount
        while state.byteCount > capacity || state.directories.count > Self.maximumCount {
          state.byteCount -= state.directories.removeLast().table.byteCount
        }
      }
    }
  }
}
