internal import Foundation

/// A new directory under `TMPDIR`, removed with all it holds when the last reference goes. A suite
/// keeps one as a stored property, so that it lives as long as the test.
package final class TemporaryDirectory: Sendable {
  package let path: String

  package init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("snapstore-test-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    path = url.resolvingSymlinksInPath().path
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("a test's directory stays behind: \(path): \(error)")
    }
  }

  package func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file below the directory and returns its path.
  package func write(_ bytes: [UInt8], to name: String) throws -> String {
    let url = URL(fileURLWithPath: path(name))
    try Data(bytes).write(to: url)
    return url.path
  }

  package func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// The names in a directory below, sorted; of this one itself by default.
  package func names(_ name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(name)).sorted()
  }
}
