import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

@Suite("What a point tells of how its disks changed")
struct ChangeFigureTests {
  private static let piece = 64 * 1024
  private let fixture: EngineFixture

  init() throws {
    var parameters = Vault.Parameters()
    parameters.chunking = .fixed(Self.piece)
    fixture = try EngineFixture(parameters: parameters)
  }

  private static func words(_ seed: UInt64) -> [UInt8] {
    DiskImage(seed: seed, [.compressible(piece)]).bytes
  }

  private static func noise(_ seed: UInt64) -> [UInt8] { TestContent.noise(piece, seed: seed) }

  /// Two extents: 80 chunks of words, 16 of noise, 32 of zeros.
  private static let base =
    (0..<80).flatMap { words($0) } + (80..<96).flatMap { noise($0) }
    + [UInt8](repeating: 0, count: 32 * piece)

  private func put(_ content: [UInt8], at chunk: Int, in disk: inout [UInt8]) {
    disk.replaceSubrange((chunk * Self.piece)..<((chunk + 1) * Self.piece), with: content)
  }

  @Test("data replaced, scrambled, added and removed, each byte once")
  func figures() throws {
    var disk = Self.base
    let first = try fixture.backup(try fixture.image("disk", disk)).point
    #expect(first.signals == nil)
    let same = try fixture.backup(try fixture.image("disk", disk)).point
    var none = PointSignals.Figures()
    none.dataByteCount = UInt64(96 * Self.piece)
    #expect(same.signals == PointSignals(figures: none))

    put(Self.noise(1000), at: 0, in: &disk)  // words that were scrambled
    put(Self.noise(1001), at: 70, in: &disk)
    put(Self.words(1002), at: 1, in: &disk)  // words that are others
    put(Self.noise(1003), at: 80, in: &disk)  // noise that is other noise
    put(Self.words(5), at: 4, in: &disk)  // what the vault has
    put(Self.noise(1004), at: 100, in: &disk)  // where nothing was
    put(Self.words(1005), at: 101, in: &disk)
    put([UInt8](repeating: 0, count: Self.piece), at: 81, in: &disk)
    let other = try fixture.backup(try fixture.image("disk", disk)).point
    var figures = none
    figures.replacedByteCount = UInt64(5 * Self.piece)
    figures.scrambledByteCount = UInt64(2 * Self.piece)
    figures.addedByteCount = UInt64(2 * Self.piece)
    figures.addedDenseByteCount = UInt64(Self.piece)
    figures.removedByteCount = UInt64(Self.piece)
    #expect(other.signals == PointSignals(figures: figures))
  }

  @Test("what a killed run of the backup stored is scrambled all the same")
  func storedBefore() throws {
    var disk = Self.base
    try fixture.backup(try fixture.image("disk", disk))
    put(Self.noise(1000), at: 0, in: &disk)
    let path = try fixture.image("disk", disk)
    fixture.wrap = { FailingStore($0) { $0.folder == "points" } }
    #expect(throws: (any Error).self) { try fixture.backup(path) }
    fixture.wrap = { $0 }
    let report = try fixture.backup(path)
    #expect(report.point.figures.newByteCount == 0)
    #expect(report.point.signals?.figures.scrambledByteCount == UInt64(Self.piece))
  }

  @Test("a disk that a machine did not have before says nothing; one that grew has more data")
  func otherDisks() throws {
    try fixture.backup(try fixture.image("one", Self.base))
    let two = try fixture.image("two", Self.noise(1))
    let with = try fixture.backup(try fixture.image("one", Self.base + Self.base), two).point
    let figures = try #require(with.signals?.figures)
    #expect(figures.dataByteCount == UInt64(96 * Self.piece))
    #expect(figures.replacedByteCount == 0 && figures.removedByteCount == 0)
    let without = try fixture.backup(two).point
    #expect(without.signals?.figures.dataByteCount == UInt64(Self.piece))
    let stranger = try fixture.backup(try fixture.image("three", Self.noise(2))).point
    #expect(stranger.signals == nil)
  }
}

@Suite("Which changes are no ordinary day")
struct ChangeRulesTests {
  /// Of a machine with 1 GiB of data, in percent.
  private func day(
    replaced: UInt64, scrambled: UInt64 = 0, added: UInt64 = 0, removed: UInt64 = 0,
    dense: UInt64 = 0, data: UInt64 = 1 << 30
  ) -> PointSignals.Figures {
    var figures = PointSignals.Figures()
    figures.dataByteCount = data
    figures.replacedByteCount = data / 100 * replaced
    figures.scrambledByteCount = data / 100 * scrambled
    figures.addedByteCount = data / 100 * added
    figures.addedDenseByteCount = data / 100 * dense
    figures.removedByteCount = data / 100 * removed
    return figures
  }

  @Test("half of the data scrambled is always suspect, less only where it is unusual")
  func incompressible() {
    let quiet = ChangeRules(history: [])
    #expect(quiet.rules(for: day(replaced: 15, scrambled: 15)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 17, scrambled: 17)) == [.incompressible])
    let busy = ChangeRules(history: [day(replaced: 30, scrambled: 30)])
    #expect(busy.rules(for: day(replaced: 32, scrambled: 32)).isEmpty)
    #expect(busy.rules(for: day(replaced: 34, scrambled: 34)) == [.incompressible])
    let wild = ChangeRules(history: [day(replaced: 90, scrambled: 90)])
    #expect(wild.rules(for: day(replaced: 51, scrambled: 51)) == [.incompressible])
    // What is older than thirty points is no history.
    let long = ChangeRules(
      history: [day(replaced: 30, scrambled: 30)]
        + Array(repeating: day(replaced: 1), count: ChangeRules.historyCount))
    #expect(long.rules(for: day(replaced: 17, scrambled: 17)) == [.incompressible])
  }

