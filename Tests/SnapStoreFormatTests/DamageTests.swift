import SnapStoreFormat
import SnapStoreTestSupport
import Testing

/// A small encoded object, and how it is decoded.
struct Encoding: Sendable, CustomTestStringConvertible {
  var name: String
  /// Of an object that is decoded as what it is.
  var kind: ObjectKind?
  var bytes: @Sendable () throws -> [UInt8]
  var decode: @Sendable ([UInt8]) throws(FormatError) -> Void

  var testDescription: String { name }

  static let all: [Encoding] = [
    Encoding(name: "frame", bytes: { try Sample.descriptor().encoded() }) {
      (bytes) throws(FormatError) in
      _ = try SectionedObject(decoding: bytes.rawSpan, expecting: .vault)
    },
    Encoding(name: "descriptor", kind: .vault, bytes: { try Sample.descriptor().encoded() }) {
      (bytes) throws(FormatError) in _ = try VaultDescriptor(decoding: bytes.rawSpan)
    },
    Encoding(name: "point", kind: .point, bytes: { try Sample.point().encoded() }) {
      (bytes) throws(FormatError) in _ = try RecoveryPoint(decoding: bytes.rawSpan)
    },
    Encoding(
      name: "point with signals", kind: .point,
      bytes: {
        var point = try Sample.point()
        point.signals = Sample.signals
        return point.encoded()
      }
    ) { (bytes) throws(FormatError) in _ = try RecoveryPoint(decoding: bytes.rawSpan) },
    Encoding(name: "session", kind: .session, bytes: { Sample.sessionRecord.encoded() }) {
      (bytes) throws(FormatError) in _ = try SessionRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "outcome", kind: .outcome, bytes: { Sample.outcome.encoded() }) {
      (bytes) throws(FormatError) in _ = try SessionOutcome(decoding: bytes.rawSpan)
    },
    Encoding(name: "damage", kind: .damage, bytes: { Sample.damage.encoded() }) {
      (bytes) throws(FormatError) in _ = try DamageRecord(decoding: bytes.rawSpan)
    },
    Encoding(
      name: "verification", kind: .verification, bytes: { Sample.lossyVerification.encoded() }
    ) {
      (bytes) throws(FormatError) in _ = try VerificationRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "epoch", kind: .epoch, bytes: { Sample.epoch.encoded() }) {
      (bytes) throws(FormatError) in _ = try EpochRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "tombstone", kind: .tombstone, bytes: { try Sample.tombstone().encoded() }) {
      (bytes) throws(FormatError) in _ = try TombstoneRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "policy", kind: .policy, bytes: { try Sample.policy().encoded() }) {
      (bytes) throws(FormatError) in _ = try PolicyRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "machine", kind: .machine, bytes: { try Sample.machine().encoded() }) {
      (bytes) throws(FormatError) in _ = try MachineRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "pin", kind: .pin, bytes: { Sample.pin.encoded() }) {
      (bytes) throws(FormatError) in _ = try PinRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "review", kind: .review, bytes: { Sample.review.encoded() }) {
      (bytes) throws(FormatError) in _ = try ReviewRecord(decoding: bytes.rawSpan)
    },
    Encoding(name: "jobs", kind: .jobs, bytes: { try Sample.jobs().encoded() }) {
      (bytes) throws(FormatError) in _ = try JobsObject(decoding: bytes.rawSpan)
    },
    Encoding(name: "record head", bytes: { Sample.encoded(Sample.record) }) {
      (bytes) throws(FormatError) in _ = try PackRecord(decodingHead: bytes.rawSpan)
    },
    Encoding(name: "pack header", bytes: { PackLayout.header() }) {
      (bytes) throws(FormatError) in try PackLayout.checkHeader(bytes.rawSpan)
    },
    Encoding(name: "index page", bytes: { IndexFilter.encodePages(over: Sample.entries(3)) }) {
      (bytes) throws(FormatError) in
      guard bytes.count == IndexPage.byteCount else { throw .damaged("not a whole page") }
      try IndexPage.check(bytes.rawSpan)
    },
  ]
}

@Suite struct DamageTests {
  @Test(arguments: Encoding.all) func whatIsWholeIsAccepted(_ encoding: Encoding) throws {
    try encoding.decode(try encoding.bytes())
  }

