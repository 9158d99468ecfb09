internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "point",
    abstract: "Delete a recovery point, bring a deleted one back, or pin one.",
    discussion: """
      EXAMPLES:
        snapstore point delete 20261122T1000
        snapstore point undelete 20261122T1000
        snapstore point pin 20261122T1000
      """,
    subcommands: [
      PointDeleteCommand.self, PointUndeleteCommand.self, PointPinCommand.self,
      PointUnpinCommand.self,
    ])
}

struct PointDeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a recovery point.",
    usage: "snapstore point delete <point> [--now --yes] [<options>]",
    discussion: """
      For 14 days, or as long as the machine's policy says, the point is only hidden: snapstore \
      points --deleted shows it, and snapstore point undelete brings it back. After that, or at \
      once with --now --yes, it is gone for ever. The space that nothing else needs is freed by \
      the next snapstore collect.

      A backup or restore that is under way and needs the point goes on undisturbed.

      EXAMPLES:
        snapstore point delete 20261122T1000
        snapstore point delete 20261122T100000Z-4e4a36 --now --yes
      """)

  @OptionGroup var vault: VaultOptions

  @Argument(
    help: ArgumentHelp("The recovery point: its ID, or the beginning of one.", valueName: "point"),
    completion: .custom(VaultCompletion.points))
  var point: String

  @Flag(name: .customLong("now"), help: "Delete it for ever, at once; needs --yes.")
  var isFinal = false

  @Flag(name: .customLong("yes"), help: "Yes, it is not wanted back.")
  var isSure = false

  @OptionGroup var output: AnswerOptions

  func validate() throws {
    if point == "latest" || point.isEmpty {
      throw ValidationError("name the recovery point by its ID: snapstore points")
    }
    if isSure && !isFinal { throw ValidationError("--yes is for --now") }
    if isFinal && !isSure {
      throw ValidationError("--now deletes for ever: say so with --now --yes")
    }
  }

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let catalog = try PointCatalog(vault)
    let (id, subject) = try catalog.resolveAny(point)
    let reserve = Reserve(vault)
    let policy = try subject.flatMap { try Policies(vault).policy(of: $0.machine) }
    let record = try reserve.using {
      try PointDeletion(vault, catalog).delete(
        id, subject: subject, isFinal: isFinal,
        softDeleteSeconds: policy?.settings.softDeleteSeconds ?? SoftDelete.defaultSeconds)
    }
    reserve.make()
    try answer(console, id, record, vault)
  }

  private func answer(
    _ console: Console, _ id: PointID, _ record: TombstoneRecord, _ vault: Vault
  ) throws {
    let isFinal = record.state == .final
    if console.isJSON {
      try console.print([
        "type": "summary", "point": .string(id.text), "deleted": true,
        "final": .bool(isFinal),
        "undelete_until": isFinal ? .null : .string(record.until.rfc3339),
      ])
    } else if isFinal {
      try console.print(
        """
        Recovery point \(id) is deleted for ever
        To free its space: snapstore collect
        """)
    } else {
      try console.print(
        """
        Recovery point \(id) is deleted
        Until \(record.until.rfc3339) it can be brought back: snapstore point undelete \(id)
        """)
    }
  }
}

struct PointUndeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undelete", abstract: "Bring a deleted recovery point back.",
    discussion: """
      A deleted point can be brought back for 14 days, unless it was deleted with --now: snapstore \
      points --deleted lists those that can.

      EXAMPLES:
        snapstore point undelete 20261122T1000
      """)

  @OptionGroup var vault: VaultOptions

  @Argument(
    help: ArgumentHelp(
      "The deleted recovery point: its ID, or the beginning of one.", valueName: "point"),
    completion: .custom(VaultCompletion.deletedPoints))
  var point: String

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let catalog = try PointCatalog(vault)
    let id = try catalog.resolveDeleted(point)
    let reserve = Reserve(vault)
    try reserve.using { _ = try PointDeletion(vault, catalog).undelete(id) }
    reserve.make()
    if console.isJSON {
      try console.print(["type": "summary", "point": .string(id.text), "deleted": false])
    } else {
      try console.print("Recovery point \(id) is back")
    }
  }
}
