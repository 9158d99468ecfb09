import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite struct ByteReaderTests {
  @Test func readsLittleEndianWhatTheWriterWrote() throws {
    var writer = ByteWriter(capacity: 64)
    writer.append(UInt8(0x01))
    writer.append(UInt16(0x0203))
    writer.append(UInt32(0x0405_0607))
    writer.append(UInt64(0x0809_0A0B_0C0D_0E0F))
    writer.append(Int64(-2))
    #expect(
      writer.bytes == [
        1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8, 254, 255, 255, 255, 255, 255, 255, 255,
      ])
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try reader.uint8() == 1)
    #expect(try reader.uint16() == 0x0203)
    #expect(try reader.uint32() == 0x0405_0607)
    #expect(try reader.uint64() == 0x0809_0A0B_0C0D_0E0F)
    #expect(try reader.int64() == -2)
    #expect(reader.offset == writer.count)
    try reader.finish()
  }

  @Test func everyValueCutOffIsRefusedWithItsOffset() {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    for length in 0..<8 {
      let cut = Array(bytes.prefix(length))
      var reader = ByteReader(cut.rawSpan)
      #expect(Refusal.of { () throws(FormatError) in _ = try reader.uint64() } == .damaged)
      #expect(reader.offset == 0, "nothing is taken by a read that fails")
      if length < 4 {
        #expect(Refusal.of { () throws(FormatError) in _ = try reader.uint32() } == .damaged)
      }
      if length < 2 {
        #expect(Refusal.of { () throws(FormatError) in _ = try reader.uint16() } == .damaged)
      }
      #expect(
        Refusal.of { () throws(FormatError) in _ = try reader.byteArray(length + 1) } == .damaged)
    }
    var reader = ByteReader(bytes.rawSpan)
    do throws(FormatError) {
      _ = try reader.uint32()
      _ = try reader.uint64()
      Issue.record("read beyond the end")
    } catch {
      #expect(error.offset == 4)
    }
  }

  @Test(arguments: [-1, Int.min, Int.max]) func impossibleCountsAreRefused(_ count: Int) {
    let bytes: [UInt8] = [1, 2, 3]
    var reader = ByteReader(bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try reader.byteArray(count) } == .damaged)
    #expect(Refusal.of { () throws(FormatError) in try reader.zeros(count) } == .damaged)
  }

  @Test func lengthsKeepTheirLimit() throws {
    for (value, isGood) in [(0, true), (99, true), (100, true), (101, false), (UInt64.max, false)]
      as [(UInt64, Bool)]
    {
      var writer = ByteWriter()
      writer.append(value)
      var reader = ByteReader(writer.bytes.rawSpan)
      let refusal = Refusal.of { () throws(FormatError) in
        _ = try reader.length(limit: 100, of: "it")
      }
      #expect(refusal == (isGood ? .accepted : .damaged), "\(value)")
    }
  }

  @Test(arguments: ["", "a", "ä€😀", String(repeating: "x", count: 1000)])
  func textComesBack(_ text: String) throws {
    var writer = ByteWriter()
    writer.append(text: text)
    #expect(writer.count == 8 + text.utf8.count)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try reader.text() == text)
    try reader.finish()
  }

  @Test(
    arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0x80]] as [[UInt8]])
  func textThatIsNotUTF8IsRefused(_ raw: [UInt8]) {
    var writer = ByteWriter()
    writer.append(UInt64(raw.count))
    writer.append(bytes: raw)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try reader.text() } == .damaged)
  }

  @Test(arguments: [4, 5, 1 << 16, 1 << 17, UInt64.max]) func textLengthsAreBounded(
    _ length: UInt64
  ) {
    var writer = ByteWriter()
    writer.append(length)
    writer.append(bytes: Array("abc".utf8))
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try reader.text() } == .damaged)
  }

  @Test func aTextHasALimit() {
    var writer = ByteWriter()
    writer.append(text: String(repeating: "x", count: FormatLimit.text + 1))
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(Refusal.of { () throws(FormatError) in _ = try reader.text() } == .damaged)
  }

  @Test func reservedBytesMustBeZero() throws {
    for place in 0..<5 {
      var bytes = [UInt8](repeating: 0, count: 5)
      bytes[place] = 1
      var reader = ByteReader(bytes.rawSpan)
      let refusal = Refusal.of { () throws(FormatError) in try reader.zeros(4) }
      #expect(refusal == (place < 4 ? .damaged : .accepted))
    }
  }

  @Test func finishRefusesWhatIsLeft() throws {
    let bytes: [UInt8] = [1, 2]
    var reader = ByteReader(bytes.rawSpan)
    _ = try reader.uint8()
    let refusal = Refusal.of { () throws(FormatError) in try reader.finish() }
    #expect(refusal == .damaged)
  }

  @Test func alignFillsWithZeros() {
    for count in 0...17 {
      var writer = ByteWriter()
      writer.append(bytes: [UInt8](repeating: 1, count: count))
      writer.align(to: 8)
      #expect(writer.count == (count + 7) / 8 * 8)
      #expect(writer.bytes.dropFirst(count).allSatisfy { $0 == 0 })
    }
  }

  @Test func spansAndArraysHoldTheSameBytes() {
    let bytes = DiskImage(seed: 3, [.noise(1001)]).bytes
    #expect(bytes.rawSpan.copied() == bytes)
    #expect(bytes.rawSpan.extracting(7..<500).copied() == Array(bytes[7..<500]))
    #expect([UInt8]().rawSpan.copied() == [])
  }
}
