/// How far the local time of a place is from UTC at each moment, by the system's time zone files
/// (TZif, RFC 8536, with the rule of its footer for what comes after the last entry).
package struct TimeZoneRules: Hashable, Sendable {
  package static let utc = TimeZoneRules(starts: [], offsets: [], first: 0, rule: nil)
  /// No file is larger.
  package static let maximumByteCount = 1 << 20

  /// Seconds since 1970, ascending, at each of which the offset beside it begins.
  private let starts: [Int64]
  private let offsets: [Int]
  /// What holds before all of them.
  private let first: Int
  /// What holds after the last.
  private let rule: DaylightRule?

  private init(starts: [Int64], offsets: [Int], first: Int, rule: DaylightRule?) {
    self.starts = starts
    self.offsets = offsets
    self.first = first
    self.rule = rule
  }

  /// Seconds to add to UTC, at `seconds` since 1970.
  package func offset(at seconds: Int64) -> Int {
    guard let last = starts.last, seconds < last else {
      return rule?.offset(at: seconds) ?? offsets.last ?? first
    }
    // The last start that is not behind `seconds`.
    var range = 0..<starts.count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      if starts[middle] <= seconds {
        range = (middle + 1)..<range.upperBound
      } else {
        range = range.lowerBound..<middle
      }
    }
    return range.lowerBound == 0 ? first : offsets[range.lowerBound - 1]
  }

  /// The local time as if it were UTC.
  package func local(_ time: Timestamp) -> Timestamp {
    Timestamp(
      seconds: time.seconds + Int64(offset(at: time.seconds)), nanoseconds: time.nanoseconds)
  }
}

extension TimeZoneRules {
  /// What stands in one of the two headers of a file.
  private struct Header {
    static let byteCount = 44
    var isVersion1: Bool
    var utcFlags, standardFlags, leaps, times, types, characters: Int

    init(_ file: inout BigEndianReader) throws(FormatError) {
      guard try file.bytes(4) == Array("TZif".utf8) else {
        throw .damaged("is no time zone file")
      }
      isVersion1 = try file.bytes(1) == [0]
      _ = try file.bytes(15)
      utcFlags = try file.count()
      standardFlags = try file.count()
      leaps = try file.count()
      times = try file.count()
      types = try file.count()
      characters = try file.count()
      guard types > 0 else { throw .damaged("has no local time at all") }
    }

    func bodyByteCount(ofTime byteCount: Int) -> Int {
      times * (byteCount + 1) + types * 6 + characters + leaps * (byteCount + 4) + standardFlags
        + utcFlags
    }
  }

  /// From the bytes of a file. Throws `FormatError` where it is not one, or has no more than the
  /// 32-bit times of long ago.
  package init(decoding bytes: [UInt8]) throws(FormatError) {
    guard bytes.count <= Self.maximumByteCount else { throw .damaged("is too long") }
    var file = BigEndianReader(bytes: bytes)
    let old = try Header(&file)
    guard !old.isVersion1 else { throw .unsupported("is a time zone file of version 1") }
    _ = try file.bytes(old.bodyByteCount(ofTime: 4))
    let header = try Header(&file)
    var starts: [Int64] = []
    for _ in 0..<header.times { starts.append(try file.int64()) }
    let kinds = try file.bytes(header.times)
    var types: [Int] = []
    for _ in 0..<header.types {
      types.append(Int(try file.int32()))
      _ = try file.bytes(2)
    }
    guard zip(starts, starts.dropFirst()).allSatisfy({ $0 < $1 }),
      kinds.allSatisfy({ Int($0) < types.count }), types.allSatisfy({ abs($0) < 26 * 3600 })
    else { throw .damaged("has times out of order, or impossible ones") }
    _ = try file.bytes(header.characters + header.leaps * 12 + header.standardFlags)
    _ = try file.bytes(header.utcFlags)
    let footer = file.rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard footer.count == 3, footer[0].isEmpty, footer[2].isEmpty else {
      throw .damaged("has no rule for the time to come")
    }
    self.init(
      starts: starts, offsets: kinds.map { types[Int($0)] }, first: types[0],
      rule: footer[1].isEmpty ? nil : try DaylightRule(Array(footer[1])))
  }
}

/// The numbers of a time zone file.
private struct BigEndianReader {
  private let all: [UInt8]
  private var offset = 0

  init(bytes: [UInt8]) {
    all = bytes
  }

  var rest: ArraySlice<UInt8> { all[offset...] }

  mutating func bytes(_ count: Int) throws(FormatError) -> [UInt8] {
    guard count <= all.count - offset else { throw .damaged("ends too early", at: offset) }
    defer { offset += count }
    return Array(all[offset..<(offset + count)])
  }

  mutating func int32() throws(FormatError) -> Int32 {
    Int32(bitPattern: try bytes(4).reduce(0) { $0 << 8 | UInt32($1) })
  }

  mutating func int64() throws(FormatError) -> Int64 {
    Int64(bitPattern: try bytes(8).reduce(0) { $0 << 8 | UInt64($1) })
  }

  mutating func count() throws(FormatError) -> Int {
    let count = try int32()
    guard (0...(1 << 16)).contains(count) else {
      throw .damaged("counts \(count) of something", at: offset)
    }
    return Int(count)
  }
}
