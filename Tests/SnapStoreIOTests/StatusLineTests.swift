import SnapStoreIO
import Testing

@Suite("The status line")
struct StatusLineTests {
  private static let clear = "\r\u{1B}[K"

  @Test func isReplacedAndTakenAway() {
    var status = StatusLine()
    #expect(status.change(to: "") == nil, "nothing is written where nothing was")
    #expect(status.change(to: "1%") == Self.clear + "1%")
    #expect(status.change(to: "1%") == nil)
    #expect(status.change(to: "2%") == Self.clear + "2%")
    #expect(status.change(to: "") == Self.clear)
    #expect(status.change(to: "") == nil)
  }

  @Test func staysBelowWhatIsWritten() {
    var status = StatusLine()
    #expect(status.text(above: "warning\n") == "warning\n")
    _ = status.change(to: "1%")
    #expect(status.text(above: "warning\n") == Self.clear + "warning\n1%")
    _ = status.change(to: "")
    #expect(status.text(above: "error\n") == "error\n")
  }
}
