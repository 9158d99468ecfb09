internal import SnapStoreIO

/// Where a host's configuration is, and who must have written it.
enum ConfigurationFile {
  static let defaultPath = "/etc/snapstore/snapstore.toml"
  /// Names another; empty, none.
  static let variable = "SNAPSTORE_CONFIG"
  /// No configuration is longer.
  private static let maximumByteCount = 1 << 18

  /// The configuration of this process: of the file that the environment names, which must be
  /// there, or of the default one if it is there.
  static func read(_ host: HostSystem) throws -> Configuration {
    guard let path = try pathInEnvironment(variable) else {
      return try read(defaultPath, host) ?? Configuration()
    }
    if path.isEmpty { return Configuration() }
    guard let configuration = try read(path, host) else {
      throw Failure(
        .notThere, "there is no configuration at \(path), which \(variable) names",
        hint: "\(variable)= (empty) runs without one")
    }
    return configuration
  }

  /// Nil where there is no such file.
  static func read(
    _ path: String, _ host: HostSystem, user: UInt32 = HostSystem.userID
  ) throws -> Configuration? {
    guard let file = try open(path, host) else { return nil }
    // Of what was opened, whatever the name stands for meanwhile.
    let status = try file.status()
    guard status.kind == .regular else {
      throw Failure(.notThere, "the configuration \(path) is not a regular file")
    }
    try refuseOthersFile(status, path, user: user)
    guard status.byteCount <= UInt64(maximumByteCount) else {
      throw Failure(
        .wrongUsage,
        "the configuration \(path) is longer than \(HumanText.bytes(UInt64(maximumByteCount)))")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.byteCount))
    let count = try bytes.withMutableRawSpan { try file.read(into: &$0, at: 0) }
    return try Configuration(Array(bytes.prefix(count)), path: path)
  }

  /// It names programs that this process runs with its rights: nobody else may write it.
  private static func refuseOthersFile(
    _ status: FileStatus, _ path: String, user: UInt32
  ) throws {
    guard status.owner == 0 || status.owner == user else {
      throw Failure(
        .notAllowed,
        "the configuration \(path) belongs to another user, who could have any program run",
        hint: "chown root \(path)")
    }
    guard status.mode & 0o022 == 0 else {
      throw Failure(
        .notAllowed, "others than its owner may write the configuration \(path)",
        hint: "chmod go-w \(path)")
    }
  }

  private static func open(_ path: String, _ host: HostSystem) throws(IOError) -> OpenFile? {
    do throws(IOError) {
      return try OpenFile(path, .read(followLinks: true), calls: host.calls)
    } catch {
      guard error.reason == .notThere else { throw error }
      return nil
    }
  }
}

/// What an environment variable says, to be used as a path; nil where it is not set.
func pathInEnvironment(_ variable: String) throws -> String? {
  guard let bytes = ProgramArguments.variable(variable) else { return nil }
  guard let path = String(validating: bytes, as: UTF8.self) else {
    throw Failure(
      .wrongUsage,
      "\(variable), in the environment, is not UTF-8: \(String(decoding: bytes, as: UTF8.self))",
      hint: "paths have to be UTF-8: set it to another one")
  }
  return path
}
