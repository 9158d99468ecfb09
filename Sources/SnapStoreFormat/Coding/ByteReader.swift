/// Reads little-endian values from bytes that nobody has checked yet.
///
/// Every read is bounds-checked and throws a `FormatError` with the offset of the value that was
/// cut off. The reader borrows the bytes and cannot outlive them.
package struct ByteReader: ~Escapable {
  package let bytes: RawSpan
  package private(set) var offset = 0

  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) {
    self.bytes = bytes
  }

  package var remaining: Int { bytes.byteCount - offset }

  private mutating func take(_ count: Int) throws(FormatError) -> Int {
    guard count >= 0, count <= remaining else {
      throw .damaged("ends too early: \(count) more bytes expected", at: offset)
    }
    defer { offset += count }
    return offset
  }

  package mutating func uint8() throws(FormatError) -> UInt8 {
    let at = try take(1)
    return unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt8.self)
  }

  package mutating func uint16() throws(FormatError) -> UInt16 {
    let at = try take(2)
    return unsafe UInt16(
      littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt16.self))
  }

  package mutating func uint32() throws(FormatError) -> UInt32 {
    let at = try take(4)
    return unsafe UInt32(
      littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self))
  }

  package mutating func uint64() throws(FormatError) -> UInt64 {
    let at = try take(8)
    return unsafe UInt64(
      littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
  }

  package mutating func int64() throws(FormatError) -> Int64 {
    Int64(bitPattern: try uint64())
  }

  /// A stored 64-bit count or length that must not exceed `limit`.
  package mutating func length(limit: Int, of what: String) throws(FormatError) -> Int {
    let start = offset
    let value = try uint64()
    guard value <= UInt64(limit) else {
      throw .damaged("\(what) is \(value), more than the limit of \(limit)", at: start)
    }
    return Int(value)
  }

  /// UTF-8 text behind its 64-bit length in bytes.
  package mutating func text(limit: Int = FormatLimit.text) throws(FormatError) -> String {
    let start = offset
    let count = try length(limit: min(limit, bytes.byteCount), of: "a text's length")
    let raw = try byteArray(count)
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw .damaged("a text is not UTF-8", at: start)
    }
    return text
  }

  package mutating func byteArray(_ count: Int) throws(FormatError) -> [UInt8] {
    let at = try take(count)
    return bytes.extracting(at..<(at + count)).copied()
  }

  /// Bytes that this version leaves zero.
  package mutating func zeros(_ count: Int) throws(FormatError) {
    let at = try take(count)
    for index in at..<(at + count)
    where unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self) != 0 {
      throw .damaged("a reserved byte is not zero", at: index)
    }
  }

  /// Nothing may follow.
  package func finish() throws(FormatError) {
    guard remaining == 0 else {
      throw .damaged("\(remaining) bytes more than expected", at: offset)
    }
  }
}

extension [UInt8] {
  /// The array's bytes, borrowed. (`Span.bytes` counts as unsafe for element types with padding.)
  package var rawSpan: RawSpan {
    @_lifetime(borrow self) get { unsafe span.bytes }
  }
}

extension RawSpan {
  /// The bytes as an array of their own.
  package func copied() -> [UInt8] {
    // An empty array made below would write its length to the one empty array that all threads
    // share: a race, though of zeros.
    guard byteCount > 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      unsafe withUnsafeBytes { source in
        unsafe UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
      }
      count = byteCount
    }
  }
}
