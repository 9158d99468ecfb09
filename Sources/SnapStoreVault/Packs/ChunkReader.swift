internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// Reads chunks and map nodes back, wherever a good copy lies. What it hands out has been decoded
/// within bounds and checked: chunks against the fingerprint of the moment they were read from
/// their source, map nodes against their ID.
package final class ChunkReader: Sendable {
  private let index: ChunkIndex
  private let vault: Vault

  package init(vault: Vault, index: ChunkIndex) {
    self.vault = vault
    self.index = index
  }

  /// A chunk to be read, and where to.
  package struct Request: Sendable {
    package var id: ChunkID
    package var length: Int
    package var fingerprint: Fingerprint

    package init(id: ChunkID, length: Int, fingerprint: Fingerprint) {
      self.id = id
      self.length = length
      self.fingerprint = fingerprint
    }
  }

  /// Records read into a buffer: where the record of each request begins there; nil for one whose
  /// chosen copy could not be read.
  package typealias Fetched = [Int?]

  /// A record is fetched together with the one before it if no more than this lies between.
  private static let maximumGap: UInt64 = 64 * 1024

  /// The room in a buffer that `fetch` needs for an extent's requests at most: every chunk raw.
  package static var fetchByteCount: Int {
    let smallest = FormatLimit.extent / FormatLimit.block
    return FormatLimit.extent + smallest * PackRecord.headByteCount
  }

  /// Reads the records of an extent's chunks into `buffer`: in the order of packs and offsets, runs
  /// that lie together in one read. A chunk that is asked for twice is read once.
  package func fetch(_ requests: [Request], into buffer: Buffer) throws -> Fetched {
    var places: [(request: Int, location: ChunkLocation)] = []
    let best = try index.bestLocations(of: requests.map(\.id), doubtful: true)
    for (number, location) in best.enumerated() {
      if let location { places.append((number, location)) }
    }
    places.sort {
      ($0.location.pack, $0.location.record.offset) < ($1.location.pack, $1.location.record.offset)
    }
    var fetched = Fetched(repeating: nil, count: requests.count)
    var used = 0
    var next = 0
    while next < places.count {
      let run = Self.run(places, from: next, room: buffer.byteCount - used)
      if try read(run.pack, run.bytes, into: buffer, at: used) {
        for place in places[next..<run.end] {
          fetched[place.request] =
            used + Int(place.location.record.offset - run.bytes.lowerBound)
        }
      }
      used += run.bytes.count
      next = run.end
    }
    return fetched
  }

  /// The longest run from `first` on that one read serves. Gaps are read too where there is room
  /// for them on top of what is left to read.
  private static func run(
    _ places: [(request: Int, location: ChunkLocation)], from first: Int, room: Int
  ) -> (pack: SerialName, bytes: Range<UInt64>, end: Int) {
    let start = places[first].location
    var end = start.record.offset + UInt64(start.record.byteCount)
    var next = first + 1
    var spare = room - places[first...].reduce(0) { $0 + $1.location.record.byteCount }
    while next < places.count {
      let place = places[next].location
      guard place.pack == start.pack else { break }
      if place.record.offset >= end {
        let gap = place.record.offset - end
        guard gap <= maximumGap, Int(gap) <= spare else { break }
        spare -= Int(gap)
      } else if place.record.offset != places[next - 1].location.record.offset {
        break  // overlapping records: damaged; each is read by itself and found out
      }
      end = max(end, place.record.offset + UInt64(place.record.byteCount))
      next += 1
    }
    return (start.pack, start.record.offset..<end, next)
  }

  /// False where the pack is gone or too short: then other copies are tried one by one.
  private func read(
    _ pack: SerialName, _ range: Range<UInt64>, into buffer: Buffer, at offset: Int
  ) throws -> Bool {
    guard offset + range.count <= buffer.byteCount else { return false }
    return try withPack(pack) { reader in
      try buffer.withMutableBytes { bytes throws(any Error) in
        try bytes.withBytes(offset..<(offset + range.count)) { part throws(any Error) in
          try reader.read(into: &part, at: range.lowerBound) == range.count
        }
      }
    } ?? false
  }

  /// Lends an open pack to `body`; nil, with a warning, where it is gone or can't be read.
  private func withPack<Result>(
    _ name: SerialName, _ body: (any ObjectReader) throws -> Result
  ) throws -> Result? {
    do {
      return try body(try index.packReader(name))
    } catch {
      guard let reason = damageReason(error) else { throw error }
      vault.log.warning("pack \(name) can't be read: \(reason)")
      return nil
    }
  }

  /// Decodes one chunk to `target`, which is as long as the chunk, and checks its fingerprint.
  /// `record` is what `fetch` found, nil if nothing; where it is not right, every copy is tried.
  /// Throws `VaultError.damaged` when no copy is good.
  package func decode(
    _ request: Request, fetched record: Int?, in buffer: Buffer, to target: inout MutableRawSpan
  ) throws {
    if let record {
      let bytes = buffer.bytes.extracting(record..<buffer.byteCount)
      if Self.decode(bytes, id: request.id, kind: .chunk, to: &target),
        Fingerprint(of: target.bytes, secrets: vault.secrets) == request.fingerprint
      {
        return
      }
    }
    try decodeAnyCopy(of: request, to: &target)
  }

  private func decodeAnyCopy(of request: Request, to target: inout MutableRawSpan) throws {
    let known = try index.locations(of: request.id, doubtful: true)
    if try decode(request, from: known, to: &target) { return }
    let others = try index.searchDirectories(for: request.id).filter { !known.contains($0) }
    if try decode(request, from: others, to: &target) { return }
    if known.isEmpty && others.isEmpty { index.found.note(request.id, .chunk, at: nil) }
    throw VaultError(.damaged, "no good copy of chunk \(request.id) is left in the vault")
  }

  private func decode(
    _ request: Request, from locations: [ChunkLocation], to target: inout MutableRawSpan
  ) throws -> Bool {
    for location in locations {
      guard let bytes = try record(at: location, of: request.id, .chunk) else { continue }
      let isDecoded = Self.decode(bytes.rawSpan, id: request.id, kind: .chunk, to: &target)
      if isDecoded,
        Fingerprint(of: target.bytes, secrets: vault.secrets) == request.fingerprint
      {
        return true
      }
      if isDecoded, vault.hasher.id(of: target.bytes, domain: .chunk) == request.id {
        // Not the copy is wrong, but the map that refers to it.
        vault.log.warning("the fingerprint of chunk \(request.id) in the map is not its own")
      } else {
        noteDamage(location, request.id, .chunk)
      }
    }
    return false
  }

  /// A map node by its ID, checked against it. Throws `VaultError.damaged` when no copy is good.
  package func node(_ id: ChunkID) throws -> [UInt8] {
    let known = try index.locations(of: id, doubtful: true)
    if let node = try node(id, from: known) { return node }
    let others = try index.searchDirectories(for: id).filter { !known.contains($0) }
    if let node = try node(id, from: others) { return node }
    if known.isEmpty && others.isEmpty { index.found.note(id, .mapNode, at: nil) }
    index.markLost(id)
    throw VaultError(.damaged, "no good copy of map node \(id) is left in the vault")
  }

  private func node(_ id: ChunkID, from locations: [ChunkLocation]) throws -> [UInt8]? {
    for location in locations {
      guard let bytes = try record(at: location, of: id, .mapNode) else { continue }
      var node = [UInt8](repeating: 0, count: Int(location.record.rawLength))
      let isDecoded = node.withMutableRawSpan {
        Self.decode(bytes.rawSpan, id: id, kind: .mapNode, to: &$0)
      }
      if isDecoded, vault.hasher.id(of: node.rawSpan, domain: .mapNode) == id { return node }
      noteDamage(location, id, .mapNode)
    }
    return nil
  }

  private func noteDamage(_ location: ChunkLocation, _ id: ChunkID, _ kind: PackRecord.Kind) {
    let name = kind == .chunk ? "chunk" : "map node"
    vault.log.warning(
      "\(name) \(id) is damaged in pack \(location.pack) at \(location.record.offset)")
    index.found.note(id, kind, at: location.address)
  }

  /// The bytes of one record, head included; nil where they can't be read.
  private func record(
    at location: ChunkLocation, of id: ChunkID, _ kind: PackRecord.Kind
  ) throws -> [UInt8]? {
    let start = location.record.offset
    let bytes = try withPack(location.pack) { reader in
      try reader.bytes(start..<(start + UInt64(location.record.byteCount)))
    }
    // A pack that is gone speaks for itself; one that can't be read may be readable next time.
    if bytes == nil && index.listedByteCount(location.pack) != nil {
      index.found.note(id, kind, at: location.address)
    }
    // Nor does a pack that is shorter than it was need its records named.
    return bytes?.count == location.record.byteCount ? bytes : nil
  }

  /// Decodes the record at the start of `bytes`; false where it is not that of `id`, or damaged.
  /// Whether the content is right is for the caller to check.
  private static func decode(
    _ bytes: RawSpan, id: ChunkID, kind: PackRecord.Kind, to target: inout MutableRawSpan
  ) -> Bool {
    do {
      let head = try PackRecord(decodingHead: bytes)
      guard head.id == id, head.kind == kind, head.rawLength == target.byteCount,
        head.byteCount <= bytes.byteCount
      else { return false }
      let stored = bytes.extracting(PackRecord.headByteCount..<head.byteCount)
      try head.codec.decode(stored, into: &target)
      return true
    } catch {
      return false
    }
  }
}
