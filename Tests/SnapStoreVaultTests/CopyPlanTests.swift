import SnapStoreFormat
import SnapStoreVault
import Testing

@Suite("Which packs a collection writes anew")
struct CopyPlanTests {
  private static let megabyte: UInt64 = 1_000_000

  private func name(_ number: UInt64) -> SerialName {
    SerialName(session: SessionID(high: 1, low: 1), number: number)
  }

  /// A pack of so many megabytes, of which so many are dead.
  private func pack(
    _ number: UInt64, size: UInt64 = 100, dead: UInt64 = 0, recordCount: Int = 100,
    isUnfit: Bool = false, holdsNodes: Bool = false
  ) -> CopyPlan.Pack {
    CopyPlan.Pack(
      name: name(number), byteCount: size * Self.megabyte, recordByteCount: size * Self.megabyte,
      liveByteCount: (size - dead) * Self.megabyte, recordCount: recordCount, isUnfit: isUnfit,
      holdsNodes: holdsNodes)
  }

  /// The numbers of the victims where a tenth may be dead.
  private func victims(of packs: [CopyPlan.Pack], mergingSmall: Bool = true) -> [UInt64] {
    CopyPlan.victims(of: packs, maximumDeadPercent: 10, mergingSmall: mergingSmall)
      .map(\.number)
  }

  /// So many packs of a megabyte.
  private func small(_ count: UInt64, recordCount: Int = 100) -> [CopyPlan.Pack] {
    (1...count).map { pack($0, size: 1, recordCount: recordCount) }
  }

  @Test("the worst ones, until no more than the given share of what is left is dead")
  func worst() {
    let whole = (11...18).map { pack($0) }
    #expect(victims(of: whole) == [])
    #expect(victims(of: whole + [pack(1, dead: 40), pack(2, dead: 50)]) == [], "9 % are")
    #expect(victims(of: whole + [pack(1, dead: 60), pack(2, dead: 50)]) == [1], "11 % are")
    #expect(victims(of: whole + [pack(1, size: 200, dead: 70), pack(2, dead: 60)]) == [2])
    let three = [pack(1, dead: 70), pack(2, dead: 80), pack(3, dead: 60)]
    #expect(victims(of: whole + three) == [1, 2])
  }

  @Test("what is unfit always, and never what nothing needs")
  func unfit() {
    let packs = [
      pack(1), pack(2, isUnfit: true), pack(3, dead: 100), pack(4, dead: 100, isUnfit: true),
    ]
    #expect(victims(of: packs) == [2])
  }

  @Test("small ones of a size and a kind, where there are eight, unless they have many records")
  func small() {
    #expect(victims(of: small(7)) == [])
    #expect(victims(of: small(8)) == Array(1...8))
    #expect(victims(of: small(8), mergingSmall: false) == [])
    #expect(victims(of: small(7) + [pack(8, size: 1, holdsNodes: true)]) == [])
    #expect(victims(of: small(7) + [pack(8, size: 5)]) == [])
    #expect(victims(of: (1...8).map { pack($0, size: 9) }) == [])
    let half = PackWriter.recordsPerPack / 2
    #expect(victims(of: small(8, recordCount: half)) == [])
    #expect(victims(of: small(8, recordCount: half - 1)) == Array(1...8))
  }
}
