import Foundation
import Testing

/// The repository that this file lies in, read as text.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  struct SourceFile: Sendable {
    /// Relative to the root.
    var path: String
    var lines: [String]

    /// `Sources/MODULE/…`
    var module: String { String(path.split(separator: "/")[1]) }
  }

  static func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: root.appendingPathComponent(path)), as: UTF8.self)
  }

  /// The Swift files below a folder, sorted by path.
  static func swiftFiles(_ folder: String) throws -> [SourceFile] {
    let paths = try FileManager.default.subpathsOfDirectory(
      atPath: root.appendingPathComponent(folder).path)
    let files = try paths.sorted().filter { $0.hasSuffix(".swift") }.map { path in
      SourceFile(
        path: "\(folder)/\(path)",
        lines: try text("\(folder)/\(path)").split(
          separator: "\n", omittingEmptySubsequences: false
        ).map(String.init))
    }
    try #require(!files.isEmpty, "nothing in \(folder): are we in the repository?")
    return files
  }
}

/// A target of Package.swift, from its text: `swift package dump-package` can't run inside of
/// `swift test`.
struct ManifestTarget {
  var kind: String
  var name: String
  var dependencies: Set<String>
  var text: String

  /// Every target in the manifest, products of other packages by the name of their module.
  static func all() throws -> [ManifestTarget] {
    let manifest = try Repository.text("Package.swift")
    var products: [String: String] = [:]
    let product = /let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/
    for match in manifest.matches(of: product) {
      products[String(match.1)] = String(match.2)
    }
    // Those that a target has where a library is there: `dependencies: […] + name`.
    let optional = /let (\w+): \[Target\.Dependency\] = \w+ \? \["(\w+)"\]/
    for match in manifest.matches(of: optional) {
      products[String(match.1)] = String(match.2)
    }
    let start = /\.(target|executableTarget|testTarget|systemLibrary)\(/
    let starts = manifest.matches(of: start)
    return try starts.enumerated().map { index, match in
      let end = index + 1 < starts.count ? starts[index + 1].range.lowerBound : manifest.endIndex
      let text = String(manifest[match.range.lowerBound..<end])
      let name = try #require(text.firstMatch(of: /name:\s*"(\w+)"/), "\(text)").1
      let list = text.firstMatch(of: /dependencies:\s*\[([^\]]*)\](?:\s*\+\s*(\w+))?/)
      let words = (list?.1 ?? "").split(separator: ",") + [list?.2 ?? ""]
      let dependencies = words.map {
        $0.trimmingCharacters(in: .whitespacesAndNewlines)
      }.filter { !$0.isEmpty }.map { word in
        word.hasPrefix("\"") ? String(word.dropFirst().dropLast()) : products[word] ?? word
      }
      return ManifestTarget(
        kind: String(match.1), name: String(name), dependencies: Set(dependencies), text: text)
    }
  }
}
