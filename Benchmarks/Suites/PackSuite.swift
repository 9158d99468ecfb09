internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// An extent's records into packs, durable, and back.
extension MicroSuites {
  static var packSuite: [MicroBenchmark] {
    [
      MicroBenchmark("append an extent's records to packs", .bytes(FormatLimit.extent)) {
        let fixture = try PackFixture()
        return { try fixture.append() }
      },
      MicroBenchmark("fetch and decode an extent's chunks", .bytes(FormatLimit.extent)) {
        let fixture = try PackFixture()
        try fixture.append()
        try fixture.finish()
        return { try fixture.read() }
      },
    ]
  }
}

private final class PackFixture: Sendable {
  private struct Writing: @unchecked Sendable {
    // Sendable because it is reached under the fixture's lock only.
    var writer: PackWriter
  }

  private let home: TemporaryVault
  private let writing: Lock<Writing>
  private let reader: ChunkReader
  private let buffers = BufferPool(capacity: 1, bufferByteCount: ChunkReader.fetchByteCount)
  private let records: [UInt8]
  private let entries: [PackDirectoryEntry]
  private let requests: [ChunkReader.Request]
  private let target = Lock([UInt8](repeating: 0, count: FormatLimit.maximumChunk))

  init() throws {
    home = try TemporaryVault()
    let vault = home.vault
    let session = try Session.beginWriting(vault, leaningOn: [])
    let index = try ChunkIndex(session: session, memory: 1 << 20)
    writing = Lock(Writing(writer: PackWriter(session: session, index: index)))
    reader = ChunkReader(vault: vault, index: index)
    (records, entries, requests) = try Self.encode(MicroSuites.syntheticExtent(), vault)
  }

  private static func encode(
    _ extent: [UInt8], _ vault: Vault
  ) throws -> ([UInt8], [PackDirectoryEntry], [ChunkReader.Request]) {
    let encoder = RecordEncoder(vault: vault, verifiesWrites: true)
    var pieces: [ExtentPiece] = []
    ChunkCutter(.aligned, secrets: vault.secrets).cut(extent.rawSpan, into: &pieces)
    var records: [UInt8] = []
    var entries: [PackDirectoryEntry] = []
    var requests: [ChunkReader.Request] = []
    var scratch = [UInt8](repeating: 0, count: FormatLimit.maximumChunk)
    for piece in pieces {
      let chunk = Array(extent[piece.range])
      let id = vault.hasher.id(of: chunk.rawSpan, domain: .chunk)
      let fingerprint = Fingerprint(of: chunk.rawSpan, secrets: vault.secrets)
      var record = [UInt8](repeating: 0, count: RecordEncoder.maximumByteCount(chunk.count))
      var entry = try record.withMutableRawSpan { record in
        try scratch.withMutableRawSpan { scratch in
          try encoder.encode(
            chunk.rawSpan, id: id, kind: .chunk, fingerprint: fingerprint, to: &record, at: 0,
            scratch: &scratch)
        }
      }
      entry.record.offset = UInt64(records.count)
      records += record[..<entry.record.byteCount]
      entries.append(entry)
      requests.append(
        ChunkReader.Request(id: id, length: chunk.count, fingerprint: fingerprint))
    }
    return (records, entries, requests)
  }

  func append() throws {
    try writing.withLock { writing in
      try records.withRawSpan { try writing.writer.append($0, entries) }
    }
  }

  func finish() throws {
    try writing.withLock { try $0.writer.finish() }
  }

  func read() throws {
    let buffer = buffers.take()
    let fetched = try reader.fetch(requests, into: buffer)
    try target.withLock { target in
      try target.withMutableRawSpan { target in
        for (number, request) in requests.enumerated() {
          try require(fetched[number] != nil, "a chunk was not fetched")
          try target.withBytes(0..<request.length) { chunk throws(any Error) in
            try reader.decode(request, fetched: fetched[number], in: buffer, to: &chunk)
          }
        }
      }
    }
  }
}
