import Logging
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// An empty vault, to which tests commit points without content.
struct CatalogFixture {
  let directory: TemporaryDirectory
  let vault: Vault

  init() throws {
    directory = try TemporaryDirectory()
    let host = HostSystem.forTests()
    let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    vault = try Vault.create(
      in: try LocalObjectStore.create("\(directory.path)/vault", host: host), host: host, log: log)
  }

  func point(
    _ machine: String, sequence: UInt64, random: UInt32, session: Session, previous: [[UInt8]]
  ) throws -> RecoveryPoint {
    RecoveryPoint(
      id: PointID(time: Timestamp(seconds: 1_700_000_000 + Int64(sequence)), random: random),
      machine: try #require(Name(machine)), session: session.id, sequence: sequence,
      time: Timestamp(seconds: 1_700_000_000 + Int64(sequence)), consistency: .crash, evidence: "",
      disks: [], parent: nil, previous: previous, descriptor: vault.descriptor)
  }

  /// Commits the machine's next point, linked to what the catalog says are its heads.
  @discardableResult
  func commit(
    _ machine: String, random: UInt32 = 1, seenBy catalog: PointCatalog? = nil
  ) throws -> PointID {
    let catalog = try catalog ?? PointCatalog(vault)
    let session = try Session.beginWriting(vault, leaningOn: [])
    let name = try #require(Name(machine))
    let point = try point(
      machine, sequence: catalog.nextSequence(of: name), random: random, session: session,
      previous: catalog.heads(of: name))
    try session.commit(point)
    return point.id
  }
}

@Suite("The catalog of recovery points")
struct CatalogTests {
  @Test("each machine has a sequence and a chain of its own")
  func sequences() throws {
    let fixture = try CatalogFixture()
    try fixture.commit("web", random: 1)
    try fixture.commit("db", random: 2)
    try fixture.commit("web", random: 3)
    try fixture.commit("web", random: 4)
    let catalog = try PointCatalog(fixture.vault)
    #expect(catalog.entries.map(\.point.machine.text) == ["db", "web", "web", "web"])
    #expect(catalog.entries.map(\.point.sequence) == [1, 1, 2, 3])
    let web = try #require(Name("web"))
    let chain = catalog.entries(of: web)
    #expect(chain[0].point.previous == [])
    #expect(chain[1].point.previous == [chain[0].hash])
    #expect(chain[2].point.previous == [chain[1].hash])
    #expect(catalog.heads(of: web) == [chain[2].hash])
  }

  @Test("two at once make a fork, which the next point joins")
  func fork() throws {
    let fixture = try CatalogFixture()
    try fixture.commit("web")
    let seen = try PointCatalog(fixture.vault)
    try fixture.commit("web", random: 2, seenBy: seen)
    try fixture.commit("web", random: 3, seenBy: seen)
    let web = try #require(Name("web"))
    let forked = try PointCatalog(fixture.vault)
    #expect(forked.entries.map(\.point.sequence) == [1, 2, 2])
    #expect(forked.heads(of: web).count == 2)
    try fixture.commit("web")
    let joined = try PointCatalog(fixture.vault)
    #expect(joined.heads(of: web).count == 1)
    #expect(joined.latest(of: web)?.point.previous.count == 2)
    #expect(joined.latest(of: web)?.point.sequence == 3)
  }

