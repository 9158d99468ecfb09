import Foundation
import SnapStoreTestSupport
import Testing

@Suite("A disk that is encrypted in place is warned about, and ordinary days are not")
struct SuspectPointTests {
  private static let mebibyte = 1 << 20
  private let snapstore: ProgramRun
  private var generator = SeededGenerator(seed: 11)
  /// 48 MiB of texts and 8 of what does not compress, then 16 that are free.
  private var disk: [UInt8]

  init() throws {
    snapstore = try ProgramRun()
    let words = DiskImage(seed: 3, [.compressible(Self.mebibyte)]).bytes
    disk = []
    for number in 0..<48 { disk += Self.text(words, number) }
    disk += generator.bytes(8 * Self.mebibyte)
    disk += [UInt8](repeating: 0, count: 16 * Self.mebibyte)
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  /// Texts of which no block is like another's.
  private static func text(_ words: [UInt8], _ number: Int) -> [UInt8] {
    var text = words
    for block in stride(from: 0, to: text.count, by: 4096) {
      text.replaceSubrange(
        block..<(block + 16), with: Array("\(number) \(block) ……………".utf8.prefix(16)))
    }
    return text
  }

  private mutating func write(_ bytes: [UInt8], at mebibytes: Int) {
    let start = mebibytes * Self.mebibyte
    disk.replaceSubrange(start..<(start + bytes.count), with: bytes)
  }

  private func run(_ arguments: String...) throws -> ProgramRun.Result {
    try snapstore.run(arguments + ["--vault", "v"])
  }

  private func backup() throws -> (id: String, warning: String?, summary: [String: Any]) {
    try snapstore.write("disk.img", disk)
    let result = try run("backup", "--vm", "web", "disk.img", "--json")
    #expect(result.status == 0, "\(result.errors)")
    let summary = try result.object()
    let warnings = try #require(summary["warnings"] as? [String])
    #expect(warnings.count <= 1 && warnings.allSatisfy { result.errors.contains($0) })
    return (try #require(summary["point"] as? String), warnings.first, summary)
  }

  private func listed() throws -> [[String: Any]] {
    try #require(try run("points", "--json").json().first as? [[String: Any]])
  }

  private func kept() throws -> [String] {
    #expect(try run("prune", "--keep-last", "1", "--yes").status == 0)
    return try listed().compactMap { $0["point"] as? String }
  }

  @Test("days, an attack, days; what can be restored is kept until somebody has looked")
  mutating func attack() throws {
    var ids = [try backup().id]
    for day in 0..<4 {
      // Files that changed, a log, an archive that was added, another archive that was replaced.
      write(Self.text(generator.bytes(4096) + disk[4096..<Self.mebibyte], 90 + day), at: 7 * day)
      write(Array(disk[..<Self.mebibyte].reversed()), at: 60 + day)
      write(generator.bytes(Self.mebibyte), at: 56 + day)
      write(generator.bytes(2 * Self.mebibyte), at: 48 + day)
      let ordinary = try backup()
      #expect(ordinary.warning == nil, "day \(day)")
      #expect((ordinary.summary["signals"] as? [Any])?.isEmpty == true)
      ids.append(ordinary.id)
    }
    // Half of the files, in place.
    write(generator.bytes(24 * Self.mebibyte), at: 10)
    let attacked = try backup()
    let warning = try #require(attacked.warning)
    #expect(warning.contains("of the data of web was replaced by data that does not compress"))
    #expect(warning.contains("snapstore point unpin \(attacked.id)"))
    let signals = try #require(attacked.summary["signals"] as? [[String: Any]])
    #expect(signals.first?["rule"] as? String == "incompressible")
    #expect(signals.first?["figures"] is [String: Any])
    ids.append(attacked.id)
    for _ in 0..<2 {
      write(generator.bytes(Self.mebibyte), at: 60)
      let later = try backup()
      #expect(later.warning == nil)
      ids.append(later.id)
    }
    try expectMarks(attacked.id)
    #expect(try kept() == [ids[4], ids[5], ids[7]])
    let plan = try run("prune", "--keep-last", "1", "--dry-run").output
    #expect(plan.contains("before suspect") && plan.contains("suspect"))
    let unpinned = try run("point", "unpin", attacked.id)
    #expect(unpinned.status == 0 && unpinned.output.contains("not suspect any more"))
    #expect(try listed().allSatisfy { $0["suspect"] as? Bool == false })
    #expect(try run("point", "unpin", attacked.id).output.contains("is not pinned"))
    #expect(try run("verify").status == 0)
    #expect(try kept() == [ids[7]])
  }

  private func expectMarks(_ id: String) throws {
    let suspects = try listed().filter { $0["suspect"] as? Bool == true }
    #expect(suspects.compactMap { $0["point"] as? String } == [id])
    let row = try run("points").output.split(separator: "\n").first { $0.hasPrefix(id) }
    #expect(row?.hasSuffix("suspect") == true)
    let show = try run("show", id, "--json").object()
    #expect((show["signals"] as? [[String: Any]])?.isEmpty == false)
    let changes = try #require(show["changes"] as? [String: Any])
    #expect((changes["incompressible_bytes"] as? Int ?? 0) > 20 * Self.mebibyte)
    #expect(try run("show", id).output.contains("suspect"))
    let jobs = try run("jobs", "--json").json().first as? [[String: Any]]
    let warned = try #require(jobs).filter { ($0["warnings"] as? [String])?.isEmpty == false }
    #expect(warned.compactMap { $0["point"] as? String } == [id])
  }
}