  @Test("what is encrypted into new files is suspect, an archive is not")
  func newFiles() {
    let quiet = ChangeRules(history: Array(repeating: day(replaced: 5), count: 4))
    let elsewhere = day(replaced: 8, scrambled: 7, added: 11, dense: 11)
    #expect(quiet.rules(for: elsewhere) == [.incompressible])
    let discarded = day(replaced: 0, added: 17, removed: 17, dense: 17)
    #expect(quiet.rules(for: discarded) == [.incompressible])
    let archive = day(replaced: 4, scrambled: 3, added: 40, dense: 40)
    #expect(quiet.rules(for: archive).isEmpty)
    let new = ChangeRules(history: Array(repeating: day(replaced: 5), count: 3))
    #expect(new.rules(for: elsewhere).isEmpty && new.rules(for: discarded).isEmpty)
    // A machine on which pictures come and go.
    let pictures = ChangeRules(history: Array(repeating: discarded, count: 4))
    #expect(pictures.rules(for: discarded).isEmpty)
  }

  @Test("much rewritten is suspect where it is unusual, and a history says so")
  func rewritten() {
    let quiet = ChangeRules(history: Array(repeating: day(replaced: 5), count: 4))
    #expect(quiet.rules(for: day(replaced: 29)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 31)) == [.rewritten])
    // Written anew elsewhere, where freed blocks are discarded.
    #expect(quiet.rules(for: day(replaced: 5, added: 40, removed: 30)) == [.rewritten])
    #expect(quiet.rules(for: day(replaced: 5, added: 40)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 5, removed: 90)).isEmpty)
    let new = ChangeRules(history: Array(repeating: day(replaced: 5), count: 3))
    #expect(new.rules(for: day(replaced: 100)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 34, scrambled: 9)) == [.incompressible, .rewritten])
    #expect(quiet.rules(for: day(replaced: 34, scrambled: 7)) == [.rewritten])
    #expect(quiet.rules(for: day(replaced: 21, scrambled: 9)) == [.incompressible])
    #expect(quiet.rules(for: day(replaced: 21, scrambled: 7)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 19, scrambled: 15)).isEmpty)
    let busy = ChangeRules(history: Array(repeating: day(replaced: 25), count: 4))
    #expect(busy.rules(for: day(replaced: 74)).isEmpty)
    #expect(busy.rules(for: day(replaced: 81)) == [.rewritten])
    let busier = ChangeRules(history: Array(repeating: day(replaced: 40), count: 4))
    #expect(busier.rules(for: day(replaced: 79)).isEmpty)
    #expect(busier.rules(for: day(replaced: 85)) == [.rewritten])
    let busiest = ChangeRules(history: Array(repeating: day(replaced: 75), count: 4))
    #expect(busiest.rules(for: day(replaced: 82)).isEmpty)
    #expect(busiest.rules(for: day(replaced: 84)) == [.rewritten])
    // A disk of dumps, written anew every day.
    let dumps = ChangeRules(history: Array(repeating: day(replaced: 95), count: 4))
    #expect(dumps.rules(for: day(replaced: 100)).isEmpty)
    #expect(quiet.rules(for: day(replaced: 60, scrambled: 60)) == [.incompressible, .rewritten])
  }

  @Test("history is what the machine's own points did that are not suspect")
  func history() throws {
    let fixture = try EngineFixture()
    let vault = try fixture.vault()
    let web = try #require(Name("web"))
    func commit(_ machine: Name, _ day: PointSignals.Figures, isSuspect: Bool = false) throws {
      let session = try Session.beginWriting(vault, leaningOn: [])
      let catalog = try PointCatalog(vault)
      let sequence = try catalog.nextSequence(of: machine)
      let time = Timestamp(seconds: 1_700_000_000 + Int64(catalog.entries.count))
      var point = RecoveryPoint(
        id: PointID(time: time, random: 1), machine: machine, session: session.id,
        sequence: sequence, time: time, consistency: .crash, evidence: "", disks: [], parent: nil,
        previous: catalog.heads(of: machine), descriptor: vault.descriptor)
      point.signals = PointSignals(figures: day, rules: isSuspect ? [.rewritten] : [])
      try session.commit(point)
    }
    for _ in 0..<4 {
      try commit(web, day(replaced: 5))
      try commit(try #require(Name("db")), day(replaced: 100, scrambled: 45))
    }
    try commit(web, day(replaced: 60, scrambled: 45), isSuspect: true)
    let rules = ChangeRules(try PointCatalog(vault), of: web, try Reviews(vault))
    #expect(rules.rules(for: day(replaced: 31)) == [.rewritten])
    #expect(rules.rules(for: day(replaced: 17, scrambled: 17)) == [.incompressible])
    #expect(rules.rules(for: day(replaced: 14)).isEmpty)
  }

  @Test("small disks and figures that make no sense say nothing, and trap nothing")
  func extremes() {
    let rules = ChangeRules(history: Array(repeating: day(replaced: 0), count: 4))
    #expect(rules.rules(for: day(replaced: 100, scrambled: 100, data: 15 << 20)).isEmpty)
    var wild = PointSignals.Figures()
    #expect(rules.rules(for: wild).isEmpty)
    wild.scrambledByteCount = .max
    wild.replacedByteCount = .max
    wild.addedByteCount = .max
    wild.addedDenseByteCount = .max
    wild.removedByteCount = .max
    #expect(rules.rules(for: wild).isEmpty)
    wild.dataByteCount = 1
    #expect(!rules.rules(for: wild).isEmpty)
  }
}
