import SnapStoreFormat
import Testing

@Suite struct HexadecimalTests {
  @Test func writesTwoLowerCaseDigitsAByte() {
    #expect(Hexadecimal.text([0x00, 0x0A, 0xF0, 0xFF]) == "000af0ff")
    #expect(Hexadecimal.text([UInt8]()).isEmpty)
  }

  @Test func readsWhatItWrites() {
    let all = Array(UInt8.min...UInt8.max)
    #expect(Hexadecimal.bytes(Hexadecimal.text(all)) == all)
    #expect(Hexadecimal.bytes("") == [])
  }

  @Test(arguments: ["0", "000", "0g", "AB", "0A", " 0", "0x", "é0", "٠٠", "+1", "-1"])
  func refuses(_ text: String) {
    #expect(Hexadecimal.bytes(text) == nil)
  }
}
