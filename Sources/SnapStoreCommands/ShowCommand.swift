internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct ShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Tell everything about one recovery point.",
    discussion: """
      When it was made and from what, how its disks are named, what it stored; and the hash that \
      says whether it is still the same.

      EXAMPLES:
        snapstore show latest
        snapstore show --vm web 20261122T1000 --json
      """)

  @OptionGroup var vault: VaultOptions

  @Argument(
    help: ArgumentHelp(
      "The recovery point: its ID, the beginning of one, or latest.", valueName: "point"),
    completion: .custom(VaultCompletion.points))
  var point: String

  @Option(
    help: ArgumentHelp("The machine, where the vault has several.", valueName: "name"),
    completion: .custom(VaultCompletion.machines),
    transform: parseName)
  var vm: Name?

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let catalog = try PointCatalog(vault)
    let entry = try catalog.resolve(point, machine: vm)
    if let doubt = catalog.doubt(of: entry) { console.warn(doubt) }
    let marks = try PointMarks(vault)
    if console.isJSON {
      try console.print(Self.fields(entry, marks))
    } else {
      try console.print(Self.text(entry, marks))
    }
  }

  static func fields(_ entry: PointCatalog.Entry, _ marks: PointMarks) -> JSONValue {
    let point = entry.point
    return PointsCommand.fields(point, marks).merging([
      "hash": .string(Hexadecimal.text(entry.hash)),
      "previous": .array(point.previous.map { .string(Hexadecimal.text($0)) }),
      "evidence": .string(point.evidence),
      "signals": SignalsAnswer.fields(point),
      "changes": SignalsAnswer.changes(point),
      "disks": .array(
        point.disks.map {
          BackupCommand.diskFields($0).merging([
            "source": .string($0.source), "data_bytes": .bytes($0.root.dataByteCount),
          ])
        }),
    ]).merging(BackupCommand.figureFields(point.figures))
  }

  static func text(_ entry: PointCatalog.Entry, _ marks: PointMarks) -> String {
    let point = entry.point
    var table = BackupCommand.diskTable()
    for disk in point.disks { BackupCommand.addRow(disk, to: &table) }
    let sources = point.disks.map { "  \($0.name): \(HumanText.plain($0.source))" }.joined(
      separator: "\n")
    let previous =
      point.previous.isEmpty
      ? "none" : point.previous.map { Hexadecimal.text($0) }.joined(separator: ", ")
    let suspicion = point.clock?.suspicion.map { ", by a clock that was \($0.name)" } ?? ""
    return """
      Point:        \(point.id)
      Machine:      \(point.machine), sequence \(point.sequence)
      Time:         \(point.time.rfc3339)\(suspicion)
      Consistency:  \(point.consistency.name) (\(HumanText.plain(point.evidence)))
      Parent:       \(point.parent?.text ?? "none")
      Verified:     \(marks.verifications.time(of: point.id)?.rfc3339 ?? "never")
      Marks:        \(marks.text(of: point))
      Changes:      \(SignalsAnswer.text(point))
      Hash:         \(Hexadecimal.text(entry.hash))
      Previous:     \(previous)

      \(table.text)

      Sources:
      \(sources)
      """
  }
}
