internal import ArgumentParser
internal import SnapStoreDisks
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO

struct PreflightCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "preflight",
    abstract: "Look whether a machine's disks can be backed up, and say what to mend.",
    usage: """
      snapstore preflight [--vm <name>] [--os-disk <[name=]source>]
                          [--data-disk <[name=]source> ...]
                          [<[name=]source> ...] [<options>]
      """,
    discussion: """
      Checks the vault (there, writable, of this region, on a fit file system with space, not on a \
      disk that is backed up), each disk (readable, not on a network mount, not open for writing \
      elsewhere), the clock and the limit of open files, and says of each whether it passes. \
      Nothing is backed up. With only --vm, the disks are those that snapstore policy assign named \
      for the machine; without disks the vault alone is checked.

      The exit code is 0 where nothing fails, and 77 otherwise; warnings do not count.

      EXAMPLES:
        snapstore preflight disk.img
        snapstore preflight --vm web --region north --json
        snapstore preflight --os-disk web.img --data-disk db=/dev/vg0/web-db
      """)

  @OptionGroup var vault: VaultOptions

  @OptionGroup var machine: MachineDiskOptions

  @OptionGroup var region: RegionOptions
  @OptionGroup var network: NetworkDiskOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let location = try vault.location(host)
    var preflight = Preflight(vaultPath: location.path)
    preflight.isDefaultVault = location.isDefault
    preflight.machine = machine.vm
    preflight.hostRegion = try region.hostRegion(host)
    preflight.allowsOtherRegion = region.allowsOtherRegion
    preflight.allowsNetworkDisks = network.isAllowed
    for source in machine.named {
      do {
        preflight.disks.append(try source.request())
      } catch let failure as Failure {
        preflight.misnamed.append((source.text, failure.message, failure.hint))
      }
    }
    let findings = preflight.run(
      host: host, storage: HostStorage(calls: host.calls), log: Console.log)
    let hasFailed = findings.contains { $0.status == .fail }
    if console.isJSON {
      try console.print(.array(findings.map(Self.fields)))
    } else {
      let isFault = findings.contains { $0.status != .pass }
      try console.print(Self.text(findings, all: !output.isQuiet), isFault: isFault)
    }
    if hasFailed { throw ExitCode(ExitStatus.notAllowed.rawValue) }
  }

  static func fields(_ finding: Preflight.Finding) -> JSONValue {
    [
      "code": .string(finding.code.rawValue), "status": .string(finding.status.rawValue),
      "subject": .string(finding.subject), "message": .string(finding.message),
      "hint": .optional(finding.hint),
    ]
  }

  /// A line a finding, and what to do below each that does not pass.
  static func text(_ findings: [Preflight.Finding], all: Bool) -> String {
    var lines: [String] = []
    for finding in findings where all || finding.status != .pass {
      lines.append(
        "\(finding.status.rawValue)  \(HumanText.plain("\(finding.subject): \(finding.message)"))")
      if let hint = finding.hint { lines.append("      hint: \(HumanText.plain(hint))") }
    }
    let failed = findings.count { $0.status == .fail }
    let warned = findings.count { $0.status == .warn }
    let warnings = HumanText.count(warned, "warning", "warnings")
    let end =
      failed == 0
      ? "Nothing fails of \(HumanText.count(findings.count, "check", "checks")); \(warnings)."
      : "\(failed) of \(HumanText.count(findings.count, "check", "checks")) failed; \(warnings)."
    return (lines + ["", end]).joined(separator: "\n")
  }
}
