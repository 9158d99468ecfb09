package import SnapStoreFormat
internal import SnapStoreIO

extension ChunkIndex {
  /// Whether the session that stored a pack had written its segments; yes, where nobody can tell.
  /// Outcome and record of an old session are gone, and so is the record of a collection that ended
  /// well; before they go, a collection has covered all packs.
  func hasWrittenSegments(over pack: SerialName) throws -> Bool {
    do {
      if let verdict = try SessionOutcome.recordedVerdict(of: pack.session, session.vault) {
        return verdict == .committed
      }
      // What a collection could not index, for want of room, it has condemned.
      return try !session.condemned.contains(pack) && !session.vault.isThere(.session(pack.session))
    } catch {
      guard damageReason(error) != nil else { throw error }
      return true
    }
  }

  /// Whether nothing would tell that a segment over these packs was there, should it be lost with
  /// one of them: of a run that came to no end, none is missed (`hasWrittenSegments`). Then a pack
  /// of this session has to be among them, which has an end.
  func needsWitness(_ packs: [SerialName]) throws -> Bool {
    guard session.purpose == .write, !packs.contains(where: { $0.session == session.id }) else {
      return false
    }
    return try packs.contains { try !hasWrittenSegments(over: $0) }
  }

  /// A pack that a segment tells of, and that is gone or has another size now.
  package struct LostPack: Sendable {
    package var pack: CoveredPack
    /// Its size now; nil where it is gone.
    package var byteCount: UInt64?
    /// Whether a good copy of each of its records lies elsewhere.
    package var isReplaced = true
  }

  /// How many records the segments tell of.
  package var entryCount: UInt64 { segments.reduce(0) { $0 &+ $1.entryCount } }

  /// What segments tell of a pack that does not tell it itself, in the order of its records, those
  /// that can't be there left out. Reads those segments whole; one that is damaged is passed over.
  package func entries(of pack: SerialName) throws -> [PackDirectoryEntry] {
    let byteCount = listedByteCount(pack) ?? 0
    var found: [UInt64: PackDirectoryEntry] = [:]
    for segment in segments {
      guard let row = segment.packs.firstIndex(where: { $0.name == pack }) else { continue }
      do {
        try segment.forEachEntry { entry, _ in
          guard entry.pack == UInt32(row), entry.record.offset <= byteCount,
            UInt64(entry.record.byteCount) <= byteCount - entry.record.offset
          else { return }
          found[entry.record.offset] = PackDirectoryEntry(
            id: entry.id, kind: entry.kind, record: entry.record)
        }
      } catch {
        guard damageReason(error) != nil else { throw error }
      }
    }
    return found.values.sorted { $0.record.offset < $1.record.offset }
  }

  /// The packs of which something is lost, as far as segments tell of them. Reads those segments
  /// whole; one that is damaged is passed over.
  package func lostPacks() throws -> [LostPack] {
    var lost: [SerialName: LostPack] = [:]
    let later = try laterPacks()
    for segment in segments where segment.packs.contains(where: { !isThere($0) }) {
      do {
        try segment.forEachEntry { entry, isUsable in
          let pack = segment.packs[Int(entry.pack)]
          guard !isUsable, !later.contains(pack), !isDoomed(pack.name),
            lost[pack.name] != nil || !isWhole(pack.name)
          else { return }
          var known = lost[pack.name] ?? LostPack(pack: pack, byteCount: listedByteCount(pack.name))
          if known.isReplaced { known.isReplaced = try !locations(of: entry.id).isEmpty }
          lost[pack.name] = known
        }
      } catch {
        guard damageReason(error) != nil else { throw error }
      }
    }
    return lost.values.sorted { $0.pack.name < $1.pack.name }
  }

  private func isThere(_ pack: CoveredPack) -> Bool {
    isDoomed(pack.name) || listedByteCount(pack.name) == pack.byteCount
  }

  /// Whether some segment knows the pack by the size that it has.
  private func isWhole(_ pack: SerialName) -> Bool {
    guard let byteCount = listedByteCount(pack) else { return false }
    let covered = CoveredPack(name: pack, byteCount: byteCount)
    return segments.contains { $0.packs.contains(covered) }
  }
}
