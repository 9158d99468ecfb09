internal import SnapStoreIO

/// The file from which an exporter takes the metrics (the textfile collector of Prometheus'
/// node exporter). The one file that snapstore replaces: so it looks first that it is one.
enum MetricsFile {
  /// With this every such file begins.
  static let beginning = "# HELP snapstore_"
  /// The exporter is another user.
  private static let mode: UInt32 = 0o644

  /// Writes the metrics to a new file, or in place of an earlier one.
  static func write(_ metrics: Metrics, to path: String, host: HostSystem) throws {
    let text = metrics.text
    precondition(text.hasPrefix(beginning))
    let name = splitPath(path).name
    guard (1...255).contains(name.utf8.count) else {
      throw Failure(
        .cannotCreate,
        name.isEmpty
          ? "\(path) is a directory, and not a file" : "the name \(name) is longer than 255 bytes",
        hint: "name a file in a directory that is there")
    }
    guard try mayReplace(path, host) else {
      throw Failure(
        .cannotCreate, "\(path) exists, and is no file of snapstore's metrics: it is not replaced",
        hint: "name a file that does not exist yet")
    }
    try ReplacedFile.write(Array(text.utf8), to: path, mode: mode, host: host)
  }

  /// Whether the file was written so many seconds ago, or fewer.
  static func isYounger(than seconds: Int64, _ path: String, _ host: HostSystem) throws -> Bool {
    guard let status = try find(path, host).status, status.byteCount > 0 else { return false }
    let now = host.clock.now().seconds
    let (age, isOverflow) = now.subtractingReportingOverflow(status.modified.seconds)
    return !isOverflow && age.magnitude <= seconds
  }

  /// The directory in which the file is to be, its name there, and what is there now.
  private static func find(
    _ path: String, _ host: HostSystem
  ) throws -> (directory: Directory, name: String, status: FileStatus?) {
    let (parent, name) = splitPath(path)
    let directory = try Directory(parent, followLinks: true, calls: host.calls)
    return (directory, name, try directory.status(of: name))
  }

  /// Nothing is there, an empty file, or one that was written so before.
  private static func mayReplace(_ path: String, _ host: HostSystem) throws -> Bool {
    let (directory, name, status) = try find(path, host)
    guard let status else { return true }
    guard status.kind == .regular else { return false }
    if status.byteCount == 0 { return true }
    let file = try OpenFile(name, in: directory, .read(followLinks: false), calls: host.calls)
    var head = [UInt8](repeating: 0, count: beginning.utf8.count)
    let count = try head.withMutableRawSpan { try file.read(into: &$0, at: 0) }
    return head.prefix(count).elementsEqual(beginning.utf8)
  }
}
