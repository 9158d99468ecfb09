import SnapStoreFormat
import SnapStoreIO

/// A pack as a reader goes through it: header, footer, section table, identity, directory, then
/// each record that the directory names.
@Sendable func pack(_ input: [UInt8]) {
  for bytes in [input, Mended.pack(input)] {
    guard let (identity, entries) = accepted({ () throws(FormatError) in try readPack(bytes) })
    else { continue }
    for entry in entries {
      let start = Int(entry.record.offset)
      record(Array(bytes[start..<(start + entry.record.byteCount)]))
    }
    checkTrailer(identity, entries)
  }
}

private func readPack(
  _ bytes: [UInt8]
) throws(FormatError) -> (PackIdentity, [PackDirectoryEntry]) {
  let frame = ObjectHeader.byteCount
  guard bytes.count >= 2 * frame else { throw .damaged("is too short") }
  let span = bytes.rawSpan
  try PackLayout.checkHeader(span.extracting(0..<frame))
  let (footer, range) = try PackLayout.tableRange(
    footer: span.extracting((bytes.count - frame)..<bytes.count), packLength: UInt64(bytes.count))
  let sections = try PackLayout.sections(
    footer: footer, table: span.extracting(Int(range.lowerBound)..<Int(range.upperBound)),
    tableOffset: range.lowerBound)
  let identity = try PackLayout.decodeIdentity(
    bytes.body(sections.identity), section: sections.identity)
  let entries = try PackLayout.decodeDirectory(
    bytes.body(sections.directory), section: sections.directory)
  return (identity, entries)
}

/// The bodies of identity and directory: where the directory begins in its pack (3 bytes), the
/// length of the identity (1), identity, directory.
@Sendable func directory(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let recordsEnd = UInt64(recipe.number() | recipe.byte() << 16)
  let identityBody = recipe.bytes(recipe.byte())
  let body = Array(recipe.rest)
  func section(_ body: [UInt8]) -> SectionEntry {
    SectionEntry(
      type: 1, flags: SectionEntry.requiredFlag, offset: recordsEnd, length: UInt64(body.count),
      checksum: Checksum.of(body.rawSpan))
  }
  let identity = accepted { () throws(FormatError) in
    try PackLayout.decodeIdentity(identityBody.rawSpan, section: section(identityBody))
  }
  let entries = accepted { () throws(FormatError) in
    try PackLayout.decodeDirectory(body.rawSpan, section: section(body))
  }
  guard let identity, let entries else { return }
  for entry in entries {
    require(
      entry.record.offset + UInt64(entry.record.byteCount) <= recordsEnd, "a record in its pack")
    require(entry.record.rawLength <= FormatLimit.recordPayload, "a raw length")
    require(entry.record.storedLength <= FormatLimit.storedPayload, "a stored length")
  }
  let trailer = checkTrailer(identity, entries)
  require(trailer.starts(with: body, from: 40), "a directory is encoded to other bytes")
}

/// A trailer of what was decoded, which decodes to the same.
@discardableResult
private func checkTrailer(_ identity: PackIdentity, _ entries: [PackDirectoryEntry]) -> [UInt8] {
  let end = entries.last.map { Int($0.record.offset) + $0.record.byteCount } ?? 64
  require(end <= 1 << 30, "a directory's records are in their pack")
  let trailer = PackLayout.trailer(
    identity: identity, directory: entries, recordsEnd: UInt64(ObjectHeader.byteCount))
  // No records are there: the entries count on their own, as in a pack that has room for them.
  let length = UInt64(ObjectHeader.byteCount + trailer.count)
  let again = accepted { () throws(FormatError) in
    let span = trailer.rawSpan
    let (footer, range) = try PackLayout.tableRange(
      footer: span.extracting((trailer.count - 64)..<trailer.count), packLength: length)
    let table = span.extracting(Int(range.lowerBound) - 64..<Int(range.upperBound) - 64)
    let sections = try PackLayout.sections(
      footer: footer, table: table, tableOffset: range.lowerBound)
    var (own, directory) = (sections.identity, sections.directory)
    own.offset -= 64
    directory.offset -= 64
    let identityBody = trailer.body(own)
    let directoryBody = trailer.body(directory)
    directory.offset = UInt64(end)
    return (
      try PackLayout.decodeIdentity(identityBody, section: own),
      try PackLayout.decodeDirectory(directoryBody, section: directory)
    )
  }
  require(again.map { $0.0 == identity && $0.1 == entries } ?? false, "a trailer comes back")
  return trailer
}

/// A record: its head, and what its stored bytes decode to.
@Sendable func record(_ input: [UInt8]) {
  for bytes in [input, Mended.record(input)] {
    let head = accepted { () throws(FormatError) in
      try PackRecord(decodingHead: bytes.rawSpan)
    }
    guard let head else { continue }
    var again = [UInt8](repeating: 0xEE, count: PackRecord.headByteCount)
    _ = accepted { () throws(FormatError) in
      try again.withMutableSpan { head.encode(to: &$0, at: 0) }
    }
    require(again == Array(bytes.prefix(again.count)), "a head is encoded to other bytes")
    guard bytes.count >= head.byteCount else { continue }
    let stored = Array(bytes[PackRecord.headByteCount..<head.byteCount])
    _ = decoded(stored, head.codec, rawLength: head.rawLength)
  }
}

/// What stored bytes decode to, whatever was in the room before: all of it is written, or nothing
/// counts.
func decoded(_ stored: [UInt8], _ codec: Codec, rawLength: Int) -> [UInt8]? {
  let raw = decoded(stored, codec, rawLength: rawLength, over: 0xEE)
  require(
    raw == decoded(stored, codec, rawLength: rawLength, over: 0x11), "a decoder leaves bytes out")
  return raw
}

/// Behind its room are bytes that must stay: the C library is not built for the memory checks.
private func decoded(
  _ stored: [UInt8], _ codec: Codec, rawLength: Int, over fill: UInt8
) -> [UInt8]? {
  let guarded = [UInt8](repeating: fill, count: 64)
  var raw = [UInt8](repeating: fill, count: rawLength) + guarded
  let done: Void? = accepted { () throws(FormatError) in
    try raw.withMutableSpan { room throws(FormatError) in
      try room.withBytes(0..<rawLength) { target throws(FormatError) in
        try codec.decode(stored.rawSpan, into: &target)
      }
    }
  }
  require(Array(raw[rawLength...]) == guarded, "a decoder writes beyond its room")
  return done.map { Array(raw.prefix(rawLength)) }
}

extension [UInt8] {
  /// The body of a section whose place has been checked.
  @_lifetime(borrow self)
  func body(_ entry: SectionEntry) -> RawSpan {
    rawSpan.extracting(Int(entry.offset)..<Int(entry.offset + entry.length))
  }

  func starts(with part: [UInt8], from offset: Int) -> Bool {
    count - offset >= part.count && Array(self[offset..<(offset + part.count)]) == part
  }
}
