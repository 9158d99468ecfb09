/// Collects little-endian values: the counterpart of `ByteReader`.
package struct ByteWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 0) {
    bytes.reserveCapacity(capacity)
  }

  package var count: Int { bytes.count }

  /// The bytes that were collected, of which the writer keeps none.
  package mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  package mutating func append(_ value: some FixedWidthInteger) {
    var little = value.littleEndian
    unsafe withUnsafeBytes(of: &little) { unsafe bytes.append(contentsOf: $0) }
  }

  package mutating func append(bytes more: [UInt8]) {
    bytes.append(contentsOf: more)
  }

  /// UTF-8 behind its 64-bit length.
  package mutating func append(text: String) {
    let utf8 = Array(text.utf8)
    append(UInt64(utf8.count))
    append(bytes: utf8)
  }

  package mutating func appendZeros(_ count: Int) {
    bytes.append(contentsOf: repeatElement(0, count: count))
  }

  /// Zeros up to the next multiple of `alignment`.
  package mutating func align(to alignment: Int) {
    appendZeros((alignment - count % alignment) % alignment)
  }
}
