import SnapStoreIO

/// A store that refuses to finish the objects that a test chooses; with `afterwards`, it has
/// finished them when it says so.
final class FailingStore: ObjectStore {
  struct Refused: Error {}

  private let base: any ObjectStore
  private let error: any Error
  private let afterwards: Bool
  private let refuses: @Sendable (ObjectName) -> Bool

  init(
    _ base: any ObjectStore, error: any Error = Refused(), afterwards: Bool = false,
    refusing: @escaping @Sendable (ObjectName) -> Bool
  ) {
    self.base = base
    self.error = error
    self.afterwards = afterwards
    refuses = refusing
  }

  var location: String { base.location }

  func create(_ name: ObjectName) throws -> any ObjectWriter {
    Writer(
      base: try base.create(name), refusal: refuses(name) ? error : nil, afterwards: afterwards)
  }

  func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    if refuses(name) { throw error }
    return try base.putHeld(name, bytes)
  }

  func open(_ name: ObjectName) throws -> (any ObjectReader)? { try base.open(name) }
  func list(_ folder: String) throws -> [ListedObject] { try base.list(folder) }
  func synchronize(_ folder: String) throws { try base.synchronize(folder) }
  func delete(_ name: ObjectName) throws -> Bool { try base.delete(name) }
  func isHeld(_ name: ObjectName) throws -> Bool { try base.isHeld(name) }
  func removeAbandoned() throws -> Int { try base.removeAbandoned() }
  func availableByteCount() throws -> UInt64? { try base.availableByteCount() }

  private final class Writer: ObjectWriter {
    private let base: any ObjectWriter
    private let refusal: (any Error)?
    private let afterwards: Bool

    init(base: any ObjectWriter, refusal: (any Error)?, afterwards: Bool) {
      self.base = base
      self.refusal = refusal
      self.afterwards = afterwards
    }

    func append(_ bytes: RawSpan) throws { try base.append(bytes) }

    func finish() throws -> Bool {
      if let refusal {
        if afterwards { _ = try base.finish() }
        throw refusal
      }
      return try base.finish()
    }
  }
}
