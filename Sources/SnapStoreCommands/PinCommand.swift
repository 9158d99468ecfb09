internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PointPinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pin", abstract: "Keep a recovery point, whatever the rules say.",
    discussion: """
      A pinned point is not deleted, neither by snapstore prune nor by snapstore point delete, \
      until snapstore point unpin.

      EXAMPLES:
        snapstore point pin 20261122T1000
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var target: PinTarget
  @OptionGroup var output: AnswerOptions

  func run() throws {
    try target.change(vault, output.console, "is pinned", isPinned: true) { vault, point in
      try vault.pin(point)
    }
  }
}

struct PointUnpinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpin", abstract: "Let the rules decide again about a pinned point.",
    discussion: """
      EXAMPLES:
        snapstore point unpin 20261122T1000
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var target: PinTarget
  @OptionGroup var output: AnswerOptions

  func run() throws {
    try target.change(vault, output.console, "is not pinned", isPinned: false) { vault, point in
      try vault.unpin(point)
    }
  }
}

/// The point that is pinned or not.
struct PinTarget: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The recovery point: its ID, or the beginning of one.", valueName: "point"),
    completion: .custom(VaultCompletion.points))
  var point: String

  func validate() throws {
    if point == "latest" || point.isEmpty {
      throw ValidationError("name the recovery point by its ID: snapstore points")
    }
  }

  func change(
    _ options: VaultOptions, _ console: Console, _ state: String, isPinned: Bool,
    _ body: (Vault, PointID) throws -> Void
  ) throws {
    let vault = try options.open(host: HostSystem.current())
    let id = try PointCatalog(vault).resolve(point, machine: nil).point.id
    try Reserve(vault).using { try body(vault, id) }
    if console.isJSON {
      try console.print([
        "type": "summary", "point": .string(id.text), "pinned": .bool(isPinned),
      ])
    } else {
      try console.print("Recovery point \(id) \(state)")
    }
  }
}
