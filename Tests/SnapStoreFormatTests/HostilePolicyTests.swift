import SnapStoreFormat
import SnapStoreTestSupport
import Testing

@Suite("Policies and machines with right checksums and wrong values")
struct HostilePolicyTests {
  private func refusal(
    _ bytes: [UInt8], _ kind: ObjectKind, _ section: UInt32, _ change: (inout [UInt8]) -> Void
  ) throws -> Refusal {
    let bytes = try HostileValueTests.rewriting(bytes, kind, section: section, change)
    return Refusal.of { () throws(FormatError) in
      if kind == .policy {
        _ = try PolicyRecord(decoding: bytes.rawSpan)
      } else {
        _ = try MachineRecord(decoding: bytes.rawSpan)
      }
    }
  }

  private func policy(
    _ section: UInt32, _ change: (inout [UInt8]) -> Void
  ) throws -> Refusal {
    try refusal(try Sample.policy().encoded(), .policy, section, change)
  }

  private func machine(
    _ section: UInt32, _ change: (inout [UInt8]) -> Void
  ) throws -> Refusal {
    try refusal(try Sample.machine().encoded(), .machine, section, change)
  }

  @Test("numbers, states, names and times of changes")
  func identities() throws {
    // Behind names of 8 + 8 and of 8 + 5 bytes: number, state, time.
    for (refusal, at) in [(policy, 16), (machine, 13)] {
      #expect(try refusal(1) { _ in } == .accepted)
      #expect(try refusal(1) { $0.put(UInt64(0), at: at) } == .damaged)
      #expect(try refusal(1) { $0.put(UInt64(Int64.max), at: at) } == .accepted)
      #expect(try refusal(1) { $0.put(UInt64(1) << 63, at: at) } == .damaged)
      #expect(try refusal(1) { $0.put(UInt64.max, at: at) } == .damaged)
      #expect(try refusal(1) { $0.put(UInt32(0), at: at + 8) } == .unsupported)
      #expect(try refusal(1) { $0.put(UInt32(3), at: at + 8) } == .unsupported)
      // A state that the other section contradicts.
      #expect(try refusal(1) { $0.put(UInt32(2), at: at + 8) } == .damaged)
      #expect(try refusal(1) { $0.put(UInt32.max, at: at + 20) } == .damaged)
      #expect(try refusal(1) { $0[8] = UInt8(ascii: "/") } == .damaged)
      #expect(try refusal(1) { $0.append(0) } == .damaged)
      #expect(try refusal(2) { $0.append(0) } == .damaged)
    }
  }

  @Test("a state without the section that belongs to it")
  func missingSections() throws {
    var removed = try Sample.policy()
    removed.settings = nil
    #expect(
      try refusal(removed.encoded(), .policy, 1) { $0.put(UInt32(1), at: 16 + 8) } == .damaged)
    var unassigned = try Sample.machine()
    unassigned.assignment = nil
    #expect(
      try refusal(unassigned.encoded(), .machine, 1) { $0.put(UInt32(1), at: 13 + 8) } == .damaged)
  }

  @Test("schedules, zones, numbers to keep and times to bring back")
  func settings() throws {
    func settings(
      _ schedule: String = "", _ zone: String = "UTC", _ seconds: UInt64 = 0,
      _ keep: [UInt32] = [0, 0, 0, 0, 1]
    ) throws -> Refusal {
      try policy(2) { body in
        var writer = ByteWriter()
        writer.append(text: schedule)
        writer.append(text: zone)
        writer.append(seconds)
        for count in keep { writer.append(count) }
        body = writer.bytes
      }
    }
    #expect(try settings() == .accepted)
    #expect(try settings("hourly :00") == .accepted)
    for text in [
      "hourly", "daily 2:00", "Daily 02:00", "daily  02:00", " daily 02:00", "daily 03:00,02:00",
      "weekly monday 02:00", "wee\u{212A}ly mon 02:00", "never", " ",
    ] {
      #expect(try settings(text) == .damaged, "\(text)")
    }
    for zone in ["", "/etc/passwd", "../../etc/passwd", "a//b", "UTC\0"] {
      #expect(try settings("", zone) == .damaged, "\(zone)")
    }
    let most = PolicyRecord.Settings.maximumSoftDeleteSeconds
    #expect(try settings("", "UTC", most) == .accepted)
    #expect(try settings("", "UTC", most + 1) == .damaged)
    #expect(try settings("", "UTC", .max) == .damaged)
    #expect(try settings("", "UTC", 0, [0, 0, 0, 0, 0]) == .damaged, "keeps nothing")
    #expect(try settings("", "UTC", 0, [1, 0, 0, 0]) == .damaged)
    #expect(try settings("", "UTC", 0, Array(repeating: .max, count: 5)) == .accepted)
  }

  @Test("disks of machines")
  func disks() throws {
    func disks(_ disks: [(String, UInt32, String)], count: UInt64? = nil) throws -> Refusal {
      try machine(2) { body in
        var writer = ByteWriter()
        writer.append(text: "gold")
        writer.append(count ?? UInt64(disks.count))
        for (name, role, source) in disks {
          writer.append(text: name)
          writer.append(role)
          writer.append(text: source)
        }
        body = writer.bytes
      }
    }
    #expect(try disks([]) == .accepted)
    #expect(try disks([("a", 1, "/a"), ("b", 2, "/b")]) == .accepted)
    #expect(try disks([("a", 1, "/a"), ("a", 2, "/b")]) == .damaged)
    #expect(try disks([("../a", 1, "/a")]) == .damaged)
    #expect(try disks([("a", 0, "/a")]) == .damaged)
    #expect(try disks([("a", 3, "/a")]) == .damaged)
    #expect(try disks([("a", 1, "")]) == .damaged)
    #expect(try disks([("a", 1, "a")]) == .damaged)
    #expect(try disks([("a", 1, "/a\0b")]) == .damaged)
    for count in [1, 4096, 4097, 1 << 40, .max] as [UInt64] {
      #expect(try disks([], count: count) == .damaged)
    }
  }

  @Test(
    "the name of a change is read from its end",
    arguments: [
      ("gold-00000001", "gold", 1), ("a-00000001-00000002", "a-00000001", 2),
      ("gold.1-0000001f", "gold.1", 31), ("a--7fffffffffffffff", "a-", UInt64(Int64.max)),
    ])
  func names(_ text: String, _ subject: String, _ number: UInt64) throws {
    let name = try #require(ChangeName(text))
    #expect(name.subject.text == subject && name.number == number)
    #expect(name.description == text)
  }

  @Test(arguments: [
    "gold", "gold-", "gold-0", "gold-00000000", "gold-0000000A", "gold-1", "gold-000000001",
    "-00000001", "gold-8000000000000000", "gold-ffffffffffffffff", "gold-00000001.1",
  ])
  func noNames(_ text: String) {
    #expect(ChangeName(text) == nil)
  }
}
