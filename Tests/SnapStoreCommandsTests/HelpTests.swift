import Foundation
import SnapStoreTestSupport
import Testing

/// The help texts of all commands that the program says it has, as golden files; a new command is
/// covered when its file is written with `SNAPSTORE_UPDATE_GOLDEN=1`.
@Suite("Help")
struct HelpTests {
  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
  }

  private struct Command {
    var words: [String]
    var hasSubcommands: Bool

    var goldenName: String { (["help"] + words).joined(separator: "-") }
  }

  private func commands() throws -> [Command] {
    let text = Data(try snapstore("--experimental-dump-help").output.utf8)
    let dump = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    func commands(below value: [String: Any], _ words: [String]) -> [Command] {
      let subcommands = (value["subcommands"] as? [[String: Any]] ?? []).filter {
        $0["commandName"] as? String != "help" && $0["shouldDisplay"] as? Bool != false
      }
      return [Command(words: words, hasSubcommands: !subcommands.isEmpty)]
        + subcommands.flatMap { commands(below: $0, words + [$0["commandName"] as? String ?? "?"]) }
    }
    return commands(below: try #require(dump["command"] as? [String: Any]), [])
  }

  private func help(_ words: [String]) throws -> String {
    let result = try snapstore.run(words + ["--help"], environment: ["COLUMNS": "80"])
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    return result.output
  }

  @Test("each command's help is what it was, fits 80 columns, and shows an example")
  func texts() throws {
    let commands = try commands()
    #expect(commands.count > 5)
    for command in commands {
      let text = try help(command.words)
      try expectGolden(text: text, command.goldenName)
      for line in text.split(separator: "\n") {
        #expect(line.count <= 80, "\(command.words): \(line)")
      }
      if !command.hasSubcommands {
        #expect(text.contains("EXAMPLES:\n  snapstore \(command.words.joined(separator: " "))"))
      }
    }
  }

  @Test("no golden file is left of a command that is gone")
  func leftOver() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasPrefix("help") }
    #expect(Set(files) == Set(try commands().map { "\($0.goldenName).txt" }))
  }

  @Test("there are three ways to ask for the same help")
  func ways() throws {
    #expect(try snapstore().output == (try snapstore("--help").output))
    #expect(try snapstore("help", "backup").output == (try snapstore("backup", "-h").output))
  }

  @Test("the README lists the exit codes that the program does")
  func exitCodes() throws {
    let listed = try help([]).matches(of: /\n  (\d+) +([^\n]+)/).map { "| \($0.1) | \($0.2) |" }
    let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("README.md")
    let rows = String(decoding: try Data(contentsOf: readme), as: UTF8.self)
      .split(separator: "\n").filter { $0.contains(/^\| \d+ \|/) }.map(String.init)
    #expect(listed.count == 10)
    #expect(rows == listed)
  }
}
