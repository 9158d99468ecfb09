import SnapStoreIO
import Testing

@Suite struct ObjectNameTests {
  @Test(arguments: [
    "a", "Z", "0", "a.b", "a-b_c.d", "20261122T100000Z-abcdef.1", "a..", "unfinished",
    String(repeating: "x", count: 128),
  ])
  func valid(_ text: String) {
    #expect(ObjectName.isValidPart(text))
  }

  @Test(arguments: [
    "", ".", "..", ".a", "-a", "_a", "a/b", "/", "a b", "a\n", "ä", "a\u{301}", "a~", "a%",
    "a:b", "a*", String(repeating: "x", count: 129),
  ])
  func invalid(_ text: String) {
    #expect(!ObjectName.isValidPart(text))
  }

  @Test func everyASCIICharacter() {
    for byte in UInt8(0)..<128 {
      let character = String(UnicodeScalar(byte))
      let isPlain = character.wholeMatch(of: /[A-Za-z0-9]/) != nil
      #expect(ObjectName.isValidPart(character) == isPlain, "\(byte)")
      let isInner = isPlain || character.wholeMatch(of: /[._-]/) != nil
      #expect(ObjectName.isValidPart("a" + character) == isInner, "\(byte)")
    }
  }
}
