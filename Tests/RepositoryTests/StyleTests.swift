import Testing

/// The rules of the house that no tool checks for us.
@Suite struct StyleTests {
  static let maximumLines = 600
  static let maximumColumns = 100

  static func allFiles() throws -> [Repository.SourceFile] {
    try Repository.swiftFiles("Sources") + Repository.swiftFiles("Tests")
      + Repository.swiftFiles("Benchmarks")
  }

  @Test func filesAndLinesAreShort() throws {
    for file in try Self.allFiles() {
      #expect(file.lines.count <= Self.maximumLines + 1, "\(file.path) is too long")
      for (number, line) in file.lines.enumerated() where line.count > Self.maximumColumns {
        Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
      }
    }
  }

  /// An error is handled, thrown on, or passed over for a reason that stands there.
  @Test func noErrorIsPassedOverInSilence() throws {
    let catchAll = /catch[^{}\n]*\{\s*\}/
    for file in try Repository.swiftFiles("Sources") {
      for (number, line) in file.lines.enumerated() {
        let code = line.firstMatch(of: /^(.*?)(?:\/\/.*)?$/)?.1 ?? ""
        #expect(!code.contains(/\btry\?/), "\(file.path):\(number + 1)")
      }
      let text = file.lines.joined(separator: "\n")
      #expect(!text.contains(catchAll), "\(file.path) has an empty catch")
    }
  }

  /// `@unchecked Sendable` says why it holds, on its line or one beside it.
  @Test func uncheckedSendableSaysBecause() throws {
    for file in try Repository.swiftFiles("Sources") {
      for (number, line) in file.lines.enumerated() where line.contains("@unchecked Sendable") {
        let near = file.lines[max(0, number - 1)...min(file.lines.count - 1, number + 1)]
        #expect(
          near.contains { $0.contains("because") },
          "\(file.path):\(number + 1) has no line with \"because\"")
      }
    }
  }

  /// Tests wait for what they need and never for time; what is random has a seed.
  @Test func testsDoNotSleepAndRepeat() throws {
    let sleep = /\b(?:u|nano)?sleep\(|\bTask\.sleep|asyncAfter/
    for file in try Repository.swiftFiles("Tests") where file.module != "RepositoryTests" {
      for (number, line) in file.lines.enumerated() {
        #expect(!line.contains(sleep), "\(file.path):\(number + 1) sleeps")
        let isRandom = line.contains(/\.(?:random\(in:|shuffled\(|randomElement\()/)
        #expect(!isRandom || line.contains("using:"), "\(file.path):\(number + 1) has no seed")
      }
    }
  }

  /// Nothing is left from a merge, and no line ends in blanks.
  @Test func linesAreClean() throws {
    let manifest = try Repository.text("Package.swift").split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    let files =
      try Self.allFiles() + [Repository.SourceFile(path: "Package.swift", lines: manifest)]
    for file in files {
      for (number, line) in file.lines.enumerated() {
        let isMarker = ["<<<<<<< ", ">>>>>>> ", "======="].contains { line.hasPrefix($0) }
        #expect(!isMarker, "\(file.path):\(number + 1) is left from a merge")
        let isClean = line.last.map { !$0.isWhitespace } ?? true
        #expect(isClean, "\(file.path):\(number + 1) ends in blanks")
      }
    }
  }
}
