package import SnapStoreFormat
package import SnapStoreIO

/// Checks packs and their records, as a verification does. One lane each: it keeps room to decode.
package final class PackCheck {
  private let vault: Vault
  private let packs: PackReaders
  private var scratch = [UInt8](repeating: 0, count: FormatLimit.recordPayload)

  package init(session: Session) {
    vault = session.vault
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

  /// What proves a chunk that a map names by ID and fingerprint, or what is wrong with a record.
  package enum Verdict {
    case chunk(Fingerprint)
    case mapNode
    case damaged(String)
  }

  /// Checks the record at the start of `bytes` against its entry in the directory: its head, its
  /// stored bytes, what they decode to, and that content against the ID.
  package func check(_ bytes: RawSpan, _ entry: PackDirectoryEntry) -> Verdict {
    do {
      let head = try PackRecord(decodingHead: bytes)
      guard head.id == entry.id, head.kind == entry.kind, head.codec == entry.record.codec,
        head.rawLength == Int(entry.record.rawLength),
        head.storedLength == Int(entry.record.storedLength)
      else { return .damaged("the record is not the one that the directory names") }
      let stored = bytes.extracting(PackRecord.headByteCount..<head.byteCount)
      guard Checksum.of(stored) == head.storedChecksum else {
        return .damaged("the checksum of the record's stored bytes is wrong")
      }
      return try scratch.withMutableRawSpan { scratch in
        try scratch.withBytes(0..<head.rawLength) { target throws(any Error) in
          try head.codec.decode(stored, into: &target)
        }
        return content(scratch.bytes.extracting(0..<head.rawLength), entry)
      }
    } catch let error as FormatError {
      return .damaged(error.problem)
    } catch {
      return .damaged("\(error)")
    }
  }

  /// Reads one record by itself; whether it is what the entry says, down to its content. False too
  /// where the pack does not give it.
  package func isWhole(_ entry: PackDirectoryEntry, in pack: SerialName) throws -> Bool {
    do {
      let start = entry.record.offset
      let bytes = try packs.reader(pack).bytes(start..<(start + UInt64(entry.record.byteCount)))
      guard bytes.count == entry.record.byteCount else { return false }
      if case .damaged = check(bytes.rawSpan, entry) { return false }
      return true
    } catch {
      guard damageReason(error) != nil else { throw error }
      return false
    }
  }

  private func content(_ raw: RawSpan, _ entry: PackDirectoryEntry) -> Verdict {
    let domain: ChunkHasher.Domain = entry.kind == .chunk ? .chunk : .mapNode
    guard vault.hasher.id(of: raw, domain: domain) == entry.id else {
      return .damaged("the content of the record does not have the record's ID")
    }
    return entry.kind == .chunk ? .chunk(Fingerprint(of: raw, secrets: vault.secrets)) : .mapNode
  }
}
