/// An object store of this process alone: for measuring and testing what stands on one without a
/// disk. It keeps the promises of `ObjectStore`, but that nothing of it outlives the process.
package final class MemoryObjectStore: ObjectStore {
  private struct State {
    var objects: [ObjectName: [UInt8]] = [:]
    var held: Set<ObjectName> = []
  }

  package let location = "memory"
  private let state = Lock(State())

  package init() {}

  package func create(_ name: ObjectName) throws -> any ObjectWriter {
    MemoryObjectWriter(name, store: self)
  }

  package func open(_ name: ObjectName) throws -> (any ObjectReader)? {
    state.withLock { $0.objects[name] }.map { MemoryObjectReader($0) }
  }

  package func list(_ folder: String) throws -> [ListedObject] {
    state.withLock { state in
      state.objects.filter { $0.key.folder == folder }
        .map { ListedObject(name: $0.key, byteCount: UInt64($0.value.count)) }
    }
  }

  package func synchronize(_ folder: String) throws {}

  package func delete(_ name: ObjectName) throws -> Bool {
    state.withLock { state in
      state.held.remove(name)
      return state.objects.removeValue(forKey: name) != nil
    }
  }

  package func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)? {
    let isPut = state.withLock { state in
      guard state.objects[name] == nil else { return false }
      state.objects[name] = bytes
      state.held.insert(name)
      return true
    }
    return isPut ? MemoryObjectHold(name, store: self) : nil
  }

  package func isHeld(_ name: ObjectName) throws -> Bool {
    state.withLock { $0.held.contains(name) }
  }

  /// What was begun is in its writer only.
  package func removeAbandoned() throws -> Int { 0 }
  package func availableByteCount() throws -> UInt64? { nil }

  fileprivate func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      guard state.objects[name] == nil else { return false }
      state.objects[name] = bytes
      return true
    }
  }

  fileprivate func letGo(of name: ObjectName) {
    state.withLock { _ = $0.held.remove(name) }
  }
}

private final class MemoryObjectWriter: ObjectWriter {
  private let name: ObjectName
  private let store: MemoryObjectStore
  /// Nil once it has finished.
  private let bytes = Lock<[UInt8]?>([])

  init(_ name: ObjectName, store: MemoryObjectStore) {
    self.name = name
    self.store = store
  }

  func append(_ more: RawSpan) throws {
    try bytes.withLock { bytes in
      guard bytes != nil else { throw deadWriter }
      unsafe more.withUnsafeBytes { unsafe bytes?.append(contentsOf: $0) }
    }
  }

  func finish() throws -> Bool {
    let taken = bytes.withLock { bytes in
      defer { bytes = nil }
      return bytes
    }
    guard let taken else { throw deadWriter }
    return store.putIfAbsent(name, taken)
  }

  private var deadWriter: StoreError {
    StoreError(.deadWriter, "\(name) can't be written after its end")
  }
}

private final class MemoryObjectReader: ObjectReader {
  private let bytes: [UInt8]
  var byteCount: UInt64 { UInt64(bytes.count) }

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int {
    guard offset < byteCount else { return 0 }
    let start = Int(offset)
    let count = min(target.byteCount, bytes.count - start)
    bytes.withRawSpan { target.copy($0.extracting(start..<(start + count))) }
    return count
  }
}

private final class MemoryObjectHold: ObjectHold {
  private let name: ObjectName
  private let store: MemoryObjectStore

  init(_ name: ObjectName, store: MemoryObjectStore) {
    self.name = name
    self.store = store
  }

  deinit { store.letGo(of: name) }
}
