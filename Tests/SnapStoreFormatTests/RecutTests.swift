import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Cutting after a change gives what cutting the whole extent gives")
struct RecutTests {
  private let secrets = VaultSecrets(seed: [UInt8](repeating: 7, count: 32))

  /// The parent's pieces, each marked by comparing its bytes.
  private func parent(of old: [UInt8], now new: [UInt8], _ cutter: ChunkCutter) -> [ParentPiece] {
    var pieces: [ExtentPiece] = []
    cutter.cut(old.rawSpan, into: &pieces)
    return pieces.map { piece in
      ParentPiece(
        piece,
        isUnchanged: piece.range.upperBound <= new.count && old[piece.range] == new[piece.range])
    }
  }

  private func expectSame(_ old: [UInt8], _ new: [UInt8], seed: UInt64) {
    let cutter = ChunkCutter(.aligned, secrets: secrets)
    var whole: [ExtentPiece] = []
    cutter.cut(new.rawSpan, into: &whole)
    var recut: [ExtentPiece] = []
    cutter.recut(new.rawSpan, parent: parent(of: old, now: new, cutter), into: &recut)
    #expect(recut == whole, "seed \(seed)")
  }

  /// Blocks of zeros, and of noise from few seeds, so that runs and repeats of all lengths occur.
  private func extent(_ random: SeededRandomness, blocks: Int, zeroShare: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < blocks * 4096 {
      let isZero = random.next() % 100 < zeroShare
      let run = Int(random.next() % 7) + 1
      for _ in 0..<run {
        bytes +=
          isZero
          ? [UInt8](repeating: 0, count: 4096)
          : SeededRandomness(seed: random.next() % 64).bytes(4096)
      }
    }
    return Array(bytes.prefix(blocks * 4096))
  }

  @Test("changed, zeroed and filled blocks anywhere", arguments: 0..<60 as Range<UInt64>)
  func changes(seed: UInt64) {
    let random = SeededRandomness(seed: seed)
    for _ in 0..<4 {
      let old = extent(random, blocks: Int(random.next() % 256) + 1, zeroShare: seed % 3 * 30)
      var new = old
      for _ in 0..<(random.next() % 6) {
        let first = Int(random.next() % UInt64(old.count / 4096))
        let count = min(Int(random.next() % 5) + 1, old.count / 4096 - first)
        for block in first..<(first + count) {
          let range = (block * 4096)..<((block + 1) * 4096)
          switch random.next() % 3 {
          case 0: new.replaceSubrange(range, with: repeatElement(0, count: 4096))
          case 1: new.replaceSubrange(range, with: SeededRandomness(seed: seed).bytes(4096))
          default: new[range.lowerBound + Int(random.next() % 4096)] ^= 1
          }
        }
      }
      expectSame(old, new, seed: seed)
    }
  }

  @Test("an extent at the disk's end that grew or shrank", arguments: 0..<40 as Range<UInt64>)
  func otherLength(seed: UInt64) {
    let random = SeededRandomness(seed: seed)
    let old = extent(random, blocks: 100, zeroShare: 40)
    let length = Int(random.next() % UInt64(old.count)) + 1
    expectSame(Array(old.prefix(length)), old, seed: seed)
    expectSame(old, Array(old.prefix(length)), seed: seed)
  }

  @Test("what did not change is not cut again, what is all new is")
  func extremes() {
    let random = SeededRandomness(seed: 1)
    let old = extent(random, blocks: 200, zeroShare: 30)
    expectSame(old, old, seed: 1)
    expectSame(old, SeededRandomness(seed: 2).bytes(old.count), seed: 2)
    expectSame(old, [UInt8](repeating: 0, count: old.count), seed: 3)
    expectSame([UInt8](repeating: 0, count: old.count), old, seed: 4)
  }
}
