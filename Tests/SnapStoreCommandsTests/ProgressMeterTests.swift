import SnapStoreCommands
import Testing

@Suite("How fast a run goes, and its line")
struct ProgressMeterTests {
  private static let mebibyte = UInt64(1) << 20

  /// After so many steps of a tenth of a second, each of `perStep` bytes.
  private func meter(steps: Int, perStep: UInt64, total: UInt64, from start: UInt64 = 0)
    -> ProgressMeter
  {
    var meter = ProgressMeter()
    for step in 0...steps {
      meter.observe(
        doneByteCount: start + UInt64(step) * perStep, totalByteCount: total,
        atSeconds: 1000 + Double(step) / 10)
    }
    return meter
  }

  @Test("a steady run has its rate from the second look on")
  func steady() throws {
    #expect(ProgressMeter().bytesPerSecond == nil)
    #expect(meter(steps: 0, perStep: 5, total: 100).bytesPerSecond == nil)
    for steps in [1, 10, 1000] {
      let rate = try #require(meter(steps: steps, perStep: 100, total: 1_000_000).bytesPerSecond)
      #expect(abs(rate - 1000) < 0.001)
    }
  }

  @Test("what a run had done when it was first seen says nothing about its rate")
  func lateStart() throws {
    let rate = try #require(
      meter(steps: 5, perStep: 100, total: 1_000_000, from: 500_000).bytesPerSecond)
    #expect(abs(rate - 1000) < 0.001)
  }

  @Test("a jump counts for a while, then the new rate does")
  func smoothing() throws {
    var meter = meter(steps: 300, perStep: 100, total: 1_000_000_000)
    var done: UInt64 = 300 * 100
    func rate(afterSteps steps: Int) throws -> Double {
      for step in 1...steps {
        done += 1000
        meter.observe(
          doneByteCount: done, totalByteCount: 1_000_000_000,
          atSeconds: 1030 + Double(step) / 10)
      }
      return try #require(meter.bytesPerSecond)
    }
    let soon = try rate(afterSteps: 10)
    #expect(soon > 1500 && soon < 4000, "\(soon)")
    // Another stretch on the same clock would go back in time: begin a fresh meter for it.
    meter = self.meter(steps: 300, perStep: 100, total: 1_000_000_000)
    done = 300 * 100
    let late = try rate(afterSteps: 300)
    #expect(late > 9900 && late <= 10000, "\(late)")
  }

  @Test("the length of the intervals does not matter, and time that stands still does no harm")
  func intervals() throws {
    var meter = ProgressMeter()
    for seconds in [0, 0.1, 0.1, 3, 3.5, 60, 60] {
      meter.observe(
        doneByteCount: UInt64(seconds * 1000), totalByteCount: 1_000_000, atSeconds: seconds)
    }
    let rate = try #require(meter.bytesPerSecond)
    #expect(abs(rate - 1000) < 0.001)
  }

  @Test("time left is told after a second, and not where nobody can know it")
  func timeLeft() throws {
    #expect(meter(steps: 9, perStep: 100, total: 100_000).secondsLeft == nil)
    let left = try #require(meter(steps: 10, perStep: 100, total: 100_000).secondsLeft)
    #expect(abs(left - 99) < 0.001)
    #expect(meter(steps: 100, perStep: 0, total: 100_000).secondsLeft == nil)
    #expect(meter(steps: 100, perStep: 1, total: 1 << 60).secondsLeft == nil)
    #expect(meter(steps: 100, perStep: 10, total: 1000).secondsLeft == 0)
  }

  @Test("another total, or less done, begins anew")
  func stages() {
    var meter = meter(steps: 20, perStep: 100, total: 2000)
    meter.observe(doneByteCount: 0, totalByteCount: 2000, atSeconds: 1003)
    #expect(meter.bytesPerSecond == nil)
    meter.observe(doneByteCount: 100, totalByteCount: 2000, atSeconds: 1004)
    meter.observe(doneByteCount: 100, totalByteCount: 3000, atSeconds: 1005)
    #expect(meter.bytesPerSecond == nil)
  }

  @Test func lines() {
    let meter = meter(steps: 40, perStep: 64 * Self.mebibyte, total: 8192 * Self.mebibyte)
    #expect(
      meter.line(columns: 80, isColored: false)
        == "[######--------------]  31%  2.50 GiB of 8.00 GiB, 640 MiB/s, 9 s left")
    #expect(
      meter.line(columns: 80, isColored: true)
        == "[\u{1B}[32m######\u{1B}[0m--------------]  31%  "
        + "2.50 GiB of 8.00 GiB, 640 MiB/s, 9 s left")
    #expect(
      meter.line(columns: 60, isColored: false) == "[###-------]  31%  640 MiB/s, 9 s left")
    #expect(meter.line(columns: 30, isColored: false) == " 31%  640 MiB/s, 9 s left")
    #expect(meter.line(columns: 20, isColored: false) == " 31%  9 s left")
    #expect(meter.line(columns: 10, isColored: false) == " 31%")
    #expect(meter.line(columns: 5, isColored: false) == "")
  }

  @Test("before the total is known there is no line; 100% is only shown when all is done")
  func ends() {
    #expect(ProgressMeter().line(columns: 80, isColored: false) == "")
    #expect(meter(steps: 9, perStep: 0, total: 0).line(columns: 80, isColored: false) == "")
    let nearly = meter(steps: 1, perStep: 99_999, total: 100_000)
    #expect(nearly.line(columns: 40, isColored: false).hasPrefix(" 99%"))
    let done = meter(steps: 20, perStep: 500, total: 10_000)
    #expect(done.line(columns: 40, isColored: false).hasPrefix("100%"))
    #expect(done.line(columns: 80, isColored: false).hasSuffix(", finishing"))
  }

  @Test("no line reaches the last columns, whatever the figures")
  func widths() {
    for total in [1, 1023, 1 << 20, 1 << 40, UInt64.max] {
      for (steps, perStep) in [(0, 0), (1, total / 3), (90, total / 100), (90, 1), (1, total)] {
        let meter = meter(steps: steps, perStep: min(perStep, total / 90 + 1), total: total)
        for columns in 0...200 {
          let line = meter.line(columns: columns, isColored: false)
          #expect(line.isEmpty || line.utf8.count <= columns - 3, "\(columns): \(line)")
        }
      }
    }
  }
}
