import SnapStoreFormat
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("A report of damage") struct DamageReportTests {
  private func id(_ number: UInt64) -> ChunkID { ChunkID(number, 0, 0, 0) }

  private func place(_ number: UInt64, _ offset: UInt64) -> ChunkLocation {
    ChunkLocation(
      pack: SerialName(session: SessionID(high: 1, low: 2), number: number),
      record: RecordPlace(offset: offset, rawLength: 1, storedLength: 1, codec: .raw))
  }

  private func point(_ number: UInt32) -> PointID {
    PointID(time: Timestamp(seconds: 1_700_000_000), random: number)
  }

  @Test("ranges that touch or overlap are one, whatever order they come in")
  func ranges() throws {
    let report = DamageReport()
    let disk = try #require(Name("disk"))
    for range in [8..<10, 0..<4, 4..<6, 20..<30, 9..<12] as [Range<UInt64>] {
      report.lose(range, ofDisk: disk, of: point(1), id(1), .chunk, locations: [place(1, 64)])
    }
    let losses = report.damages().flatMap(\.losses)
    #expect(losses.map(\.ranges) == [[0..<6, 8..<12, 20..<30]])
  }

  @Test("a chunk of which all copies are damaged is lost by each of them")
  func copies() throws {
    let report = DamageReport()
    let disk = try #require(Name("disk"))
    for pack in 1...2 as ClosedRange<UInt64> {
      let finding = DamageRecord.Finding(
        id: id(7), kind: .chunk, address: place(pack, 64).address)
      report.add(record: finding, "is wrong")
      report.add(record: finding, "is wrong")
    }
    report.lose(0..<1, ofDisk: disk, of: point(1), id(7), .chunk, locations: [place(1, 64)])
    #expect(report.damages().map(\.losses.count) == [1, 1])
  }

  @Test("whatever a vault has lost, the report is bounded, and no point that loses is left out")
  func bounded() throws {
    let report = DamageReport(limit: 10)
    let disk = try #require(Name("disk"))
    for number in 0..<1000 as Range<UInt64> {
      let finding = DamageRecord.Finding(
        id: id(number), kind: .chunk, address: place(number % 5, 64 + number).address)
      report.add(record: finding, "is wrong")
    }
    for number in 0..<1000 as Range<UInt64> {
      for offset in 0..<3 as Range<UInt64> {
        report.lose(
          (number * 100 + offset * 10)..<(number * 100 + offset * 10 + 1), ofDisk: disk,
          of: point(UInt32(number % 50)), id(number), .chunk,
          locations: number % 2 == 0 ? [place(number % 5, 64 + number)] : [])
      }
    }
    let damages = report.damages()
    #expect(damages.count <= 10 + 5 + 1)
    #expect(damages.flatMap(\.losses).reduce(0) { $0 + $1.ranges.count } <= 10)
    #expect(Set(damages.flatMap(\.losses).map(\.point)).count == 50)
    #expect(damages.flatMap(\.losses).count <= 60)
    #expect(report.lossCount == 3000)
  }
}
