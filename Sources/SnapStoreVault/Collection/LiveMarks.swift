package import SnapStoreFormat
internal import SnapStoreIO

/// Which records of a vault are needed, as a collection finds out: a bit for each entry of each
/// index segment, so 2 MiB for 16 million chunks. Of an ID with several copies one is marked: a
/// good one, and in a pack that is not condemned if there is one.
///
/// Filled by any number of lanes, then asked.
package final class LiveMarks: Sendable {
  package enum Mark {
    /// The vault has no good copy.
    case missing
    /// It was marked before.
    case known
    case new
    /// Whether the copy there is good has to be known first.
    case open(ChunkLocation)
  }

  /// What of a pack is marked.
  package struct Life: Sendable {
    package var recordCount: UInt64 = 0
    /// Bytes of records, their heads and their entries in the directory.
    package var byteCount: UInt64 = 0

    mutating func add(_ record: RecordPlace) {
      recordCount += 1
      byteCount += Self.byteCount(of: record)
    }

    /// The bytes that a record takes of its pack.
    package static func byteCount(of record: RecordPlace) -> UInt64 {
      UInt64(record.byteCount + PackDirectoryEntry.byteCount)
    }
  }

  fileprivate struct State {
    /// By segment, 64 entries a word.
    var bits: [[UInt64]]
    /// What no segment tells of, by ID.
    var others: Set<ChunkID> = []
    var lives: [SerialName: Life] = [:]
  }

  private let index: ChunkIndex
  private let segments: [IndexSegment]
  private let state: Lock<State>

  /// Over what the index knows now; what is added to it later does not count.
  package init(index: ChunkIndex) {
    self.index = index
    segments = index.segments
    state = Lock(
      State(bits: segments.map { [UInt64](repeating: 0, count: Int(($0.entryCount + 63) / 64)) }))
  }

  /// A copy: an entry of a segment, or one that no segment tells of.
  private struct Choice {
    var location: ChunkLocation
    var place: (segment: Int, entry: UInt64)?
    /// Found damaged before. It may be a medium that reads again.
    var isDoubtful = false
  }

  /// Marks the copy that counts. `isGood` is asked where there are several, or it was found damaged
  /// before: whoever chooses one and lets the others go must have seen that it is whole. Where it
  /// answers nil, nothing is marked yet.
  package func mark(_ id: ChunkID, isGood: (ChunkLocation) throws -> Bool?) throws -> Mark {
    let choices = try choices(of: id)
    for choice in choices where state.withLock({ $0.isMarked(id, choice.place) }) { return .known }
    for choice in choices {
      if choices.count > 1 || choice.isDoubtful {
        guard let isGood = try isGood(choice.location) else { return .open(choice.location) }
        if !isGood { continue }
      }
      return state.withLock { $0.mark(id, choice.place, choice.location) } ? .new : .known
    }
    return .missing
  }

  /// Whether this very record is marked.
  package func isMarked(_ entry: PackDirectoryEntry, in pack: SerialName) throws -> Bool {
    let location = ChunkLocation(pack: pack, record: entry.record)
    return try choices(of: entry.id).contains { choice in
      choice.location == location && state.withLock { $0.isMarked(entry.id, choice.place) }
    }
  }

  package var lives: [SerialName: Life] { state.withLock { $0.lives } }

  /// All copies: good ones, then those in condemned packs, then those that were found damaged.
  private func choices(of id: ChunkID) throws -> [Choice] {
    var found: [Choice] = []
    var condemned: [Choice] = []
    var doubtful: [Choice] = []
    for (number, segment) in segments.enumerated() {
      for copy in try segment.copies(of: id) where copy.isUsable {
        var choice = Choice(location: copy.location, place: (number, copy.entry))
        if !index.isGood(copy) {
          choice.isDoubtful = true
          doubtful.append(choice)
        } else if copy.isCondemned {
          condemned.append(choice)
        } else {
          found.append(choice)
        }
      }
    }
    if let other = index.unsegmented(id) { found.append(Choice(location: other, place: nil)) }
    if !condemned.isEmpty { found += condemned }
    if !doubtful.isEmpty { found += doubtful }
    guard found.count > 1 else { return found }
    // A pack that two segments cover has one copy of it, and not two.
    var seen: Set<ChunkLocation> = []
    return found.filter { seen.insert($0.location).inserted }
  }
}

extension LiveMarks.State {
  fileprivate func isMarked(_ id: ChunkID, _ place: (segment: Int, entry: UInt64)?) -> Bool {
    guard let place else { return others.contains(id) }
    return bits[place.segment][Int(place.entry / 64)] >> (place.entry % 64) & 1 == 1
  }

  /// False where it was marked already.
  fileprivate mutating func mark(
    _ id: ChunkID, _ place: (segment: Int, entry: UInt64)?, _ location: ChunkLocation
  ) -> Bool {
    guard !isMarked(id, place) else { return false }
    if let place {
      bits[place.segment][Int(place.entry / 64)] |= 1 << (place.entry % 64)
    } else {
      others.insert(id)
    }
    lives[location.pack, default: LiveMarks.Life()].add(location.record)
    return true
  }
}
