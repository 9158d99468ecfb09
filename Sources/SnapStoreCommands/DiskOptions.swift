internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO

/// The disks of a machine, as a command names them.
struct DiskOptions: ParsableArguments {
  @Option(
    name: .customLong("os-disk"),
    help: ArgumentHelp(
      "The disk that the machine starts from.", valueName: "[name=]source"),
    completion: .file())
  var osDisks: [String] = []

  @Option(
    name: .customLong("data-disk"),
    help: ArgumentHelp(
      "A data disk; up to 16, each with its own --data-disk.", valueName: "[name=]source"),
    completion: .file())
  var dataDisks: [String] = []

  /// All that are named, as typed; `dataDisks` are more, from elsewhere on the command line.
  func named(dataDisks more: [String] = []) -> [SourceArgument] {
    osDisks.map { SourceArgument(text: $0, role: .os) }
      + (dataDisks + more).map { SourceArgument(text: $0, role: .data) }
  }
}

/// A machine and its disks, of which the data disks may stand there without an option.
struct MachineDiskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The machine's name. (default: the first disk's name)", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name?

  @OptionGroup var disks: DiskOptions

  @Argument(
    help: ArgumentHelp("More data disks.", valueName: "[name=]source"), completion: .file())
  var sources: [String] = []

  /// All that are named, as typed.
  var named: [SourceArgument] { disks.named(dataDisks: sources) }
}

/// `[NAME=]PATH` as typed.
struct SourceArgument {
  var text: String
  var role: DiskRole

  /// What stands before the first `=` is a name only if it matches the rule for names; else all of
  /// it is the path. The default name is the path's last part without its extension.
  func request() throws -> Backup.DiskRequest {
    let bytes = text.utf8
    if let equals = bytes.firstIndex(of: UInt8(ascii: "=")),
      let name = Name(Substring(bytes[..<equals]))
    {
      let path = String(Substring(bytes[bytes.index(after: equals)...]))
      guard !path.isEmpty else {
        throw Failure(.wrongUsage, "disk \(name) has no path: \(text)")
      }
      return Backup.DiskRequest(name: name, role: role, path: path)
    }
    guard !text.isEmpty else { throw Failure(.wrongUsage, "a disk's path is empty") }
    var base = splitPath(text).name[...]
    if let dot = base.lastIndex(of: "."), dot != base.startIndex { base = base[..<dot] }
    guard let name = Name(base) else {
      throw Failure(
        .wrongUsage, "the name of \(text) can't be a disk's name, which is \(Name.rule)",
        hint: "give it one: NAME=\(text)")
    }
    return Backup.DiskRequest(name: name, role: role, path: text)
  }
}
