import SnapStoreSuites
import Testing

/// The suites run, in small, with every test run: what measures must not rot. What they get done is
/// checked by the suites themselves.
@Suite("Micro suites")
struct MicroSuitesTests {
  @Test("each suite runs, twice", arguments: MicroSuites.all(.tiny).map(\.name))
  func runs(_ name: String) throws {
    let suite = try #require(MicroSuites.all(.tiny).first { $0.name == name })
    let work = try suite.prepare()
    for _ in 0..<2 { try work() }
  }

  @Test("no two suites have one name, by which a figure is found")
  func names() {
    let names = MicroSuites.all(.usual).map(\.name)
    #expect(names.count > 12)
    #expect(Set(names).count == names.count)
  }
}
