internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Turn a recovery point into new disk files.",
    usage: """
      snapstore restore --point <point> [--vm <name>] [--to <dir>]
                        [--disk <name> ...] [<options>]
      """,
    discussion: """
      Each disk becomes DIR/NAME.img, a sparse file. Nothing that exists is ever replaced: if \
      one of the files is there, the restore is refused before anything is read. When the \
      command ends with exit code 0, the files are what was backed up, and durable.

      EXAMPLES:
        snapstore restore --point latest --to /srv/restored
        snapstore restore --vm web --point 20261122T1000 --disk db
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp(
      "The recovery point: its ID, the beginning of one, or latest.", valueName: "point"),
    completion: .custom(VaultCompletion.points))
  var point: String

  @Option(
    help: ArgumentHelp(
      "The machine, where the vault has several.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @Option(
    name: .customLong("to"),
    help: ArgumentHelp(
      "The directory for the files. (default: ./VM-POINT)", valueName: "dir"),
    completion: .directory)
  var target: String?

  @Option(
    name: .customLong("disk"),
    help: ArgumentHelp(
      "Only this disk; may be given several times. (default: all)", valueName: "name"),
    transform: parseName)
  var disks: [Name] = []

  @OptionGroup var resources: ResourceOptions
  @OptionGroup var region: RegionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if target == "" { throw ValidationError("--to names no directory") }
    if point.isEmpty { throw ValidationError("--point names no recovery point") }
  }

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let vault = try vault.open(host: host)
    try region.check(vault) { error in
      // No mistake in it keeps anybody from a restore.
      console.warn("the region of this host is not known: \(Failure(error).message)")
    }
    let catalog = try PointCatalog(vault)
    let entry = try catalog.resolve(point, machine: vm)
    var restore = try Restore(
      entry.point, disks: disks,
      to: target ?? "./\(entry.point.machine)-\(entry.point.id)")
    restore.resources = resources.resources
    let watch = try SignalWatch(restore.interruption)
    defer { withExtendedLifetime(watch) {} }
    let report = try JobRun(.restore, machine: entry.point.machine, console).recording(in: vault) {
      [restore, point] in
      var report = try console.showing(restore.progress) { try restore.run(from: vault) }
      report.warnings += HostMemory(host).contradictions(
        of: vault, catalog, machine: entry.point.machine)
      if let doubt = catalog.doubt(of: entry) { report.warnings.append(doubt) }
      if point == "latest" {
        report.warnings += catalog.unreadable.map {
          "recovery point \($0.id) can't be read and was passed over: its name says it is older"
        }
      }
      return (
        report,
        JobResult(
          point: entry.point.id, warnings: report.warnings,
          figures: [.writtenBytes: report.writtenByteCount])
      )
    }
    for warning in report.warnings { console.warn(warning) }
    if console.isJSON {
      try console.print(Self.summary(report, point: entry.point))
    } else {
      try console.print(Self.text(report, point: entry.point))
    }
  }

  static func summary(_ report: Restore.Report, point: RecoveryPoint) -> JSONValue {
    [
      "type": "summary",
      "point": .string(point.id.text),
      "vm": .string(point.machine.text),
      "files": .array(
        report.files.map { file in
          [
            "disk": .string(file.disk.text), "path": .string(file.path),
            "size_bytes": .bytes(file.byteCount),
          ]
        }),
      "written_bytes": .bytes(report.writtenByteCount),
      "warnings": .array(report.warnings.map { .string($0) }),
      "seconds": .seconds(report.seconds),
    ]
  }

  static func text(_ report: Restore.Report, point: RecoveryPoint) -> String {
    var table = Table([
      .init(title: "DISK"), .init(title: "SIZE", isNumber: true), .init(title: "FILE"),
    ])
    for file in report.files {
      table.add([file.disk.text, HumanText.bytes(file.byteCount), file.path])
    }
    return """
      Restored recovery point \(point.id) of \(point.machine)

      \(table.text)

      Wrote \(HumanText.bytes(report.writtenByteCount)) in \(HumanText.seconds(report.seconds)) \
      (\(HumanText.rate(report.writtenByteCount, report.seconds))); the files are durable.
      """
  }
}
