internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Make a recovery point of a machine's disks.",
    usage: """
      snapstore backup [--vm <name>] [--os-disk <[name=]source>]
                       [--data-disk <[name=]source> ...] [<[name=]source> ...]
                       [<options>]
      """,
    discussion: """
      A SOURCE is a raw disk image or a block device, as PATH or NAME=PATH; without a name, the \
      file's name without its extension is used. All disks are read at once; if one can't be \
      read, no point appears. The disks are never written to. With only --vm, the disks are those \
      that snapstore policy assign named for the machine.

      Only what the vault does not have yet is stored. What a backup stored that was interrupted \
      or killed is used by the next one.

      EXAMPLES:
        snapstore backup disk.img
        snapstore backup --vm web --os-disk web.img --data-disk db=/dev/vg0/web-db
        snapstore backup --vm web
      """)

  @OptionGroup var vault: VaultOptions

  @OptionGroup var machine: MachineDiskOptions

  @Option(
    help: ArgumentHelp(
      "How new chunks are compressed: lz4, or zstd:LEVEL. (default: as the vault was made)",
      valueName: "codec"),
    completion: .list(Compression.examples.map(\.optionName)), transform: parseCompression)
  var compression: Compression?

  @OptionGroup var resources: ResourceOptions
  @OptionGroup var region: RegionOptions
  @OptionGroup var network: NetworkDiskOptions

  @Flag(
    name: .customLong("no-verify-writes"),
    help: ArgumentHelp(
      "Do not decode and compare what was compressed before it is written."))
  var skipsVerification = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    var disks = try machine.named.map { try $0.request() }
    var known: Vault?
    if disks.isEmpty, let vm = machine.vm {
      let vault = try JobRun(.backup, machine: vm, console).opening(vault, host: host)
      disks = try Backup.rememberedDisks(of: vm, in: vault)
      known = vault
    }
    guard let first = disks.first else {
      throw Failure(
        .wrongUsage, "no disk is named", hint: "name one: snapstore backup disk.img")
    }
    var backup = Backup(machine: machine.vm ?? first.name, disks: disks)
    backup.resources = resources.resources
    backup.compression = compression
    backup.verifiesWrites = !skipsVerification
    backup.allowsNetworkDisks = network.isAllowed
    let location = try vault.location(host)
    let vault = try known ?? openVault(for: backup, host, console)
    try region.check(vault)
    let watch = try SignalWatch(backup.interruption)
    defer { withExtendedLifetime(watch) {} }
    let report = try BackupJob(
      backup: backup, vault: vault,
      vaultPath: try existingPath(location.path, calls: host.calls), console: console
    ).run()
    if console.isJSON {
      try console.print(Self.summary(report, vault: vault.store.location))
    } else {
      try console.print(Self.text(report, vault: vault.store.location))
    }
  }

  /// What is wrong with the disks is said before what is wrong with the vault, and before one is
  /// made.
  private func openVault(
    for backup: Backup, _ host: HostSystem, _ console: Console
  ) throws -> Vault {
    func check() throws { _ = try backup.openSources(vaultPath: nil, host: host) }
    return try JobRun(.backup, machine: backup.machine, console).opening(vault, host: host) {
      do {
        return try vault.openOrMakeDefault(host: host, console: console, check: check)
      } catch {
        try check()
        throw error
      }
    }
  }

  static func summary(_ report: Backup.Report, vault: String) -> JSONValue {
    let point = report.point
    return JSONValue.object([
      "type": "summary",
      "point": .string(point.id.text),
      "vm": .string(point.machine.text),
      "vault": .string(vault),
      "parent": .optional(point.parent?.text),
      "sequence": .bytes(point.sequence),
      "consistency": .string(point.consistency.name),
      "disks": .array(point.disks.map(diskFields)),
      "size_bytes": .bytes(point.byteCount),
      "signals": SignalsAnswer.fields(point),
      "changes": SignalsAnswer.changes(point),
      "warnings": .array(report.warnings.map { .string($0) }),
      "seconds": .seconds(report.seconds),
    ]).merging(figureFields(point.figures))
  }

  static func diskFields(_ disk: PointDisk) -> JSONValue {
    JSONValue.object([
      "name": .string(disk.name.text), "role": .string(disk.role.name),
      "size_bytes": .bytes(disk.byteCount),
    ]).merging(figureFields(disk.figures))
  }

  static func figureFields(_ figures: BackupFigures) -> [String: JSONValue] {
    [
      "read_bytes": .bytes(figures.readByteCount),
      "hole_bytes": .bytes(figures.holeByteCount),
      "new_bytes": .bytes(figures.newByteCount),
      "stored_bytes": .bytes(figures.storedByteCount),
      "reused_bytes": .bytes(figures.reusedByteCount),
    ]
  }

  static func text(_ report: Backup.Report, vault: String) -> String {
    let point = report.point
    var table = diskTable()
    for disk in point.disks { addRow(disk, to: &table) }
    let figures = point.figures
    return """
      Recovery point \(point.id) of \(point.machine) is in \(vault)

      \(table.text)

      Read \(HumanText.bytes(figures.readByteCount)) in \(HumanText.seconds(report.seconds)) \
      (\(HumanText.rate(figures.readByteCount, report.seconds))), \
      stored \(HumanText.bytes(figures.storedByteCount)) for \
      \(HumanText.bytes(figures.newByteCount)) of new data; \
      \(HumanText.bytes(figures.reusedByteCount)) were in the vault.
      """
  }

  static func diskTable() -> Table {
    Table([
      .init(title: "DISK"), .init(title: "ROLE"), .init(title: "SIZE", isNumber: true),
      .init(title: "READ", isNumber: true), .init(title: "NEW", isNumber: true),
      .init(title: "STORED", isNumber: true),
    ])
  }

  static func addRow(_ disk: PointDisk, to table: inout Table) {
    table.add([
      disk.name.text, disk.role.name, HumanText.bytes(disk.byteCount),
      HumanText.bytes(disk.figures.readByteCount), HumanText.bytes(disk.figures.newByteCount),
      HumanText.bytes(disk.figures.storedByteCount),
    ])
  }
}
