import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreIO
import SnapStoreTestSupport
import SnapStoreVault
import Testing

/// Each object of a tiny vault that has all kinds of them: cut at any length, removed, taken for
/// another of its kind. Flipped bytes are in `VerifyStructureTests`.
@Suite("Any one object cut, removed, swapped: right bytes or a clear error, and verify sees it")
struct ObjectDamageTests {
  /// Two points of different content, a record of damage (healed since), records of verifications.
  private struct TinyVault {
    let fixture: EngineFixture
    private(set) var contents: [String: [UInt8]] = [:]
    private(set) var whole: [String: Data] = [:]
    /// The pack of which all that was lost has been stored again: nobody misses it.
    private(set) var healedPack = ""

    init() throws {
      fixture = try EngineFixture()
      for seed in 1...2 as ClosedRange<UInt64> {
        let content = TestContent.noise(9_000, seed: seed) + TestContent.mixed(30_000, seed: seed)
        let path = try fixture.image("disk", content)
        if seed == 2 {
          let pack = try #require(try fixture.packsBySize().first)
          healedPack = "packs/\(URL(fileURLWithPath: pack).lastPathComponent)"
          try fixture.damage(pack, at: 200)
          _ = try fixture.verify()
          // The first content once more, which heals it, so that nothing of the vault is lost.
          let first = try fixture.image("again", contents.values.first ?? [])
          try fixture.backup(first, machine: "healer")
        }
        contents[try fixture.backup(path).point.id.text] = content
      }
      let report = try fixture.verify()
      #expect(report.damaged.isEmpty && report.healed.count == 1)
      whole = try fixture.files()
      for folder in VaultFolder.ofObjects {
        #expect(whole.keys.contains { $0.hasPrefix("\(folder)/") }, "nothing in \(folder)")
      }
    }

    func url(_ name: String) -> URL { URL(fileURLWithPath: "\(fixture.vaultPath)/\(name)") }

    /// Whether it is seen that an object is gone. What has been stored again, can be made again, or
    /// is only found by its name, is not. (Without its record of damage, what was healed is damage
    /// once more.)
    func isMissed(_ name: String) -> Bool {
      let isOptional = ["index/", "sessions/", "verifications/"].contains { name.hasPrefix($0) }
      let isCopy = name.hasPrefix("outcomes/") && name.hasSuffix(".2")
      return !isOptional && !isCopy && name != healedPack
    }

    /// The vault as it was made, whatever damage and runs have done to it.
    func putBack() throws {
      for name in try fixture.files().keys where whole[name] == nil {
        try FileManager.default.removeItem(at: url(name))
      }
      for (name, bytes) in whole { try bytes.write(to: url(name)) }
    }
  }

  /// Every point restores, but for what a damaged pack had, and a verification sees the damage.
  private func expect(
    _ vault: TinyVault, _ name: String, isSeen: Bool, _ comment: String
  ) throws {
    let packsAreWhole = !name.hasPrefix("packs/")
    for (id, content) in vault.contents {
      let target = "out"
      do {
        _ = try vault.fixture.restore(id, to: target)
        let isRight = try vault.fixture.restored("disk", in: target) == content
        #expect(isRight, "\(comment): wrong bytes")
        try FileManager.default.removeItem(atPath: "\(vault.fixture.directory.path)/\(target)")
      } catch let error as VaultError {
        #expect(!packsAreWhole && error.code == .damaged, "\(comment): \(error)")
      }
    }
    let report = try vault.fixture.verify()
    #expect(report.damaged.isEmpty != isSeen, "\(comment): \(report.damaged.map(\.object))")
    try vault.putBack()
  }

  @Test("removed") func removed() throws {
    let vault = try TinyVault()
    for name in vault.whole.keys.sorted() {
      try FileManager.default.removeItem(at: vault.url(name))
      try expect(vault, name, isSeen: vault.isMissed(name), "\(name) removed")
    }
  }

  @Test("cut at every length, in steps") func cut() throws {
    let vault = try TinyVault()
    for (name, bytes) in vault.whole.sorted(by: { $0.key < $1.key }) {
      // The ends, where frames are, and some of what is between.
      let step = max(29, bytes.count / 8)
      let lengths = Set(stride(from: 0, to: bytes.count, by: step))
        .union([1, 63, 64, 65, bytes.count - 65, bytes.count - 64, bytes.count - 1])
      for length in lengths.sorted() where length < bytes.count {
        try bytes.prefix(length).write(to: vault.url(name))
        try expect(
          vault, name, isSeen: name != vault.healedPack,
          "\(name) cut at \(length) of \(bytes.count)")
      }
    }
  }

  @Test("swapped with another of its kind") func swapped() throws {
    let vault = try TinyVault()
    let names = vault.whole.keys.sorted()
    for (index, name) in names.enumerated() {
      for other in names[(index + 1)...] {
        let kind = name.prefix { $0 != "/" }
        guard kind == other.prefix(while: { $0 != "/" }), let one = vault.whole[name],
          let two = vault.whole[other], one != two
        else { continue }
        try two.write(to: vault.url(name))
        try one.write(to: vault.url(other))
        // A segment does not say its name: under another it tells the same.
        try expect(vault, name, isSeen: kind != "index", "\(name) swapped with \(other)")
      }
    }
  }
}

extension VaultFolder {
  fileprivate static let ofObjects = [
    packs, index, points, sessions, outcomes, damage, verifications,
  ]
}
