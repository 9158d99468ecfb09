internal import ArgumentParser
internal import SnapStoreDisks
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure this machine, and tell what bounds a backup here.",
    usage: "snapstore bench [<[name=]source> ...] [<options>]",
    discussion: """
      Measures hashes, codecs and whole stages of a backup, and writes up to 1 GiB to the file \
      system of the vault (or where it would be made) and reads it back; with a SOURCE, reading \
      of that disk too. It takes some seconds, and leaves nothing behind.

      A disk that was read just now may be in the page cache, and then reads faster than it is. \
      Other programs that run at the same time make all figures smaller.

      EXAMPLES:
        snapstore bench
        snapstore bench --vault /backup/vault /dev/vg0/web-db
        snapstore bench --json
      """)

  @OptionGroup var vault: VaultOptions

  @Argument(
    help: ArgumentHelp("Disks to read for measuring.", valueName: "[name=]source"),
    completion: .file())
  var sources: [String] = []

  @OptionGroup var resources: ResourceOptions
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let disks = try sources.map { try SourceArgument(text: $0, role: .data).request() }.map {
      try SourceDisk(name: $0.name, path: $0.path, calls: host.calls)
    }
    var bench = Bench(directory: try directory(host))
    bench.sources = disks
    bench.resources = resources.resources
    let watch = try SignalWatch(bench.interruption)
    defer { withExtendedLifetime(watch) {} }
    let report = try bench.run(host: host)
    if console.isJSON {
      try console.print(Self.fields(report, directory: bench.directory))
    } else {
      try console.print(Self.text(report, directory: bench.directory, hasDisks: !disks.isEmpty))
    }
  }

  /// The vault's directory, or the nearest above it that is there.
  private func directory(_ host: HostSystem) throws -> String {
    let path = try vault.location(host).path
    if try existingPath(path, calls: host.calls) != nil { return path }
    guard let folder = try existingFolder(above: path, calls: host.calls) else {
      throw Failure(
        .notThere, "there is no directory above \(path): the working directory was removed",
        hint: "run it in a directory that is there")
    }
    return folder
  }

  static func fields(_ report: BenchReport, directory: String) -> JSONValue {
    [
      "directory": .string(directory),
      "jobs": .count(report.jobs),
      "parts": .array(report.parts.map(fields)),
      "new_data": fields(report.newData),
      "stored_share": .seconds(report.storedShare),
      "unchanged_data": fields(report.unchangedData),
      "write": fields(report.writing),
      "read_back": fields(report.readingBack),
      "syncs_per_second": .count(Int(report.syncsPerSecond)),
      "read": report.reading.map(fields) ?? .null,
      "first_backup": fields(report.firstBackup),
      "unchanged": fields(report.unchanged),
      "seconds": .seconds(report.seconds),
    ]
  }

  private static func fields(_ rate: Bench.Rate) -> JSONValue {
    [
      "name": .string(rate.name), "threads": .count(rate.threads),
      "bytes_per_second": .bytes(UInt64(rate.bytesPerSecond)),
    ]
  }

  private static func fields(_ estimate: BenchReport.Estimate) -> JSONValue {
    [
      "bytes_per_second": .bytes(UInt64(estimate.bytesPerSecond)),
      "bound": .string(estimate.bound.rawValue),
    ]
  }

  static func text(_ report: BenchReport, directory: String, hasDisks: Bool) -> String {
    var table = Table([
      .init(title: "MEASURED"), .init(title: "THREADS", isNumber: true),
      .init(title: "A SECOND", isNumber: true),
    ])
    let rates =
      report.parts + [report.newData, report.unchangedData, report.writing, report.readingBack]
    for rate in rates + (report.reading.map { [$0] } ?? []) {
      table.add([rate.name, "\(rate.threads)", HumanText.bytes(UInt64(rate.bytesPerSecond))])
    }
    table.add(["synchronize 4 KiB", "1", "\(Int(report.syncsPerSecond)) times"])
    let place = HumanText.plain(directory)
    let hint =
      switch (report.reading, hasDisks) {
      case (nil, false): "\nTo measure reading of a disk too: snapstore bench disk.img"
      case (nil, true): "\nThe disks have nothing but holes: there was nothing to read."
      default: ""
      }
    return """
      \(table.text)

      \(sentence("A first backup", report.firstBackup, report))
      \(sentence("Unchanged data", report.unchanged, report))
      The disk that was written to and read from is that of \(place).\(hint)
      """
  }

  /// What bounds it, and how fast it can be for that.
  private static func sentence(
    _ what: String, _ estimate: BenchReport.Estimate, _ report: BenchReport
  ) -> String {
    let rate = "\(HumanText.bytes(UInt64(estimate.bytesPerSecond)))/s"
    switch estimate.bound {
    case .computing where report.reading == nil:
      return "\(what) is bound by computing, or by reading where the disks are slower: "
        + "at most about \(rate)."
    case .computing: return "\(what) is bound by computing: at most about \(rate)."
    case .reading: return "\(what) is bound by reading the disks: at most about \(rate)."
    case .writing:
      return "\(what) is bound by writing to the vault: at most about \(rate) of content that "
        + "compresses to \(Int(report.storedShare * 100)) percent."
    }
  }
}
