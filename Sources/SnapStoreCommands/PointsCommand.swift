internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PointsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "points", abstract: "List the recovery points of a vault.",
    discussion: """
      The newest point of a machine is its last. Deleted points are not among them: with \
      --deleted, those are listed that can be brought back. With --json, one array is printed.

      EXAMPLES:
        snapstore points
        snapstore points --vm web --json
        snapstore points --deleted
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp("Only this machine's points.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @Flag(name: .customLong("deleted"), help: "The deleted points that can be brought back.")
  var isDeleted = false

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let catalog = try PointCatalog(vault)
    for point in catalog.unreadable {
      console.warn("recovery point \(point.id) can't be read: \(point.error)")
    }
    let points = (isDeleted ? catalog.deleted : catalog.entries).map(\.point).filter {
      vm == nil || $0.machine == vm
    }
    let marks = try PointMarks(vault)
    if console.isJSON {
      try console.print(
        .array(points.map { Self.fields($0, marks, isDeleted: isDeleted) }))
    } else if points.isEmpty {
      let kind = isDeleted ? "deleted recovery points" : "recovery points"
      try console.print(
        "No \(kind)\(vm.map { " of \($0)" } ?? "") in \(vault.store.location)")
    } else {
      try console.print(Self.table(points, marks).text)
    }
    // The list is good, but not all of it: a script has to notice.
    if let status = ExitStatus(unreadable: catalog.unreadable.map { $0.error.code == .damaged }) {
      throw ExitCode(status.rawValue)
    }
  }

  static func fields(
    _ point: RecoveryPoint, _ marks: PointMarks, isDeleted: Bool = false
  ) -> JSONValue {
    [
      "point": .string(point.id.text),
      "vm": .string(point.machine.text),
      "sequence": .bytes(point.sequence),
      "parent": .optional(point.parent?.text),
      "time": .string(point.time.rfc3339),
      "consistency": .string(point.consistency.name),
      "disks": .count(point.disks.count),
      "size_bytes": .bytes(point.byteCount),
      "new_bytes": .bytes(point.figures.newByteCount),
      "pinned": .bool(marks.pins.contains(point.id)),
      "deleted": .bool(isDeleted),
      "verified_at": .optional(marks.verifications.time(of: point.id)?.rfc3339),
      "lossy": .bool(marks.verifications.isLossy(point.id)),
      "clock_suspect": .bool(point.clock?.suspicion != nil),
      "suspect": .bool(marks.reviews.isSuspect(point)),
    ]
  }

  static func table(_ points: [RecoveryPoint], _ marks: PointMarks) -> Table {
    var table = Table([
      .init(title: "POINT"), .init(title: "VM"), .init(title: "SEQUENCE", isNumber: true),
      .init(title: "TIME"), .init(title: "CONSISTENCY"), .init(title: "DISKS", isNumber: true),
      .init(title: "SIZE", isNumber: true), .init(title: "NEW", isNumber: true),
      .init(title: "VERIFIED"), .init(title: "MARKS"),
    ])
    for point in points {
      table.add([
        point.id.text, point.machine.text, "\(point.sequence)", point.time.rfc3339,
        point.consistency.name, "\(point.disks.count)", HumanText.bytes(point.byteCount),
        HumanText.bytes(point.figures.newByteCount),
        marks.verifications.time(of: point.id)?.rfc3339 ?? "-", marks.text(of: point),
      ])
    }
    return table
  }
}

/// What is said of points behind their making.
struct PointMarks {
  let pins: Pins
  let reviews: Reviews
  let verifications: Verifications

  init(_ vault: Vault) throws {
    pins = try Pins(vault)
    reviews = try Reviews(vault)
    verifications = try Verifications(vault)
  }

  /// What else matters of a point, for people.
  func text(of point: RecoveryPoint) -> String {
    let marks = [
      verifications.isLossy(point.id) ? "lossy" : nil,
      reviews.isSuspect(point) ? "suspect" : nil,
      pins.contains(point.id) ? "pinned" : nil,
      point.clock?.suspicion.map { "clock \($0.name)" },
    ].compactMap { $0 }
    return marks.isEmpty ? "-" : marks.joined(separator: ", ")
  }
}
