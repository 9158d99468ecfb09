import SnapStoreFormat
import SnapStoreVault
import Testing

@Suite("What a collection decides of packs")
struct CollectionRoundTests {
  private func pack(_ number: UInt64) -> SerialName {
    SerialName(session: SessionID(high: 1, low: 1), number: number)
  }

  @Test("what an epoch has no room for waits: nothing is deleted that it does not name")
  func limit() throws {
    let listed = Set((1...20).map { pack(UInt64($0)) })
    var base: EpochRecord?
    var gone: Set<SerialName> = []
    for number in 1...12 as ClosedRange<UInt64> {
      var round = CollectionRound(base: base)
      #expect(round.begin([], withOutcomes: []).isEmpty)
      round.firstLook(withOutcomes: [])
      round.secondLook([])
      let left = listed.subtracting(gone)
      let packs = CollectionRound.Packs(listed: left, reached: [], covered: [])
      let verdict = round.decide(packs, limit: 4)
      #expect(verdict.condemned.count <= 4 && verdict.doomed.count <= 4)
      // A condemned pack is one for ever, and a doomed one as long as it is there.
      let named = Set(verdict.condemned.map(\.pack)).union(verdict.doomed)
      let before = Set((base?.condemned ?? []).map(\.pack)).union(base?.doomed ?? [])
      #expect(named.isSuperset(of: before.intersection(left)))
      let deletions = round.deletions(verdict, listed: left, points: [])
      #expect(Set(deletions.packs) == Set(verdict.doomed).intersection(left))
      gone.formUnion(deletions.packs)
      base = EpochRecord(
        number: number, session: SessionID(high: 2, low: number), time: Timestamp(seconds: 0),
        condemned: verdict.condemned, doomed: verdict.doomed)
    }
    #expect(gone == listed)
  }
}
