import SnapStoreEngine
import SnapStoreFormat
import SnapStoreSuites
import SnapStoreTestSupport
import Testing

/// What measures vaults of millions of chunks, with some thousands.
@Suite("A vault of many chunks")
struct ScaleVaultTests {
  private let directory: TemporaryDirectory
  private let scale: ScaleVault

  init() throws {
    directory = try TemporaryDirectory()
    var scale = ScaleVault(
      path: directory.path("vault"), chunkCount: 4_096, chunkByteCount: 4096, diskCount: 2)
    scale.churnRunByteCount = 16 << 10
    self.scale = scale
  }

  @Test("every chunk is new on the first day, and stored in little space")
  func firstDay() throws {
    let figures = try scale.backUp(day: 0).point.figures
    #expect(figures.newByteCount == 4_096 * 4_096)
    #expect(figures.storedByteCount < 4_096 * 400)
    let lookups = try scale.lookUp(count: 100)
    #expect(lookups.hitsPerSecond > 0 && lookups.missesPerSecond > 0)
  }

  @Test("about a hundredth is new on each later day")
  func laterDays() throws {
    _ = try scale.backUp(day: 0)
    for day in 1...2 as ClosedRange<UInt64> {
      let point = try scale.backUp(day: day).point
      #expect(point.parent != nil)
      let share = Double(point.figures.newByteCount) / (4_096 * 4_096)
      #expect((0.001...0.03).contains(share), "day \(day): \(share)")
    }
  }
}
