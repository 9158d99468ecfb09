internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What shells offer for names that stand in a vault. The shell runs the program for it with the
/// words typed so far.
enum VaultCompletion {
  @Sendable static func points(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
    ["latest"] + (catalog(words)?.entries.map(\.point.id.text) ?? [])
  }

  @Sendable static func deletedPoints(
    _ words: [String], _ index: Int, _ prefix: String
  ) -> [String] {
    catalog(words)?.deleted.map(\.point.id.text) ?? []
  }

  @Sendable static func machines(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
    let known = (catalog(words)?.machines ?? []) + (policies(words)?.machines.map(\.name) ?? [])
    return Set(known).sorted().map(\.text)
  }

  @Sendable static func policies(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
    policies(words)?.policies.map(\.name.text) ?? []
  }

  private static func catalog(_ words: [String]) -> PointCatalog? {
    look(words) { try PointCatalog($0) }
  }

  private static func policies(_ words: [String]) -> Policies? { look(words) { try Policies($0) } }

  /// At the vault that the words name, or the one that is used where none is named.
  private static func look<Result>(
    _ words: [String], _ body: (Vault) throws -> Result
  ) -> Result? {
    var options = VaultOptions()
    options.path = vaultPath(words)
    do {
      return try body(try options.open(host: HostSystem.current()))
    } catch {
      return nil  // nothing to offer; the command itself will say why
    }
  }

  static func vaultPath(_ words: [String]) -> String? {
    let assignment = "--vault="
    if let word = words.last(where: { $0.hasPrefix(assignment) }) {
      return String(word.dropFirst(assignment.count))
    }
    guard let option = words.lastIndex(of: "--vault"), option + 1 < words.count else { return nil }
    return words[option + 1]
  }
}
