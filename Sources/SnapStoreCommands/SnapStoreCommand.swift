internal import ArgumentParser
internal import SnapStoreIO

/// The `snapstore` program: parses the command line, runs one command, and ends with its exit code.
public enum SnapStoreCommand {
  /// Runs the command that this process was started with, and returns the exit code.
  public static func run() -> Int32 {
    do {
      let words = try ProgramArguments.current(calls: LinuxSystemCalls())
      let arguments = words.map { String(decoding: $0, as: UTF8.self) }
      let repaired = zip(words, arguments).first { !$0.elementsEqual($1.utf8) }?.1
      return run(arguments, repaired: repaired)
    } catch {
      let failure = Failure(.bug, "the command line can't be read: \(error)")
      Console(isJSON: false).show(failure)
      return failure.code.rawValue
    }
  }

  /// Runs the command that `arguments` (without the program's name) ask for, and returns the exit
  /// code: 0, or one of the `sysexits` codes that the README lists. Never throws.
  public static func run(_ arguments: [String]) -> Int32 {
    run(arguments, repaired: nil)
  }

  /// `repaired`: one of the arguments that was not UTF-8, and is another path now.
  private static func run(_ arguments: [String], repaired: String?) -> Int32 {
    HostSystem.reserveStandardStreams()
    HostSystem.protectNewFiles()
    HostSystem.setSignals()
    HostSystem.raiseOpenFileLimit()
    StandardOutput.outliveReader()
    Console.startLogging()
    let console = Console(isJSON: arguments.contains("--json"))
    do {
      if let repaired {
        throw Failure(.wrongUsage, "an argument is not UTF-8: \(repaired)")
      }
      try refuseTooFewFiles()
      try parseAndRun(arguments, console)
      return 0
    } catch let status as ExitCode {
      return status.rawValue  // a command that has said all there is to say
    } catch {
      let failure = Failure(error)
      console.show(failure)
      return failure.code.rawValue
    }
  }

  /// With fewer, Dispatch ends the process without a word.
  private static let leastOpenFiles = 16

  private static func refuseTooFewFiles() throws {
    let limit = HostSystem.openFileLimit
    guard limit < leastOpenFiles else { return }
    throw Failure(
      .failedInputOutput, "this process may open only \(limit) files, too few to begin",
      hint: "raise the limit: ulimit -n 1024")
  }

  private static func parseAndRun(_ arguments: [String], _ console: Console) throws {
    do {
      var command = try RootCommand.parseAsRoot(arguments)
      try command.run()
    } catch  where RootCommand.exitCode(for: error) == .success {
      let message = RootCommand.fullMessage(for: error)
      let isHelp = message == RootCommand.helpMessage()
      try console.print(isHelp ? "\(message)\n\n\(RootCommand.notes)" : message)
    }
  }
}

struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapstore",
    abstract: "Backs up the disks of virtual machines and restores them to new files.",
    discussion: """
      A backup reads all disks of a machine and makes a recovery point in a vault; a restore \
      turns a recovery point into new disk files and never replaces anything.
      """,
    version: "snapstore \(Version.text)",
    subcommands: [
      BackupCommand.self, PreflightCommand.self, RestoreCommand.self, PointsCommand.self,
      ShowCommand.self, VerifyCommand.self, PointCommand.self, PolicyCommand.self,
      PruneCommand.self, CollectCommand.self, RunCommand.self, JobsCommand.self,
      MetricsCommand.self, VaultCommand.self, BenchCommand.self,
    ])

  /// What stands below the list of subcommands in the help, and in the manual. A line in capitals
  /// begins a section; in a list, two spaces or more stand before what explains an entry.
  static let notes = """
    EXAMPLES:
      snapstore backup disk.img
      snapstore points
      snapstore restore --point latest --to /srv/restored

    ENVIRONMENT:
      SNAPSTORE_VAULT   The vault, where --vault names none.
      SNAPSTORE_CONFIG  Another configuration; empty, none.
      SNAPSTORE_REGION  The region of this host, where --region names none.
      SNAPSTORE_LOG     What is told on standard error of what happens: error,
                        warning (as without it), info, debug or trace.
      NO_COLOR          If it is set and not empty, terminals get no colors.

    FILES:
      /etc/snapstore/snapstore.toml
                       The configuration: the vault where none is named, programs
                       to run when something happened, where metrics go.
      ~/.local/share/snapstore/vault
                       The vault where none is named; the first backup makes it.
                       It is in $XDG_DATA_HOME if that is set.

    EXIT CODES:
    \(ExitStatus.allCases.map(\.line).joined(separator: "\n"))
    """
}

extension ExitStatus {
  fileprivate var line: String {
    let code = "\(rawValue)"
    return "  \(code)\(String(repeating: " ", count: 5 - code.count))\(meaning)"
  }
}

/// The program's own version, for `--version` and the documents.
enum Version {
  static let text = "0.1.0"
}
