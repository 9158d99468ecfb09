internal import ArgumentParser
internal import SnapStoreIO

/// The `snapstore` program: parses the command line, runs one command, and ends with its exit code.
public enum SnapStoreCommand {
  /// Runs the command that `arguments` (without the program's name) ask for, and returns the exit
  /// code: 0, or one of the `sysexits` codes that the README lists. Never throws.
  public static func run(_ arguments: [String]) -> Int32 {
    HostSystem.protectNewFiles()
    Console.startLogging()
    let console = Console(isJSON: arguments.contains("--json"))
    do {
      // Swift repairs bytes that are not UTF-8; a repaired path is another path.
      if let argument = arguments.first(where: { $0.contains("\u{FFFD}") }) {
        throw Failure(.wrongUsage, "an argument is not UTF-8: \(argument)")
      }
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

  private static func parseAndRun(_ arguments: [String], _ console: Console) throws {
    do {
      var command = try RootCommand.parseAsRoot(arguments)
      try command.run()
    } catch  where RootCommand.exitCode(for: error) == .success {
      try console.print(RootCommand.fullMessage(for: error))
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

      With no vault named, the vault ~/.local/share/snapstore/vault is used; the first backup \
      makes it. --vault PATH or the environment variable SNAPSTORE_VAULT names another.
      """,
    version: "snapstore \(Version.text)",
    subcommands: [
      BackupCommand.self, RestoreCommand.self, PointsCommand.self, ShowCommand.self,
      VerifyCommand.self, VaultCommand.self,
    ])
}

/// The program's own version, for `--version` and the documents.
enum Version {
  static let text = "0.1.0"
}
