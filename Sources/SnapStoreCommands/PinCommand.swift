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
    try target.change(vault, output.console, isPinned: true) { vault, point in
      try vault.pin(point.id)
      return "is pinned"
    }
  }
}

struct PointUnpinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpin", abstract: "Let the rules decide again about a pinned point.",
    discussion: """
      A point is suspect if so much of its disks was replaced, or became incompressible, that it \
      may be the work of malware. It is kept, and so is the last good point before it, until this \
      command says that somebody has looked at it.

      EXAMPLES:
        snapstore point unpin 20261122T1000
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var target: PinTarget
  @OptionGroup var output: AnswerOptions

  func run() throws {
    try target.change(vault, output.console, isPinned: false) { vault, point in
      let isSuspect = try Reviews(vault).isSuspect(point)
      try vault.unpin(point.id)
      guard isSuspect else { return "is not pinned" }
      try vault.review(point.id)
      return "is not suspect any more: the rules decide about it, and about the one before it"
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
    _ options: VaultOptions, _ console: Console, isPinned: Bool,
    _ body: (Vault, RecoveryPoint) throws -> String
  ) throws {
    let vault = try options.open(host: HostSystem.current())
    let target = try PointCatalog(vault).resolve(point, machine: nil).point
    let state = try Reserve(vault).using { try body(vault, target) }
    if console.isJSON {
      try console.print([
        "type": "summary", "point": .string(target.id.text), "pinned": .bool(isPinned),
        "suspect": .bool(try Reviews(vault).isSuspect(target)),
      ])
    } else {
      try console.print("Recovery point \(target.id) \(state)")
    }
  }
}
