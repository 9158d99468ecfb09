internal import Foundation
internal import SnapStoreFormat
package import Testing

/// Compares with the hexadecimal text in `Golden/NAME.hex` beside the test's file, sixteen bytes a
/// line. With `SNAPSTORE_UPDATE_GOLDEN=1` in the environment the file is written instead: for a
/// change of format that is meant, in the same commit as `docs/format.md`.
package func expectGolden(
  _ bytes: [UInt8], _ name: String, testFile: String = #filePath,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let url = URL(fileURLWithPath: testFile).deletingLastPathComponent()
    .appendingPathComponent("Golden").appendingPathComponent("\(name).hex")
  let lines = stride(from: 0, to: bytes.count, by: 16).map { start in
    Hexadecimal.text(bytes[start..<min(start + 16, bytes.count)])
  }
  if ProcessInfo.processInfo.environment["SNAPSTORE_UPDATE_GOLDEN"] == "1" {
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: url)
    return
  }
  let golden = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    .split(separator: "\n").map(String.init)
  #expect(lines.count == golden.count, "\(name) has another length", sourceLocation: sourceLocation)
  for (index, (line, expected)) in zip(lines, golden).enumerated() where line != expected {
    Issue.record(
      "\(name) differs at byte \(index * 16): \(line), golden \(expected)",
      sourceLocation: sourceLocation)
    return
  }
}

/// Compares with the text in `Golden/NAME.txt` beside the test's file, or writes it, as
/// `expectGolden` does.
package func expectGolden(
  text: String, _ name: String, testFile: String = #filePath,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let url = URL(fileURLWithPath: testFile).deletingLastPathComponent()
    .appendingPathComponent("Golden").appendingPathComponent("\(name).txt")
  if ProcessInfo.processInfo.environment["SNAPSTORE_UPDATE_GOLDEN"] == "1" {
    try Data(text.utf8).write(to: url)
    return
  }
  let golden = String(decoding: try Data(contentsOf: url), as: UTF8.self)
  #expect(text == golden, "\(name)", sourceLocation: sourceLocation)
}

/// The bytes in `Golden/NAME.hex` beside the test's file, which `make` made once: what an older
/// program wrote, and may not be what this one writes.
package func goldenBytes(
  _ name: String, testFile: String = #filePath, make: () throws -> [UInt8]
) throws -> [UInt8] {
  let url = URL(fileURLWithPath: testFile).deletingLastPathComponent()
    .appendingPathComponent("Golden").appendingPathComponent("\(name).hex")
  if ProcessInfo.processInfo.environment["SNAPSTORE_UPDATE_GOLDEN"] == "1",
    !FileManager.default.fileExists(atPath: url.path)
  {
    try expectGolden(try make(), name, testFile: testFile)
  }
  let digits = String(decoding: try Data(contentsOf: url), as: UTF8.self).filter(\.isHexDigit)
  return try #require(Hexadecimal.bytes(digits), "\(name) is not hexadecimal")
}
