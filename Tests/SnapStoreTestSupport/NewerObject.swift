internal import SnapStoreFormat

/// A whole object as a program of a later version may write it: the bit 0x40 of a byte of the
/// header is turned, in its version (12) or its required features (16), and the checksum is right.
package func asNewer(_ object: [UInt8], at offset: Int = 12) -> [UInt8] {
  var bytes = object
  bytes[offset] ^= 0x40
  let tableEnd = ObjectHeader.byteCount + Int(bytes[40]) * SectionEntry.byteCount
  let checksum = Checksum.of(Array(bytes[..<48] + bytes[64..<tableEnd]).rawSpan)
  for place in 0..<8 {
    bytes[48 + place] = UInt8(truncatingIfNeeded: checksum >> UInt64(8 * place))
  }
  return bytes
}
