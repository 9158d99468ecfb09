package import SnapStoreFormat
package import SnapStoreIO

/// Checks packs and their records, as a verification does. One lane each: it keeps room to decode.
package final class PackCheck {
  /// How much is decoded before it is named: many chunks at once, and all in the cache.
  private static let batchByteCount = 4 * FormatLimit.recordPayload

  private let vault: Vault
  private let packs: PackReaders
  private let namer: ChunkNamer
  private var scratch = [UInt8](repeating: 0, count: batchByteCount)
  /// The chunks that are decoded in `scratch` and not named yet, and their IDs once they are.
  private var decoded: [(entry: PackDirectoryEntry, range: Range<Int>)] = []
  private var ids: [ChunkID] = []

  package init(session: Session) {
    vault = session.vault
    namer = ChunkNamer(vault.hasher)
    packs = PackReaders(store: vault.store)
  }

  /// A stretch of a pack that one read brings: records that lie one behind the other.
  package struct Run: Sendable {
    package var pack: SerialName
    package var bytes: Range<UInt64>
    package var entries: ArraySlice<PackDirectoryEntry>
  }

  /// What a pack says that it holds. Throws `FormatError`, `VaultError.damaged` or an error of the
  /// store where its header, trailer or directory is not right, or records are missing from it.
  package func directory(of pack: SerialName) throws -> [PackDirectoryEntry] {
    let contents = try packs.contents(pack, vault: vault.descriptor.id)
    var end = UInt64(ObjectHeader.byteCount)
    for entry in contents.directory {
      guard entry.record.offset == end else {
        throw FormatError.damaged("no record of the directory begins here", at: Int(end))
      }
      end += UInt64(entry.record.byteCount)
    }
    guard end == contents.recordsEnd else {
      throw FormatError.damaged("no record of the directory begins here", at: Int(end))
    }
    return contents.directory
  }

  /// Cuts entries, which ascend, into runs of at most `byteCount` bytes.
  package static func runs(
    of pack: SerialName, _ directory: [PackDirectoryEntry], byteCount: Int
  ) -> [Run] {
    var runs: [Run] = []
    for (number, entry) in directory.enumerated() {
      let end = entry.record.offset + UInt64(entry.record.byteCount)
      if let last = runs.last, end - last.bytes.lowerBound <= UInt64(byteCount),
        entry.record.offset >= last.bytes.upperBound
      {
        runs[runs.count - 1].bytes = last.bytes.lowerBound..<end
        runs[runs.count - 1].entries = directory[last.entries.startIndex...number]
      } else {
        runs.append(
          Run(pack: pack, bytes: entry.record.offset..<end, entries: directory[number...number]))
      }
    }
    return runs
  }

  /// Reads a run; false where the pack ends before.
  package func read(_ run: Run, into buffer: Buffer) throws -> Bool {
    let reader = try packs.reader(run.pack)
    return try buffer.withMutableBytes { bytes throws(any Error) in
      try bytes.withBytes(0..<run.bytes.count) { part throws(any Error) in
        try reader.read(into: &part, at: run.bytes.lowerBound) == run.bytes.count
      }
    }
  }

  /// The same; false, too, where the store does not give what is asked for.
  package func canRead(_ run: Run, into buffer: Buffer) throws -> Bool {
    do {
      return try read(run, into: buffer)
    } catch {
      guard DamageReport.cause(of: error) != nil else { throw error }
      return false
    }
  }

  /// What proves a chunk that a map names by ID and fingerprint, or what is wrong with a record.
  package enum Verdict {
    case chunk(Fingerprint)
    case mapNode
    case damaged(String)
  }

  /// Checks the records of a run that was read into `bytes`, as below.
  package func check(
    _ run: Run, in bytes: RawSpan, verdict: (PackDirectoryEntry, Verdict) throws -> Void
  ) rethrows {
    let records = run.entries.map { ($0, Int($0.record.offset - run.bytes.lowerBound)) }
    try check(records, in: bytes, verdict: verdict)
  }

  /// Checks records, which begin at the given offsets of `bytes`, against their entries in the
  /// directory: the head, the stored bytes, what they decode to, and that content against the ID.
  /// Tells the verdict of each once, in any order.
  package func check(
    _ records: [(entry: PackDirectoryEntry, offset: Int)], in bytes: RawSpan,
    verdict: (PackDirectoryEntry, Verdict) throws -> Void
  ) rethrows {
    decoded.removeAll(keepingCapacity: true)
    var used = 0
    for (entry, offset) in records {
      let rawLength = Int(entry.record.rawLength)
      if used + rawLength > scratch.count {
        try nameDecoded(verdict)
        used = 0
      }
      let place = used..<(used + rawLength)
      let record = bytes.extracting(offset..<(offset + entry.record.byteCount))
      if let problem = decode(record, entry, to: place) {
        try verdict(entry, .damaged(problem))
      } else if entry.kind == .mapNode {
        let id = vault.hasher.id(of: scratch.rawSpan.extracting(place), domain: .mapNode)
        try verdict(entry, id == entry.id ? .mapNode : Self.wrongID)
      } else {
        decoded.append((entry, place))
        used = place.upperBound
      }
    }
    try nameDecoded(verdict)
  }

  private static var wrongID: Verdict {
    .damaged("the content of the record does not have the record's ID")
  }

  private func nameDecoded(_ verdict: (PackDirectoryEntry, Verdict) throws -> Void) rethrows {
    namer.name(decoded.map(\.range), of: scratch.rawSpan, into: &ids)
    for (chunk, id) in zip(decoded, ids) {
      try verdict(
        chunk.entry,
        id == chunk.entry.id ? .chunk(fingerprint(ofDecoded: chunk.range)) : Self.wrongID)
    }
    decoded.removeAll(keepingCapacity: true)
  }

  private func fingerprint(ofDecoded range: Range<Int>) -> Fingerprint {
    let scratch = scratch
    return Fingerprint(of: scratch.rawSpan.extracting(range), secrets: vault.secrets)
  }

  /// What is wrong with a record, of which nothing but its content's ID is left to check when this
  /// returns nil.
  private func decode(
    _ bytes: RawSpan, _ entry: PackDirectoryEntry, to place: Range<Int>
  ) -> String? {
    do {
      let head = try PackRecord(decodingHead: bytes)
      guard head.id == entry.id, head.kind == entry.kind, head.codec == entry.record.codec,
        head.rawLength == place.count, head.storedLength == Int(entry.record.storedLength)
      else { return "the record is not the one that the directory names" }
      let stored = bytes.extracting(PackRecord.headByteCount..<head.byteCount)
      guard Checksum.of(stored) == head.storedChecksum else {
        return "the checksum of the record's stored bytes is wrong"
      }
      try scratch.withMutableRawSpan { scratch in
        try scratch.withBytes(place) { target throws(any Error) in
          try head.codec.decode(stored, into: &target)
        }
      }
      return nil
    } catch let error as FormatError {
      return error.problem
    } catch {
      return "\(error)"
    }
  }

  /// Reads one record by itself; whether it is what the entry says, down to its content. False too
  /// where the pack does not give it.
  package func isWhole(_ entry: PackDirectoryEntry, in pack: SerialName) throws -> Bool {
    do {
      let start = entry.record.offset
      let bytes = try packs.reader(pack).bytes(start..<(start + UInt64(entry.record.byteCount)))
      guard bytes.count == entry.record.byteCount else { return false }
      var isWhole = true
      check([(entry, 0)], in: bytes.rawSpan) { _, verdict in
        if case .damaged = verdict { isWhole = false }
      }
      return isWhole
    } catch {
      guard damageReason(error) != nil else { throw error }
      return false
    }
  }
}
