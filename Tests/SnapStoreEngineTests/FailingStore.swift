import SnapStoreIO

/// A store that refuses to finish the objects that a test chooses.
final class FailingStore: ObjectStore {
  struct Refused: Error {}

  private let base: any ObjectStore
  private let refuses: @Sendable (ObjectName) -> Bool

  init(_ base: any ObjectStore, refusing: @escaping @Sendable (ObjectName) -> Bool) {
    self.base = base
    refuses = refusing
  }

  var location: String { base.location }

  func create(_ name: ObjectName) throws -> any ObjectWriter {
    Writer(base: try base.create(name), isRefused: refuses(name))
  }

  func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    if refuses(name) { throw Refused() }
    return try base.putHeld(name, bytes)
  }

  func open(_ name: ObjectName) throws -> (any ObjectReader)? { try base.open(name) }
  func list(_ folder: String) throws -> [ListedObject] { try base.list(folder) }
  func synchronize(_ folder: String) throws { try base.synchronize(folder) }
  func delete(_ name: ObjectName) throws -> Bool { try base.delete(name) }
  func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
  func removeAbandoned() throws -> Int { try base.removeAbandoned() }

  private final class Writer: ObjectWriter {
    private let base: any ObjectWriter
    private let isRefused: Bool

    init(base: any ObjectWriter, isRefused: Bool) {
      self.base = base
      self.isRefused = isRefused
    }

    func append(_ bytes: RawSpan) throws { try base.append(bytes) }

    func finish() throws -> Bool {
      if isRefused { throw Refused() }
      return try base.finish()
    }
  }
}
