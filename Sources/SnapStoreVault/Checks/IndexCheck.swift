internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// Checks the index segments of a vault against the directories of its packs, as a verification
/// does. A segment must tell of exactly the records that the packs it covers have.
package struct IndexCheck {
  /// The records of a pack, in any order, as one number: a sum of hashes.
  private struct Digest: Equatable {
    var sum: UInt64 = 0
    var count: UInt64 = 0

    mutating func add(_ id: ChunkID, _ kind: PackRecord.Kind, _ record: RecordPlace) {
      let words: InlineArray<7, UInt64> = [
        id.words.0, id.words.1, id.words.2, id.words.3, record.offset,
        UInt64(record.rawLength) << 32 | UInt64(record.storedLength),
        UInt64(kind.rawValue) << 8 | UInt64(record.codec.rawValue),
      ]
      sum &+= Checksum.of(unsafe words.span.bytes)
      count += 1
    }
  }

  private let session: Session
  private let index: ChunkIndex
  private let report: DamageReport
  private let replacesDamaged: Bool
  private let interruption: Interruption
  private var digests: [SerialName: Digest] = [:]

  /// With `replacesDamaged`, a segment that is damaged or can't be read is nothing to report: the
  /// index goes on without it, and `ChunkIndex.writeSegment` puts another in the place of one whose
  /// bytes are wrong.
  package init(
    session: Session, index: ChunkIndex, report: DamageReport, replacesDamaged: Bool = false,
    interruption: Interruption
  ) {
    self.session = session
    self.index = index
    self.report = report
    self.replacesDamaged = replacesDamaged
    self.interruption = interruption
  }

  /// Takes note of what a pack's own directory says.
  package mutating func add(_ pack: SerialName, _ directory: [PackDirectoryEntry]) {
    var digest = Digest()
    for entry in directory { digest.add(entry.id, entry.kind, entry.record) }
    digests[pack] = digest
  }

  /// Reads every segment, once all packs were added; one that is damaged costs no point anything.
  package func run() throws {
    let cache = PageCache(byteCount: 1 << 20)
    do {
      for (number, object) in try session.vault.store.list(VaultFolder.index).enumerated() {
        guard let name = SerialName(object.name.key) else { continue }
        try check(name, number: UInt32(number), cache)
      }
    } catch {
      // Where the folder can't be listed, the index does without segments.
      guard replacesDamaged, damageReason(error) != nil else { throw error }
    }
  }

  private func check(_ name: SerialName, number: UInt32, _ cache: PageCache) throws {
    let object = ObjectName.indexSegment(name)
    do {
      guard let reader = try session.vault.store.open(object) else { return }
      var budget = IndexSegment.Budget(filterByteCount: 0, packsThere: session.packs.count)
      let segment = try IndexSegment(
        name, reader: reader, listing: session.packs, cache: cache, number: number,
        budget: &budget)
      if let pack = try packToldWrong(segment) {
        report.add(
          object,
          "does not tell what pack \(pack) holds; remove it, and the next backup makes another")
        try index.distrust(name)
      }
    } catch let error as FormatError where error.code == .unsupported {
      session.vault.log.warning("\(object) can't be checked: it \(error.problem)")
    } catch {
      guard let reason = (error as? FormatError)?.problem ?? damageReason(error) else {
        throw error
      }
      if replacesDamaged {
        try index.distrust(name, reason, isWrong: ChunkIndex.isWrong(error))
      } else {
        report.add(object, "\(reason); snapstore collect replaces it")
      }
    }
  }

  /// Reads all of a segment, and throws where it is damaged. A pack of which it does not tell what
  /// the pack's own directory does, if there is one.
  private func packToldWrong(_ segment: IndexSegment) throws -> SerialName? {
    var last: ChunkID?
    var found = [Digest](repeating: Digest(), count: segment.packs.count)
    var count: UInt64 = 0
    try segment.forEachEntry { entry, _ in
      count += 1
      if count.isMultiple(of: 1 << 12) && interruption.isRaised { throw Interrupted() }
      if let last, entry.id < last { throw FormatError.damaged("its entries are not in order") }
      last = entry.id
      guard try segment.mayContain(entry.id) else {
        throw FormatError.damaged("its filter does not have all of its entries")
      }
      found[Int(entry.pack)].add(entry.id, entry.kind, entry.record)
    }
    return zip(segment.packs, found).first { pack, digest in
      session.packs[pack.name] == pack.byteCount
        && digests[pack.name].map { $0 != digest } ?? false
    }?.0.name
  }
}
