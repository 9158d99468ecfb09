import SnapStoreFormat
import Testing

@Suite struct NameTests {
  static let good = [
    "a", "Z", "0", "web-1", "a.b_c-d", "0.", "A--", String(repeating: "x", count: 64),
  ]
  static let bad = [
    "", ".", "..", "-a", "_a", ".a", "a b", "a/b", "a\n", "ä", "a\u{301}", "a=b", "a:b",
    "٣", String(repeating: "x", count: 65), " a", "a ",
  ]

  @Test(arguments: good) func accepts(_ text: String) throws {
    let name = try #require(Name(text))
    #expect(name.text == text)
    #expect(name.description == text)
    var writer = ByteWriter()
    writer.append(text: text)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try Name(from: &reader) == name)
  }

  @Test(arguments: bad) func refusesWhenTypedAndWhenRead(_ text: String) {
    #expect(Name(text) == nil)
    var writer = ByteWriter()
    writer.append(text: text)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try Name(from: &reader) } == .damaged)
  }

  @Test func everyASCIICharacterIsJudgedByTheRule() {
    for byte in UInt8(0)..<128 {
      let character = String(UnicodeScalar(byte))
      let isPlain = character.wholeMatch(of: /[A-Za-z0-9]/) != nil
      let isInner = character.wholeMatch(of: /[A-Za-z0-9._-]/) != nil
      #expect((Name(character) != nil) == isPlain, "\(byte)")
      #expect((Name("a" + character) != nil) == isInner, "\(byte)")
    }
  }
}

@Suite struct PointIDTests {
  @Test func isMadeOfTimeAndRandomDigits() {
    #expect(Sample.pointID.text == "20261122T100000Z-abcdef")
    #expect(PointID(time: Sample.time, random: 0xFF00_0001).text == "20261122T100000Z-000001")
    #expect(
      PointID(time: Timestamp(seconds: 0), random: 0).text == "19700101T000000Z-000000")
  }

  @Test func comesBackFromItsText() throws {
    let id = try #require(PointID("20261122T100000Z-0a9f00"))
    #expect(id.text == "20261122T100000Z-0a9f00")
    #expect(PointID(Sample.pointID.text) == Sample.pointID)
    var writer = ByteWriter()
    writer.append(text: id.text)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try PointID(from: &reader) == id)
  }

  @Test func ordersByTime() {
    #expect(Sample.parentID < Sample.pointID)
  }

  @Test(arguments: [
    "", "latest", "20261122T100000Z", "20261122T100000Z-", "20261122T100000Z-abcde",
    "20261122T100000Z-abcdef0", "20261122T100000Z-ABCDEF", "20261122T100000Z-abcdeg",
    "20261122t100000Z-abcdef", "20261122T100000z-abcdef", "20261122T100000Z_abcdef",
    "2026112aT100000Z-abcdef", "20261122T10000aZ-abcdef", "20261122T100000Z-abcd/f",
    "../61122T100000Z-abcdef", "20261122T100000Z-abcdé", "+0261122T100000Z-abcdef",
  ])
  func refuses(_ text: String) {
    #expect(PointID(text) == nil)
    var writer = ByteWriter()
    writer.append(text: text)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try PointID(from: &reader) } == .damaged)
  }

  @Test func everyChangedCharacterOutsideOfItsClassIsRefused() {
    let text = Array(Sample.pointID.text.utf8)
    for place in text.indices {
      for byte in UInt8(0)..<128 {
        var changed = text
        changed[place] = byte
        let isDigit = (48...57).contains(byte)
        let fits =
          switch place {
          case 8, 15, 16: byte == text[place]
          case 17...: isDigit || (97...102).contains(byte)
          default: isDigit
          }
        #expect((PointID(String(decoding: changed, as: UTF8.self)) != nil) == fits)
      }
    }
  }
}

@Suite struct SessionIDTests {
  static let text = "00112233445566778899aabbccddeeff"

  @Test func comesBackFromItsText() throws {
    #expect(Sample.session.description == Self.text)
    #expect(SessionID(Self.text) == Sample.session)
    let small = SessionID(high: 0, low: 1)
    #expect(small.description == String(repeating: "0", count: 31) + "1")
    #expect(SessionID(small.description) == small)
  }

  @Test func isStoredInTheOrderOfItsText() throws {
    var writer = ByteWriter()
    Sample.session.encode(to: &writer)
    #expect(Hexadecimal.text(writer.bytes) == Self.text)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try SessionID(from: &reader) == Sample.session)
  }

  @Test(arguments: [
    "", "00", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeef",
    "00112233445566778899aabbccddeeff0", "00112233445566778899aabbccddeeff00",
    "0x112233445566778899aabbccddeeff", "00112233-445566778899aabbccddeef",
  ])
  func refuses(_ text: String) {
    #expect(SessionID(text) == nil)
  }

  @Test func ordersAsItsTextDoes() {
    let ids = [
      SessionID(high: 2, low: 0), SessionID(high: 0, low: .max), SessionID(high: 1, low: 5),
    ]
    #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
  }
}

@Suite struct SerialNameTests {
  static let session = SessionIDTests.text

  @Test(arguments: [
    (0, "00000000"), (0x1F, "0000001f"), (0xFFFF_FFFF, "ffffffff"), (0x1_0000_0000, "100000000"),
    (UInt64.max, "ffffffffffffffff"),
  ])
  func comesBackFromItsText(_ number: UInt64, _ digits: String) {
    let name = SerialName(session: Sample.session, number: number)
    #expect(name.description == "\(Self.session)-\(digits)")
    #expect(SerialName(name.description) == name)
  }

  @Test(arguments: [
    "", "-", "0000001f", "\(session)", "\(session)-", "\(session)-1f", "\(session)-0000001F",
    "\(session)-+000001f", "\(session)-000000001f", "\(session)-00000000-",
    "\(session)-10000000000000000", "\(session)--0000001", "\(session)-0000001g",
    "\(session) -0000001f", "-\(session)-0000001f",
  ])
  func refuses(_ text: String) {
    #expect(SerialName(text) == nil)
  }
}

@Suite struct VaultIDTests {
  @Test func hasSixteenBytes() throws {
    for count in [0, 15, 17, 32] {
      #expect(VaultID([UInt8](repeating: 1, count: count)) == nil)
    }
    #expect(try Sample.vaultID().description == "f0efeeedecebeae9e8e7e6e5e4e3e2e1")
  }
}
