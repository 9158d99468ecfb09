internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove that recovery points can be restored.",
    usage: """
      snapstore verify [--point <point>] [--vm <name>] [--quick]
                       [--expect <hash> ...] [<options>]
      """,
    discussion: """
      Reads the whole vault, each pack from end to end, and follows the maps of all recovery \
      points; or with --point what one of them needs, as a restore would read it. With --quick \
      the data of chunks is not read: only what should be there, and where.

      Damage is told with the points, disks and bytes that lose by it, and recorded in the vault: \
      the next backup that meets the same content stores it again, which mends every point that \
      uses it. The exit code is 0 where nothing is damaged, and 65 otherwise.

      EXAMPLES:
        snapstore verify
        snapstore verify --point latest --vm web
        snapstore verify --quick --json
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp(
      "Only this recovery point: its ID, the beginning of one, or latest. (default: all)",
      valueName: "point"),
    completion: .custom(VaultCompletion.points))
  var point: String?

  @Option(
    help: ArgumentHelp(
      "The machine of --point, where the vault has several.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @Flag(
    name: .customLong("quick"),
    help: "Check what is there, and not the data of chunks.")
  var isQuick = false

  @Option(
    name: .customLong("expect"),
    help: ArgumentHelp(
      "A point with this hash must be there; show prints a point's hash.", valueName: "hash"),
    transform: parseHash)
  var expectedHashes: [RecoveryPoint.Hash] = []

  @OptionGroup var resources: ResourceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if point == "" { throw ValidationError("--point names no recovery point") }
    if vm != nil && point == nil { throw ValidationError("--vm needs --point") }
  }

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let vault = try JobRun(.verify, console).opening(vault, host: host)
    let catalog = try PointCatalog(vault)
    let entry = try point.map { try catalog.resolve($0, machine: vm) }
    var verify = Verify(entry?.point)
    verify.expectedHashes = expectedHashes
    verify.isQuick = isQuick
    verify.resources = resources.resources
    let watch = try SignalWatch(verify.interruption)
    defer { withExtendedLifetime(watch) {} }
    let report = try JobRun(.verify, machine: verify.point?.machine, console).recording(in: vault) {
      [verify] in
      var report = try console.showing(verify.progress) { try verify.run(on: vault) }
      report.warnings += HostMemory(host).contradictions(of: vault, catalog)
      if let doubt = entry.flatMap(catalog.doubt) { report.warnings.append(doubt) }
      return (report, JobResult(report, of: verify.point?.id))
    }
    for warning in report.warnings { console.warn(warning) }
    if console.isJSON {
      try console.print(Self.summary(report))
    } else {
      let text = Self.text(report, vault: vault.store.location)
      try console.print(text, isFault: !report.damaged.isEmpty)
    }
    if !report.damaged.isEmpty { throw ExitCode(ExitStatus.damagedData.rawValue) }
  }

  static func summary(_ report: Verify.Report) -> JSONValue {
    [
      "type": "summary",
      "points": .count(report.pointCount),
      "chunks": .bytes(report.chunkCount),
      "read_bytes": .bytes(report.readByteCount),
      "damaged": .array(report.damaged.map(fields)),
      "healed": .array(report.healed.map(fields)),
      "warnings": .array(report.warnings.map { .string($0) }),
      "seconds": .seconds(report.seconds),
    ]
  }

  private static func fields(_ damage: DamageReport.Damage) -> JSONValue {
    [
      "object": .string(damage.object),
      "offset": damage.offset.map { .bytes($0) } ?? .null,
      "problem": .string(damage.problem),
      "losses": .array(
        damage.losses.map { loss in
          [
            "point": .string(loss.point.text),
            "disk": .optional(loss.disk?.text),
            "ranges": .array(
              loss.ranges.map { range in
                ["offset": .bytes(range.lowerBound), "length": .bytes(UInt64(range.count))]
              }),
          ]
        }),
    ]
  }

  static func text(_ report: Verify.Report, vault: String) -> String {
    let points = HumanText.count(report.pointCount, "recovery point", "recovery points")
    let work = """
      Checked \(points) and \(report.chunkCount) chunks in \(HumanText.seconds(report.seconds)); \
      read \(HumanText.bytes(report.readByteCount)) \
      (\(HumanText.rate(report.readByteCount, report.seconds))).
      """
    let healed =
      report.healed.isEmpty
      ? ""
      : "\nKnown damage that costs nothing any more: \(report.healed.count) "
        + "(stored again, or used by no point)."
    guard !report.damaged.isEmpty else {
      return "Nothing is damaged in \(vault)\n\n\(work)\(healed)"
    }
    let damages = report.damaged.map(text).joined(separator: "\n")
    let losers = Set(report.damaged.flatMap(\.losses).map(\.point)).count
    let loss =
      losers == 0
      ? "Every recovery point that was checked can be restored all the same."
      : """
      \(HumanText.count(losers, "recovery point loses", "recovery points lose")) by it. Back the \
      machines up again now:
      what their disks still have is stored again, which mends all points that use it.
      """
    return "Damage in \(vault)\n\n\(damages)\n\n\(loss)\n\n\(work)\(healed)"
  }

  private static let maximumShown = 10

  private static func text(_ damage: DamageReport.Damage) -> String {
    let place = damage.offset.map { " at byte \($0)" } ?? ""
    var lines = ["\(damage.object)\(place): \(HumanText.plain(damage.problem))"]
    for loss in damage.losses.prefix(maximumShown) {
      guard let disk = loss.disk else {
        lines.append("  \(loss.point): all of it")
        continue
      }
      let ranges = loss.ranges.prefix(maximumShown).map { "\($0.lowerBound) to \($0.upperBound)" }
      let more = loss.ranges.count - ranges.count
      lines.append(
        "  \(loss.point), disk \(disk): bytes \(ranges.joined(separator: ", "))"
          + (more > 0 ? " and \(more) more ranges" : ""))
    }
    let more = damage.losses.count - maximumShown
    if more > 0 { lines.append("  and \(more) more (--json tells all)") }
    return lines.joined(separator: "\n")
  }
}

extension JobResult {
  fileprivate init(_ report: Verify.Report, of point: PointID?) {
    self.init(
      point: point, warnings: report.warnings,
      figures: [
        .readBytes: report.readByteCount, .damagedObjects: UInt64(report.damaged.count),
      ])
    guard let first = report.damaged.first else { return }
    let objects = HumanText.count(report.damaged.count, "object is", "objects are")
    failure = Failure(
      .damagedData, "\(objects) damaged, the first one \(first.object): \(first.problem)",
      hint: "see what loses by it: snapstore verify")
  }
}

/// A hash of a point as `show` prints it.
@Sendable func parseHash(_ text: String) throws -> RecoveryPoint.Hash {
  guard let hash = Hexadecimal.bytes(text.lowercased()), hash.count == RecoveryPoint.hashByteCount
  else {
    throw ValidationError("'\(text)' is no hash of a point: snapstore show prints it")
  }
  return hash
}