  @Test(arguments: Encoding.all) func everyFlippedBitIsRefused(_ encoding: Encoding) throws {
    let bytes = try encoding.bytes()
    for bit in 0..<(bytes.count * 8) {
      let flipped = bytes.flipping(bit: bit)
      let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(flipped) }
      guard refusal != .accepted else {
        Issue.record("bit \(bit % 8) of byte \(bit / 8) of \(bytes.count) may flip")
        return
      }
    }
  }

  @Test(arguments: Encoding.all) func everyOverwrittenByteIsRefused(_ encoding: Encoding) throws {
    let bytes = try encoding.bytes()
    for place in bytes.indices {
      for value in [0x00, 0x01, 0x7F, 0xFF, bytes[place] &+ 1, bytes[place] &- 1]
      where value != bytes[place] {
        var changed = bytes
        changed[place] = value
        let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(changed) }
        guard refusal != .accepted else {
          Issue.record("byte \(place) of \(bytes.count) may become \(value)")
          return
        }
      }
    }
  }

  @Test(arguments: Encoding.all) func everyTruncationIsRefused(_ encoding: Encoding) throws {
    let bytes = try encoding.bytes()
    for length in bytes.indices {
      let cut = Array(bytes.prefix(length))
      let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(cut) }
      #expect(refusal == .damaged, "cut to \(length) of \(bytes.count)")
    }
  }

  /// A record's head and a pack's header are decoded from longer spans; all else must end.
  @Test(arguments: Encoding.all.filter { !["record head", "pack header"].contains($0.name) })
  func moreBytesAreRefused(_ encoding: Encoding) throws {
    let bytes = try encoding.bytes()
    for more in [1, 7, 8, 64] {
      let longer = bytes + [UInt8](repeating: 0, count: more)
      let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(longer) }
      #expect(refusal == .damaged, "\(more) more")
    }
  }

  @Test(arguments: Encoding.all, 0..<4 as Range<UInt64>)
  func noiseIsRefused(_ encoding: Encoding, _ seed: UInt64) throws {
    let bytes = try encoding.bytes()
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<50 {
      // Noise alone, then noise behind a beginning that is right.
      let length = Int.random(in: 0...bytes.count, using: &generator)
      let noise = generator.bytes(bytes.count)
      for changed in [noise, Array(bytes.prefix(length)) + noise.dropFirst(length)]
      where changed != bytes {
        let refusal = Refusal.of { () throws(FormatError) in try encoding.decode(changed) }
        #expect(refusal != .accepted, "seed \(seed)")
      }
    }
  }

  @Test func oneKindOfObjectIsNotTakenForAnother() throws {
    let objects: [(ObjectKind, [UInt8])] = [
      (.vault, try Sample.descriptor().encoded()), (.point, try Sample.point().encoded()),
      (.session, Sample.sessionRecord.encoded()), (.outcome, Sample.outcome.encoded()),
    ]
    for (kind, bytes) in objects {
      for expected in ObjectKind.allCases {
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try SectionedObject(decoding: bytes.rawSpan, expecting: expected)
        }
        #expect(refusal == (expected == kind ? .accepted : .damaged))
      }
    }
  }

  /// Map nodes have no checksum of their own, since their name is one: a flipped bit is refused or
  /// gives another node, and what is accepted is encoded to the same bytes again.
  @Test func everyBitOfAMapNodeMatters() throws {
    let extent = Sample.extentNode.encoded()
    for bit in 0..<(extent.count * 8) {
      let flipped = extent.flipping(bit: bit)
      do throws(FormatError) {
        let node = try ExtentNode(
          decoding: flipped.rawSpan, extentLength: Sample.extentLength)
        #expect(node.encoded() == flipped, "bit \(bit)")
      } catch {
        #expect(error.code == .damaged)
      }
    }
    let span = Sample.spanNode.encoded()
    for bit in 0..<(span.count * 8) {
      let flipped = span.flipping(bit: bit)
      do throws(FormatError) {
        let node = try SpanNode(decoding: flipped.rawSpan, level: 2, childCount: 3)
        #expect(node.encoded() == flipped, "bit \(bit)")
      } catch {
        #expect(error.code == .damaged)
      }
    }
  }

  @Test func everyTruncationOfAMapNodeIsRefused() {
    let extent = Sample.extentNode.encoded()
    let span = Sample.spanNode.encoded()
    for length in 0..<max(extent.count, span.count) {
      let (extentCut, spanCut) = (Array(extent.prefix(length)), Array(span.prefix(length)))
      if length < extent.count {
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try ExtentNode(decoding: extentCut.rawSpan, extentLength: Sample.extentLength)
        }
        #expect(refusal == .damaged)
      }
      if length < span.count {
        let refusal = Refusal.of { () throws(FormatError) in
          _ = try SpanNode(decoding: spanCut.rawSpan, level: 2, childCount: 3)
        }
        #expect(refusal == .damaged)
      }
    }
  }
}
