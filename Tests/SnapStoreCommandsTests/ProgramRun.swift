import Foundation
import SnapStoreTestSupport
import Testing

/// The built program, run as a person or a script runs it, in a directory of its own with no vault.
struct ProgramRun {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  struct Result {
    var status: Int32
    var output: String
    var errors: String

    /// The values on standard output, one a line.
    func json() throws -> [Any] {
      try output.split(separator: "\n").map {
        try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed)
      }
    }

    func object() throws -> [String: Any] {
      try #require(try json().last as? [String: Any])
    }
  }

  /// Beside the test bundle, where the build puts it.
  private static var program: URL {
    URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      .deletingLastPathComponent().appendingPathComponent("snapstore")
  }

  func callAsFunction(
    _ arguments: String..., environment: [String: String] = [:]
  ) throws -> Result {
    try run(arguments, environment: environment)
  }

  func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
    let process = Process()
    process.executableURL = Self.program
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
    process.environment = ["HOME": directory.path, "PATH": "/usr/bin:/bin"]
      .merging(ProcessInfo.processInfo.environment.filter { $0.key == "LD_LIBRARY_PATH" }) { $1 }
      .merging(environment) { $1 }
    // Files and not pipes: nobody has to drain them while the program runs.
    let files = ["out", "err"].map { "\(directory.path)/.\($0)-\(UUID().uuidString)" }
    let handles = try files.map { path in
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let texts = try files.map { path in
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }
    for path in files { try FileManager.default.removeItem(atPath: path) }
    #expect(process.terminationReason == .exit, "\(arguments): \(texts[1])")
    return Result(status: process.terminationStatus, output: texts[0], errors: texts[1])
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(directory.path)/\(name)"))
  }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory.path)/\(name)")))
  }
}
