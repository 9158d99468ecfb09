internal import ArgumentParser
internal import SnapStoreIO
internal import SnapStoreVault

struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Tell figures of a vault to a monitoring system.",
    usage: "snapstore metrics [--output <file> | --textfile] [<options>]",
    discussion: """
      The text format of Prometheus is printed, or written to a file for the textfile collector \
      of its node exporter: whole and at once, in place of the metrics that were there. Another \
      file is not replaced.

      EXAMPLES:
        snapstore metrics
        snapstore metrics --textfile
        snapstore metrics --output /var/lib/prometheus/node-exporter/snapstore.prom
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    name: .customLong("output"),
    help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"),
    completion: .file())
  var file: String?

  @Flag(
    name: .customLong("textfile"), help: "Write to the file that the configuration names.")
  var writesTextfile = false

  @OptionGroup var output: AnswerOptions

  func validate() throws {
    if file == "" { throw ValidationError("--output names no file") }
    if file != nil && writesTextfile {
      throw ValidationError("--output and --textfile name two files: only one is written")
    }
  }

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let target = try writesTextfile ? Self.textfile(host) : file
    let metrics = try Metrics(try vault.open(host: host))
    for warning in metrics.unreadable { console.warn(warning) }
    if let target { try MetricsFile.write(metrics, to: target, host: host) }
    if console.isJSON {
      try console.print(metrics.json)
    } else if target == nil {
      try StandardOutput.write(metrics.text)
    }
  }

  /// Writes the metrics to the file that the configuration names, if it names one; but where
  /// nothing has happened, not more often than every half hour: they need the directory of each
  /// pack.
  static func writeTextfile(of vault: Vault, isNews: Bool) throws {
    guard let file = try ConfigurationFile.read(vault.host).metricsFile,
      try isNews || !MetricsFile.isYounger(than: 1500, file, vault.host)
    else { return }
    try MetricsFile.write(try Metrics(vault), to: file, host: vault.host)
  }

  private static func textfile(_ host: HostSystem) throws -> String {
    guard let file = try ConfigurationFile.read(host).metricsFile else {
      throw Failure(
        .wrongUsage, "the configuration names no file for metrics",
        hint: "set textfile in its [metrics], or name the file with --output")
    }
    return file
  }
}
