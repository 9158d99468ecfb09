/// 128 random bits that name a vault.
package struct VaultID: Hashable, Sendable, CustomStringConvertible {
  package static let byteCount = 16
  package let bytes: [UInt8]

  package init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  package var description: String { Hexadecimal.text(bytes) }
}

/// 128 random bits that name one writer's or long reader's run against a vault.
package struct SessionID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package static let byteCount = 16
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// From 32 lower-case hexadecimal digits; nil for anything else.
  package init?(_ text: some StringProtocol) {
    guard let bytes = Hexadecimal.bytes(text), bytes.count == Self.byteCount else { return nil }
    high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
  }

  package var description: String {
    Hexadecimal.text(high.bigEndianBytes) + Hexadecimal.text(low.bigEndianBytes)
  }

  package static func < (left: SessionID, right: SessionID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  /// Stored as its sixteen bytes in the order of its text.
  package init(from reader: inout ByteReader) throws(FormatError) {
    high = try reader.uint64().byteSwapped
    low = try reader.uint64().byteSwapped
  }

  package func encode(to writer: inout ByteWriter) {
    writer.append(high.byteSwapped)
    writer.append(low.byteSwapped)
  }
}

/// Names a pack or an index segment: the session that wrote it, and a number within the session.
package struct SerialName: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let session: SessionID
  package let number: UInt64

  package init(session: SessionID, number: UInt64) {
    self.session = session
    self.number = number
  }

  /// From the text that `description` gives; nil for anything else, other spellings included.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let session = SessionID(parts[0]),
      let number = Hexadecimal.number(parts[1])
    else { return nil }
    self.init(session: session, number: number)
  }

  package var description: String {
    "\(session)-\(Hexadecimal.text(number: number))"
  }

  package static func < (left: SerialName, right: SerialName) -> Bool {
    (left.session, left.number) < (right.session, right.number)
  }

  /// Stored as the session's ID (16 bytes) and the number (8).
  package init(from reader: inout ByteReader) throws(FormatError) {
    session = try SessionID(from: &reader)
    number = try reader.uint64()
  }

  package func encode(to writer: inout ByteWriter) {
    session.encode(to: &writer)
    writer.append(number)
  }
}

extension UInt64 {
  package var bigEndianBytes: [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: self >> UInt64(56 - 8 * $0)) }
  }
}
