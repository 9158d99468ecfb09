/// An object store around another that counts the bytes of objects that were put through it, and
/// those that were read: what a run added to its vault, and asked of it, all told.
package final class CountingObjectStore: ObjectStore {
  private let base: any ObjectStore
  private let total = Lock<UInt64>(0)
  private let read = Lock<UInt64>(0)

  package init(_ base: any ObjectStore) {
    self.base = base
  }

  package var putByteCount: UInt64 { total.withLock { $0 } }
  package var readByteCount: UInt64 { read.withLock { $0 } }
  package var location: String { base.location }

  package func create(_ name: ObjectName) throws -> any ObjectWriter {
    CountingWriter(try base.create(name), total: total)
  }

  package func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    let hold = try base.putHeld(name, bytes)
    if hold != nil { total.withLock { $0 += UInt64(bytes.count) } }
    return hold
  }

  package func open(_ name: ObjectName) throws -> (any ObjectReader)? {
    try base.open(name).map { CountingReader($0, total: read) }
  }

  package func list(_ folder: String) throws -> [ListedObject] { try base.list(folder) }
  package func synchronize(_ folder: String) throws { try base.synchronize(folder) }
  package func delete(_ name: ObjectName) throws -> Bool { try base.delete(name) }
  package func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
  package func removeAbandoned() throws -> Int { try base.removeAbandoned() }
  package func availableByteCount() throws -> UInt64? { try base.availableByteCount() }
}

private final class CountingReader: ObjectReader {
  private let base: any ObjectReader
  private let total: Lock<UInt64>

  init(_ base: any ObjectReader, total: Lock<UInt64>) {
    self.base = base
    self.total = total
  }

  var byteCount: UInt64 { base.byteCount }

  func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int {
    let count = try base.read(into: &target, at: offset)
    total.withLock { $0 += UInt64(count) }
    return count
  }
}

private final class CountingWriter: ObjectWriter {
  private let base: any ObjectWriter
  private let total: Lock<UInt64>
  private let byteCount = Lock<UInt64>(0)

  init(_ base: any ObjectWriter, total: Lock<UInt64>) {
    self.base = base
    self.total = total
  }

  func append(_ bytes: RawSpan) throws {
    try base.append(bytes)
    byteCount.withLock { $0 += UInt64(bytes.byteCount) }
  }

  func finish() throws -> Bool {
    let isMade = try base.finish()
    if isMade {
      let count = byteCount.withLock { $0 }
      total.withLock { $0 += count }
    }
    return isMade
  }
}
