import Foundation
import Glibc
import SnapStoreIO
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
    var wasKilled = false

    /// The point that a backup's summary names, if it came to that.
    func reportedPoint() throws -> String? {
      guard let line = output.split(separator: "\n").last, output.hasSuffix("\n") else {
        return nil
      }
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return value?["type"] as? String == "summary" ? value?["point"] as? String : nil
    }

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
    try start(arguments, environment: environment).wait()
  }

  /// Makes the policy `gold` of the vault `v` with these options, and assigns it to a machine.
  func assignGold(_ options: [String], to machine: String, _ disks: [String]) throws {
    for words in [
      ["policy", "set", "gold"] + options, ["policy", "assign", "gold", "--vm", machine] + disks,
    ] {
      let result = try run(words + ["--vault", "v"])
      #expect(result.status == 0, "\(result.errors)")
    }
  }

  /// Begins a run; `through` is a command that runs the program, as another user for example.
  /// `output` is a descriptor for its standard output, of which the result then has none.
  func start(
    _ arguments: [String], environment: [String: String] = [:], through command: [String] = [],
    output: Int32? = nil
  ) throws -> Running {
    let process = process(arguments, environment)
    if let first = command.first {
      process.arguments = command.dropFirst() + [Self.program.path] + arguments
      process.executableURL = URL(fileURLWithPath: first)
    }
    return try Running(process, in: directory, output: output)
  }

  /// A run under way.
  struct Running {
    private static let patience: DispatchTimeInterval = .seconds(240)

    private let process: Process
    private let output: OutputFile
    private let errors: OutputFile
    private let ended = DispatchSemaphore(value: 0)

    fileprivate init(
      _ process: Process, in directory: TemporaryDirectory, output descriptor: Int32?
    ) throws {
      self.process = process
      // Files and not pipes: nobody has to drain them while the program runs.
      output = try OutputFile(in: directory)
      errors = try OutputFile(in: directory)
      process.standardOutput =
        descriptor.map { FileHandle(fileDescriptor: $0, closeOnDealloc: false) } ?? output.handle
      process.standardError = errors.handle
      process.terminationHandler = { [ended] _ in ended.signal() }
      try process.run()
    }

    var isRunning: Bool { process.isRunning }

    func kill() { Glibc.kill(process.processIdentifier, SIGKILL) }

    /// Waits for the end, which must come by itself: a run that hangs or crashes is an issue.
    func wait() throws -> Result {
      let result = try waitForAnyEnd()
      #expect(
        process.terminationReason == .exit, "\(process.arguments ?? []): \(result.errors)")
      return result
    }

    /// Waits for the end of a run that may be killed.
    func waitForAnyEnd() throws -> Result {
      let arguments = process.arguments ?? []
      if ended.wait(timeout: .now() + Self.patience) == .timedOut {
        Issue.record("\(arguments) does not end")
        process.terminate()
        ended.wait()
      }
      let texts = try (output: output.take(), errors: errors.take())
      let status = process.terminationStatus
      // `timeout` ends as what it has killed.
      let wasKilled =
        process.terminationReason == .exit ? status == 128 + SIGKILL : status == SIGKILL
      return Result(
        status: status, output: texts.output, errors: texts.errors, wasKilled: wasKilled)
    }
  }

  struct TerminalResult {
    var status: Int32
    var output: String
    /// What the program wrote to its terminal, as it wrote it, but with `\n` for a new line.
    var terminal: String
  }

  /// Runs with a terminal for standard error. `onText` is called with what it shows so far.
  func onTerminal(
    _ arguments: [String], columns: Int = 80, environment: [String: String] = [:],
    onText: (String, Process) -> Void = { _, _ in }
  ) throws -> TerminalResult {
    let terminal = try PseudoTerminal(columns: columns)
    let process = process(
      arguments, ["TERM": "xterm"].merging(environment) { $1 })
    let output = try OutputFile(in: directory)
    process.standardOutput = output.handle
    process.standardError = terminal.side
    try process.run()
    let text = try terminal.readToEnd { onText($0, process) }
    process.waitUntilExit()
    return TerminalResult(
      status: process.terminationStatus, output: try output.take(),
      terminal: text.replacing("\r\n", with: "\n"))
  }

  private func process(_ arguments: [String], _ environment: [String: String]) -> Process {
    let process = Process()
    process.executableURL = Self.program
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
    process.environment = [
      "HOME": directory.path, "PATH": "/usr/bin:/bin",
      "SNAPSTORE_CONFIG": "",  // whatever this machine has in /etc
    ]
    .merging(ProcessInfo.processInfo.environment.filter { $0.key == "LD_LIBRARY_PATH" }) { $1 }
    .merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    return process
  }

  private struct OutputFile {
    let path: String
    let handle: FileHandle

    init(in directory: TemporaryDirectory) throws {
      path = "\(directory.path)/.output-\(UUID().uuidString)"
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    func take() throws -> String {
      let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
      try FileManager.default.removeItem(atPath: path)
      return text
    }
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(directory.path)/\(name)"))
  }

  func path(_ name: String) -> String { directory.path(name) }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory.path)/\(name)")))
  }

  /// A disk with so many mebibytes of noise, no block like another.
  func writeLong(_ name: String, mebibytes: Int) throws {
    var piece = Data(SeededRandomness(seed: 7).bytes(1 << 20))
    let url = URL(fileURLWithPath: "\(directory.path)/\(name)")
    try Data().write(to: url)
    let file = try FileHandle(forWritingTo: url)
    for number in 0..<mebibytes {
      for block in stride(from: 0, to: piece.count, by: 4096) {
        piece[block] = UInt8(truncatingIfNeeded: number)
        piece[block + 1] = UInt8(truncatingIfNeeded: number >> 8)
      }
      try file.write(contentsOf: piece)
    }
    try file.close()
  }

  func areSame(_ first: String, _ second: String) -> Bool {
    FileManager.default.contentsEqual(
      atPath: "\(directory.path)/\(first)", andPath: "\(directory.path)/\(second)")
  }

  /// Of the files in a folder that are larger than a mebibyte, the one that was changed last.
  func newest(_ folder: String) throws -> String? {
    let files = try FileManager.default.contentsOfDirectory(
      at: URL(fileURLWithPath: "\(directory.path)/\(folder)"), includingPropertiesForKeys: nil)
    return try files.map { file in
      let values = try file.resourceValues(forKeys: [.contentModificationDateKey, .fileSizeKey])
      return (
        date: values.contentModificationDate ?? .distantPast, size: values.fileSize ?? 0,
        name: file.lastPathComponent
      )
    }.filter { $0.size > 1 << 20 }.max { $0.date < $1.date }.map { "\(folder)/\($0.name)" }
  }

  func remove(_ name: String) throws {
    let path = "\(directory.path)/\(name)"
    if FileManager.default.fileExists(atPath: path) {
      try FileManager.default.removeItem(atPath: path)
    }
  }
}