  @Test("a point counts only once its session's outcome is committed")
  func pending() throws {
    let fixture = try CatalogFixture()
    let session = try Session.beginWriting(fixture.vault, leaningOn: [])
    let point = try fixture.point(
      "web", sequence: 1, random: 5, session: session, previous: [])
    let store = fixture.vault.store
    let points = ObjectName(folder: "points", key: "\(point.id).1")
    #expect(try store.put(points, point.encoded()))
    #expect(try PointCatalog(fixture.vault).entries.isEmpty)
    let aborted = SessionOutcome(session: session.id, verdict: .aborted)
    #expect(
      try store.put(
        ObjectName(folder: "outcomes", key: session.id.description), aborted.encoded()))
    #expect(try PointCatalog(fixture.vault).entries.isEmpty)
  }

  @Test("who finds its session ended by another says so, and no point appears")
  func abortedByAnother() throws {
    let fixture = try CatalogFixture()
    let session = try Session.beginWriting(fixture.vault, leaningOn: [])
    let aborted = SessionOutcome(session: session.id, verdict: .aborted)
    #expect(
      try fixture.vault.store.put(
        ObjectName(folder: "outcomes", key: session.id.description), aborted.encoded()))
    let point = try fixture.point(
      "web", sequence: 1, random: 5, session: session, previous: [])
    let error = #expect(throws: VaultError.self) { try session.commit(point) }
    #expect(error?.code == .aborted)
    #expect(try PointCatalog(fixture.vault).entries.isEmpty)
  }

  @Test("what a reader would refuse is no point: the highest sequence has none behind it")
  func unreadableSuccessor() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let web = try #require(Name("web"))
    let session = try Session.beginWriting(vault, leaningOn: [])
    let hash = [UInt8](repeating: 7, count: 32)
    for (sequence, previous) in [
      (UInt64(Int64.max) + 1, [hash]), (1, Array(repeating: hash, count: 65_537)), (0, []),
    ] {
      var point = try fixture.point(
        "web", sequence: 1, random: 5, session: session, previous: previous)
      point.sequence = sequence
      let error = #expect(throws: VaultError.self) { try session.commit(point) }
      #expect(error?.code == .damaged)
    }
    var late = try fixture.point("web", sequence: 1, random: 5, session: session, previous: [])
    late.time = Timestamp(seconds: 253_402_300_800)
    #expect(throws: VaultError.self) { try session.commit(late) }
    #expect(try vault.store.list(VaultFolder.points).isEmpty)

    let last = try fixture.point(
      "web", sequence: 1, random: 5, session: session, previous: [])
    var highest = last
    highest.sequence = UInt64(Int64.max)
    try session.commit(highest)
    let catalog = try PointCatalog(vault)
    let error = #expect(throws: VaultError.self) { try catalog.nextSequence(of: web) }
    #expect(error?.hint?.contains("snapstore point delete \(last.id) --now --yes") == true)
    #expect(try catalog.nextSequence(of: try #require(Name("db"))) == 1)
    try PointDeletion(vault, catalog).delete(last.id, subject: nil, isFinal: true)
    #expect(try PointCatalog(vault).nextSequence(of: web) == 1)
  }

  @Test("latest, a prefix, and what is wrong with either")
  func resolve() throws {
    let fixture = try CatalogFixture()
    let empty = try PointCatalog(fixture.vault)
    #expect(throws: VaultError.self) { try empty.resolve("latest", machine: nil) }
    try fixture.commit("web", random: 0xAAAAAA)
    try fixture.commit("web", random: 0xBBBBBB)
    let last = try fixture.commit("web", random: 0xCCCCCC)
    let one = try PointCatalog(fixture.vault)
    let web = try #require(Name("web"))
    #expect(try one.resolve("latest", machine: nil).point.id == last)
    #expect(try one.resolve(last.text, machine: nil).point.id == last)
    #expect(try one.resolve(String(last.text.dropLast(5)), machine: nil).point.id == last)
    let ambiguous = #expect(throws: VaultError.self) { try one.resolve("2023", machine: nil) }
    #expect(ambiguous?.code == .ambiguous)
    let unknown = #expect(throws: VaultError.self) { try one.resolve("1999", machine: nil) }
    #expect(unknown?.code == .notThere)
    #expect(throws: VaultError.self) { try one.resolve("", machine: nil) }

    try fixture.commit("db", random: 0xDDDDDD)
    let two = try PointCatalog(fixture.vault)
    let which = #expect(throws: VaultError.self) { try two.resolve("latest", machine: nil) }
    #expect(which?.code == .ambiguous)
    #expect(which?.hint?.contains("db, web") == true)
    #expect(try two.resolve("latest", machine: web).point.id == last)
    let stranger = try #require(Name("stranger"))
    #expect(throws: VaultError.self) { try two.resolve("latest", machine: stranger) }
  }

  @Test("a session's record is held while it runs, and a reader's goes when it ends")
  func sessions() throws {
    let fixture = try CatalogFixture()
    let store = fixture.vault.store
    let point = try fixture.commit("web")
    let before = try store.list("sessions").count
    let reader = try Session.beginReading(fixture.vault, leaningOn: [point])
    let name = ObjectName(folder: "sessions", key: reader.id.description)
    #expect(reader.isRegistered)
    #expect(try store.isHeld(name))
    let bytes = try #require(try store.get(name, limit: 10_000))
    #expect(try SessionRecord(decoding: bytes.rawSpan).leansOn == [point])
    reader.end()
    #expect(try store.list("sessions").count == before)
  }

  @Test("a session does not lean on a point that is gone: a reader fails, a writer knows")
  func leaningOnNothing() throws {
    let fixture = try CatalogFixture()
    let gone = PointID(time: Timestamp(seconds: 5), random: 5)
    #expect(throws: VaultError.self) {
      try Session.beginReading(fixture.vault, leaningOn: [gone])
    }
    let point = try fixture.commit("web")
    let writer = try Session.beginWriting(fixture.vault, leaningOn: [gone, point])
    #expect(writer.leansOn == [point])
  }

  @Test("a foreign vault's point is not taken for one of this")
  func foreignPoint() throws {
    let fixture = try CatalogFixture()
    let other = try CatalogFixture()
    var descriptor = other.vault.descriptor
    descriptor.id = try #require(VaultID([UInt8](repeating: 9, count: 16)))
    let session = try Session.beginWriting(fixture.vault, leaningOn: [])
    var point = try fixture.point("web", sequence: 1, random: 5, session: session, previous: [])
    point.descriptor = descriptor
    try session.commit(point)
    let catalog = try PointCatalog(fixture.vault)
    #expect(catalog.entries.isEmpty)
    #expect(catalog.unreadable.count == 1)
  }

  /// Another process makes a point and remembers it, or deletes one, after this one has looked.
  @Test("what happens beside a look at the host's memory is no contradiction")
  func memoryBeside() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let heads = KnownHeads(store: MemoryObjectStore())
    func contradictions(_ catalog: PointCatalog) throws -> [String] {
      try heads.contradictions(of: vault, catalog)
    }
    let empty = try PointCatalog(vault)
    let id = try fixture.commit("web")
    let full = try PointCatalog(vault)
    try heads.record(try #require(full.entries.first).point)
    #expect(try contradictions(empty).isEmpty)
    let copies = [1, 2].map { ObjectName(folder: "points", key: "\(id).\($0)") }
    let bytes = try #require(try vault.store.get(copies[0], limit: 1 << 20))
    for copy in copies { try vault.store.delete(copy) }
    #expect(try contradictions(empty).count == 1)
    #expect(try contradictions(full).isEmpty, "as it was when it was looked at")
    #expect(try vault.store.put(copies[0], bytes))
    let subject = try #require(full.entries.first).subject
    try PointDeletion(vault, full).delete(id, subject: subject, isFinal: true)
    try vault.store.delete(copies[0])
    #expect(try contradictions(empty).isEmpty)
  }

  @Test("what is remembered of a machine outlives another whose name begins its own")
  func memoryOfOthers() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let heads = KnownHeads(store: MemoryObjectStore())
    for (number, machine) in ["web-1", "web"].enumerated() {
      let id = try fixture.commit(machine, random: UInt32(number))
      let entry = try #require(try PointCatalog(vault).entries.first { $0.point.id == id })
      try heads.record(entry.point)
    }
    let lost = try #require(
      try PointCatalog(vault).entries.first { $0.point.machine.text == "web-1" })
    for copy in 1...2 {
      try vault.store.delete(ObjectName(folder: "points", key: "\(lost.point.id).\(copy)"))
    }
    #expect(try heads.contradictions(of: vault, try PointCatalog(vault)).count == 1)
  }

  @Test("of two decisions on one epoch one counts, and an old number comes too late")
  func decisions() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let session = SessionID(high: 1, low: 2)
    func decide(_ number: UInt64, dooming pack: UInt64) throws -> Bool {
      try vault.decide(
        EpochRecord(
          number: number, session: session, time: Timestamp(seconds: 5), condemned: [],
          doomed: [SerialName(session: session, number: pack)]))
    }
    #expect(try vault.newestEpoch() == nil)
    #expect(try decide(1, dooming: 1))
    #expect(try !decide(1, dooming: 2))
    #expect(try vault.newestEpoch()?.doomed.map(\.number) == [1])
    #expect(try decide(2, dooming: 3))
    _ = try vault.deleteOldEpochs()
    #expect(try !decide(1, dooming: 4))
    #expect(try vault.newestEpoch()?.doomed.map(\.number) == [3])
    // Where one copy is lost, the other says it.
    try vault.store.delete(ObjectName(folder: "epochs", key: "00000002"))
    #expect(try vault.newestEpoch()?.number == 2)
  }

  @Test("what another has done to a point since it was looked at does not count as done by us")
  func staleTombstones() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let point = try fixture.commit("web")
    let stale = try Tombstones(vault)
    let deletion = PointDeletion(vault, at: vault.now())
    try deletion.delete(point, subject: nil, isFinal: false)
    try deletion.undelete(point)
    let record = try PointDeletion(vault, at: vault.now(), knowing: stale)
      .delete(point, subject: nil, isFinal: false)
    #expect(record.name.number == 4)
    #expect(try PointCatalog(vault).entries.isEmpty)
  }

  @Test(
    "one step of bringing a point back may be lost or damaged",
    arguments: [2, 3], [true, false])
  func undeletedTwice(number: UInt64, isLost: Bool) throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let (first, second) = (try fixture.commit("web"), try fixture.commit("web"))
    let deletion = PointDeletion(vault, at: vault.now())
    try deletion.delete(second, subject: nil, isFinal: false, softDeleteSeconds: 0)
    for _ in 0..<2 { try deletion.undelete(second) }
    let steps = try vault.store.list(VaultFolder.tombstones).map(\.name)
    #expect(steps.count == 3, "once more, and no more than that")
    let step = ObjectName(
      folder: VaultFolder.tombstones, key: "\(TombstoneName(point: second, number: number))")
    #expect(try vault.store.delete(step))
    if !isLost { #expect(try vault.store.put(step, [1, 2, 3])) }
    #expect(try deletion.finishSoftDeletes(at: vault.now(), isDry: false) == [])
    let web = try #require(Name("web"))
    if !isLost && number == 3 {
      // Whether it is deleted can't be told: nobody is given an older one for it.
      #expect(try PointCatalog(vault).entries.map(\.point.id) == [first])
      for machine in [web, nil] {
        let refusal = #expect(throws: VaultError.self) {
          try PointCatalog(vault).resolve("latest", machine: machine)
        }
        #expect(refusal?.code == .damaged && refusal?.hint?.contains("undelete \(second)") == true)
      }
      try deletion.undelete(second)
    }
    #expect(try PointCatalog(vault).resolve("latest", machine: web).point.id == second)
  }

  @Test("a session whose record is gone commits nothing: collections did not know of it")
  func lostRecord() throws {
    let fixture = try CatalogFixture()
    let session = try Session.beginWriting(fixture.vault, leaningOn: [])
    let point = try fixture.point(
      "web", sequence: 1, random: 5, session: session, previous: [])
    #expect(
      try fixture.vault.store.delete(
        ObjectName(folder: VaultFolder.sessions, key: "\(session.id)")))
    let error = #expect(throws: VaultError.self) { try session.commit(point) }
    #expect(error?.code == .aborted)
    #expect(try PointCatalog(fixture.vault).entries.isEmpty)
    // Behind that look, a collection sees the point.
    #expect(try fixture.vault.store.list(VaultFolder.points).count == 2)
  }

  @Test("a point whose tombstone can't be read stays deleted, and can be freed by nobody")
  func unreadableTombstone() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let point = try fixture.commit("web")
    let name = try PointDeletion(vault, at: vault.now())
      .delete(point, subject: nil, isFinal: true).name
    let object = ObjectName(folder: VaultFolder.tombstones, key: "\(name)")
    #expect(try vault.store.delete(object))
    #expect(try vault.store.put(object, [1, 2, 3]))
    let catalog = try PointCatalog(vault)
    #expect(catalog.entries.isEmpty && catalog.deleted.map(\.point.id) == [point])
    #expect(try !Tombstones(vault).isFinal(point))
  }

  @Test("of a point's tombstones the newest holds, and nothing follows the final one")
  func tombstones() throws {
    let fixture = try CatalogFixture()
    let vault = fixture.vault
    let (first, second) = (try fixture.commit("web"), try fixture.commit("web"))
    let deletion = PointDeletion(vault, at: vault.now())
    func known() throws -> [PointID] { try PointCatalog(vault).entries.map(\.point.id) }
    #expect(try deletion.undelete(second) == nil)
    #expect(try deletion.delete(second, subject: nil, isFinal: false).name.number == 1)
    #expect(try deletion.delete(second, subject: nil, isFinal: false).name.number == 1)
    #expect(try known() == [first])
    #expect(try deletion.undelete(second)?.name.number == 2)
    #expect(try known() == [first, second])
    let deleted = try deletion.delete(second, subject: nil, isFinal: false)
    let end = deleted.time.seconds + Int64(SoftDelete.defaultSeconds)
    func over(_ seconds: Int64) throws -> [PointID] {
      try deletion.finishSoftDeletes(at: Timestamp(seconds: seconds), isDry: false)
    }
    #expect(try over(end - 1) == [] && over(deleted.time.seconds - 1) == [])
    let after = Timestamp(seconds: end)
    #expect(try deletion.finishSoftDeletes(at: after, isDry: true) == [second])
    #expect(try PointCatalog(vault).deleted.map(\.point.id) == [second], "not for ever")
    #expect(try over(end) == [second])
    #expect(throws: VaultError.self) { try deletion.undelete(second) }
    #expect(try deletion.delete(second, subject: nil, isFinal: true).name.number == 5)
    #expect(try known() == [first])
    // Whoever is held up may come after all of the point is gone.
    try deletion.delete(first, subject: nil, isFinal: false)
    let copies = [1, 2].map { ObjectName(folder: VaultFolder.points, key: "\(first).\($0)") }
    let bytes = try #require(try vault.store.get(copies[0], limit: 1 << 20))
    for copy in copies { try vault.store.delete(copy) }
    let gone = #expect(throws: VaultError.self) { try deletion.undelete(first) }
    #expect(gone?.code == .notThere)
    for copy in copies { #expect(try vault.store.put(copy, bytes)) }
    // A hostile vault has no number left for the next step.
    let last = TombstoneRecord(
      name: TombstoneName(point: first, number: TombstoneName.maximumNumber), state: .deleted,
      time: Timestamp(seconds: 0), softDeleteSeconds: 1, subject: nil)
    #expect(
      try vault.store.put(
        ObjectName(folder: "tombstones", key: "\(last.name)"), last.encoded()))
    #expect(throws: VaultError.self) { try deletion.delete(first, subject: nil, isFinal: true) }
    #expect(throws: VaultError.self) { try deletion.undelete(first) }
    #expect(try over(100).contains(first))
  }
}
