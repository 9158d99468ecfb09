/// The name of an object: a folder (empty for the top) and a key, each safe as a file name.
package struct ObjectName: Hashable, Sendable, CustomStringConvertible {
  package let folder: String
  package let key: String

  /// Both must satisfy `isValidPart`; the folder may be empty.
  package init(folder: String, key: String) {
    precondition(folder.isEmpty || Self.isValidPart(folder), folder)
    precondition(Self.isValidPart(key), key)
    self.folder = folder
    self.key = key
  }

  /// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit, 128 at the most.
  package static func isValidPart(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    func isPlain(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    guard let first = bytes.first, isPlain(first), bytes.count <= 128 else { return false }
    return bytes.allSatisfy { isPlain($0) || ".-_".utf8.contains($0) }
  }

  package var description: String { folder.isEmpty ? key : "\(folder)/\(key)" }
}

package struct ListedObject: Equatable, Sendable {
  package var name: ObjectName
  package var byteCount: UInt64

  package init(name: ObjectName, byteCount: UInt64) {
    self.name = name
    self.byteCount = byteCount
  }
}

/// Where a vault's objects live.
///
/// Four things are asked of a kind of store, and the contract suite checks them: an object appears
/// whole or not at all, a listing shows what was put before it, of two that create one name one
/// wins, and deletes are seen. What `finish` returned from is durable. An object, once visible,
/// never changes. All methods may be called from any thread.
package protocol ObjectStore: Sendable {
  /// Where it is, for messages.
  var location: String { get }

  /// Begins an object; nothing of it is visible before its writer's `finish`.
  func create(_ name: ObjectName) throws -> any ObjectWriter

  /// Opens an object for reading; nil where there is none.
  func open(_ name: ObjectName) throws -> (any ObjectReader)?

  /// The objects of a folder, in no order; an unknown folder is empty. What is no object (other
  /// kinds of files, names that no object can have) is passed over.
  func list(_ folder: String) throws -> [ListedObject]

  /// Makes durable what a listing of the folder showed, whoever put it there.
  func synchronize(_ folder: String) throws

  /// True if the object was there.
  @discardableResult
  func delete(_ name: ObjectName) throws -> Bool

  /// Puts an object that says somebody lives: as long as the returned hold exists, and its process
  /// does, `isHeld` is true. Nil if the name is taken.
  func putHeld(_ name: ObjectName, _ bytes: [UInt8]) throws -> (any ObjectHold)?

  /// Whether an object put by `putHeld` is still held. False where there is none.
  func isHeld(_ name: ObjectName) throws -> Bool

  /// Frees the space of objects that dead writers began and did not finish; returns their number.
  func removeAbandoned() throws -> Int
  /// How many bytes can be put before the store is full; nil where nothing says so.
  func availableByteCount() throws -> UInt64?
}

/// One object being written. Dead after its first error; what was not finished is abandoned when
/// the last reference goes. One thread at a time.
package protocol ObjectWriter: AnyObject, Sendable {
  func append(_ bytes: RawSpan) throws
  /// Makes the object durable and visible. False if the name was taken meanwhile: nothing changed.
  func finish() throws -> Bool
}

/// One object being read, from any number of threads.
package protocol ObjectReader: AnyObject, Sendable {
  var byteCount: UInt64 { get }
  /// Fills `target` from `offset` on; returns less than its size only at the object's end.
  func read(into target: inout MutableRawSpan, at offset: UInt64) throws -> Int
}

/// Keeps an object held until it is let go of.
package protocol ObjectHold: AnyObject, Sendable {}

extension ObjectStore {
  /// Puts a small object at once. False if the name was taken: nothing changed.
  package func put(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
    let writer = try create(name)
    try bytes.withRawSpan { try writer.append($0) }
    return try writer.finish()
  }

  /// A whole object, of which nothing is read if it is longer than `limit`; nil if there is none.
  package func get(_ name: ObjectName, limit: Int) throws -> [UInt8]? {
    guard let reader = try open(name) else { return nil }
    guard reader.byteCount <= UInt64(limit) else {
      throw StoreError(
        .notAnObject, "\(location)/\(name) is \(reader.byteCount) bytes long, too long to be real")
    }
    return try reader.bytes(0..<reader.byteCount)
  }
}

extension ObjectReader {
  /// A range as an array: shorter only if the object ends before.
  package func bytes(_ range: Range<UInt64>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let count = try bytes.withMutableRawSpan { try read(into: &$0, at: range.lowerBound) }
    if count < bytes.count { bytes.removeLast(bytes.count - count) }
    return bytes
  }
}

extension [UInt8] {
  package func withRawSpan<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    try unsafe withUnsafeBytes { try body(unsafe RawSpan(_unsafeBytes: $0)) }
  }

  package mutating func withMutableRawSpan<Result>(
    _ body: (inout MutableRawSpan) throws -> Result
  ) rethrows -> Result {
    try unsafe withUnsafeMutableBytes {
      var span = unsafe MutableRawSpan(_unsafeBytes: $0)
      return try body(&span)
    }
  }
}

/// A store that is not fit, or holds what is no object.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Code: Equatable, Sendable {
    /// There is no directory at the path.
    case notThere
    /// Something stands where the store was to be made, or nothing can be made there.
    case taken
    /// On a network file system, whose locks and renames do not keep the promises above.
    case networkFileSystem
    /// A link, a device, a directory, or a file too long to be real.
    case notAnObject
    /// A writer was used after its first error.
    case deadWriter
  }

  package var code: Code
  package var message: String
  package var hint: String?

  package init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  package var description: String { message }
}
