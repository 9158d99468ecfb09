package import SnapStoreIO

/// A store around another that tells a test what is about to happen, and fails where the test
/// throws.
package final class ObservedStore: ObjectStore {
  package enum Event: Equatable, Sendable {
    case open(ObjectName)
    case read(ObjectName, byteCount: Int)
    case create(ObjectName)
    case append(ObjectName, byteCount: Int)
    case finish(ObjectName)
    case delete(ObjectName)
    case list(String)
  }

  private let base: any ObjectStore
  private let observe: @Sendable (Event) throws -> Void

  package init(_ base: any ObjectStore, observing: @escaping @Sendable (Event) throws -> Void) {
    self.base = base
    observe = observing
  }

  package var location: String { base.location }

  package func create(_ name: ObjectName) throws -> any ObjectWriter {
    try observe(.create(name))
    return Writer(name, try base.create(name), observe)
  }

  package func open(_ name: ObjectName) throws -> (any ObjectReader)? {
    try observe(.open(name))
    return try base.open(name).map { Reader(name, $0, observe) }
  }

  package func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    try observe(.finish(name))
    return try base.putHeld(name, bytes)
  }

  package func list(_ folder: String) throws -> [ListedObject] {
    let listed = try base.list(folder)
    try observe(.list(folder))
    return listed
  }

  package func delete(_ name: ObjectName) throws -> Bool {
    try observe(.delete(name))
    return try base.delete(name)
  }

  package func synchronize(_ folder: String) throws { try base.synchronize(folder) }
  package func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
  package func removeAbandoned() throws -> Int { try base.removeAbandoned() }
  package func availableByteCount() throws -> UInt64? { try base.availableByteCount() }

  private final class Writer: ObjectWriter {
    private let name: ObjectName
    private let base: any ObjectWriter
    private let observe: @Sendable (Event) throws -> Void

    init(
      _ name: ObjectName, _ base: any ObjectWriter,
      _ observe: @escaping @Sendable (Event) throws -> Void
    ) {
      self.name = name
      self.base = base
      self.observe = observe
    }

    func append(_ bytes: RawSpan) throws {
      try observe(.append(name, byteCount: bytes.byteCount))
      try base.append(bytes)
    }

    func finish() throws -> Bool {
      try observe(.finish(name))
      return try base.finish()
    }
  }

  private final class Reader: ObjectReader {
    private let name: ObjectName
    private let base: any ObjectReader
    private let observe: @Sendable (Event) throws -> Void

    init(
      _ name: ObjectName, _ base: any ObjectReader,
      _ observe: @escaping @Sendable (Event) throws -> Void
    ) {
      self.name = name
      self.base = base
      self.observe = observe
    }

    var byteCount: UInt64 { base.byteCount }

    func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int {
      try observe(.read(name, byteCount: target.byteCount))
      return try base.read(into: &target, at: offset)
    }
  }
}
