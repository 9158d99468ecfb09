internal import SnapStoreFormat
internal import SnapStoreIO

/// Open packs: a bounded number stays open, the longest unused goes first.
final class PackReaders: Sendable {
  private struct State {
    var open: [SerialName: (reader: any ObjectReader, lastUse: UInt64)] = [:]
    var uses: UInt64 = 0
  }

  private static let maximumOpen = 64
  private let store: any ObjectStore
  private let state = Lock(State())

  init(store: any ObjectStore) {
    self.store = store
  }

  /// Throws `VaultError` where the pack is gone.
  func reader(_ name: SerialName) throws -> any ObjectReader {
    let known = state.withLock { state -> (any ObjectReader)? in
      state.uses += 1
      state.open[name]?.lastUse = state.uses
      return state.open[name]?.reader
    }
    if let known { return known }
    guard let reader = try store.open(.pack(name)) else {
      throw VaultError(.damaged, "pack \(name) is missing from the vault")
    }
    // A reader that is pushed out while another lane uses it lives until that lane lets go.
    state.withLock { state in
      if state.open.count >= Self.maximumOpen,
        let oldest = state.open.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        state.open[oldest.key] = nil
      }
      state.open[name] = (reader, state.uses)
    }
    return reader
  }

  /// The directory of a pack, from its trailer. Throws `FormatError` where it is damaged.
  func directory(_ name: SerialName, vault: VaultID) throws -> [PackDirectoryEntry] {
    try contents(name, vault: vault).directory
  }

  /// What a pack says that it holds, and where its records end.
  func contents(
    _ name: SerialName, vault: VaultID
  ) throws -> (directory: [PackDirectoryEntry], recordsEnd: UInt64) {
    do {
      return try readContents(try reader(name), name, vault)
    } catch let error as FormatError {
      throw error.inObject("pack \(name)")
    }
  }

  /// The directory of a pack as a table by ID, which takes `limit` bytes of memory at the most; nil
  /// where it would take more. Throws `FormatError` where it is damaged.
  func table(_ name: SerialName, vault: VaultID, limit: Int) throws -> PackDirectoryTable? {
    do {
      let reader = try reader(name)
      let section = try readSections(reader, name, vault).directory
      guard PackDirectoryTable.byteCount(section) <= limit else { return nil }
      return try PackDirectoryTable(try reader.bytes(section.range), section: section)
    } catch let error as FormatError {
      throw error.inObject("pack \(name)")
    }
  }

  private func readContents(
    _ reader: any ObjectReader, _ name: SerialName, _ vault: VaultID
  ) throws -> (directory: [PackDirectoryEntry], recordsEnd: UInt64) {
    let sections = try readSections(reader, name, vault)
    let directoryBytes = try reader.bytes(sections.directory.range)
    let directory = try PackLayout.decodeDirectory(
      directoryBytes.rawSpan, section: sections.directory)
    return (directory, min(sections.identity.offset, sections.directory.offset))
  }

  /// Where the trailer of a pack, which must be this one, has its parts.
  private func readSections(
    _ reader: any ObjectReader, _ name: SerialName, _ vault: VaultID
  ) throws -> PackLayout.Sections {
    let frame = UInt64(ObjectHeader.byteCount)
    guard reader.byteCount >= 2 * frame, reader.byteCount <= PackLayout.maximumByteCount else {
      throw FormatError.damaged("has an impossible length of \(reader.byteCount) bytes")
    }
    let header = try reader.bytes(0..<frame)
    try PackLayout.checkHeader(header.rawSpan)
    let footerBytes = try reader.bytes((reader.byteCount - frame)..<reader.byteCount)
    let (footer, tableRange) = try PackLayout.tableRange(
      footer: footerBytes.rawSpan, packLength: reader.byteCount)
    let table = try reader.bytes(tableRange)
    let sections = try PackLayout.sections(
      footer: footer, table: table.rawSpan, tableOffset: tableRange.lowerBound)
    let identityBytes = try reader.bytes(sections.identity.range)
    let identity = try PackLayout.decodeIdentity(
      identityBytes.rawSpan, section: sections.identity)
    guard identity == PackIdentity(vault: vault, name: name) else {
      throw FormatError.damaged("says that it is pack \(identity.name) of vault \(identity.vault)")
    }
    return sections
  }
}
