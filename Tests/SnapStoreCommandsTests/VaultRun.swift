import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// The program and a vault `v` with points of known content, to be damaged and run against.
struct VaultRun {
  let snapstore: ProgramRun
  /// What each point holds, by its ID, in the order they were made.
  private(set) var points: [(id: String, content: [UInt8])] = []

  static let manager = FileManager.default

  init(points count: Int = 2, byteCount: Int = 300_001, vault: String = "v") throws {
    snapstore = try ProgramRun()
    #expect(try snapstore("vault", "create", vault).status == 0)
    // It means nothing, and copies of the vault are to be small.
    try snapstore.remove("\(vault)/reserve")
    for number in 0..<count {
      let content =
        SeededRandomness(seed: UInt64(number)).bytes(byteCount / 2)
        + [UInt8](repeating: 0, count: 40_000) + SeededRandomness(seed: 99).bytes(byteCount / 2)
      try snapstore.write("disk.img", content)
      let result = try snapstore("backup", "--vault", vault, "disk.img", "--json")
      #expect(result.status == 0, "\(result.errors)")
      points.append((try #require(try result.object()["point"] as? String), content))
    }
  }

  /// The vault's objects below a folder of it, as paths below the run's directory.
  func objects(_ folder: String, vault: String = "v") throws -> [String] {
    try snapstore.directory.names("\(vault)/\(folder)").map { "\(vault)/\(folder)/\($0)" }
  }

  /// A copy of the vault under another name.
  func copyVault(to name: String) throws {
    try Self.manager.copyItem(atPath: snapstore.path("v"), toPath: snapstore.path(name))
  }

  func remove(_ name: String) throws { try snapstore.remove(name) }

  /// What a command that fails must say: one sentence, and an exit code that is meant.
  func expectClear(
    _ result: ProgramRun.Result, _ codes: Set<Int32>, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      codes.contains(result.status), "\(comment): \(result.status) \(result.errors)",
      sourceLocation: sourceLocation)
    guard result.status != 0 else { return }
    let lines = result.errors.split(separator: "\n")
    #expect(
      lines.count { $0.hasPrefix("snapstore: error: ") } == 1, "\(comment): \(result.errors)",
      sourceLocation: sourceLocation)
  }

  /// Restores a point: right bytes, or an error with one of these codes and no file. True if right.
  @discardableResult
  func expectRightOrClear(
    _ point: (id: String, content: [UInt8]), vault: String, _ codes: Set<Int32>, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Bool {
    let target = "out-\(UUID().uuidString)"
    let result = try snapstore(
      "restore", "--vault", vault, "--point", point.id, "--to", target)
    expectClear(
      result, codes.union([0]), "restore, \(comment)", sourceLocation: sourceLocation)
    defer {
      do { try remove(target) } catch { Issue.record(error) }
    }
    guard result.status == 0 else {
      #expect(
        !Self.manager.fileExists(atPath: snapstore.path(target)), "\(comment)",
        sourceLocation: sourceLocation)
      return false
    }
    let isRight = try snapstore.read("\(target)/disk.img") == point.content
    #expect(isRight, "wrong bytes with exit code 0: \(comment)", sourceLocation: sourceLocation)
    return isRight
  }
}
