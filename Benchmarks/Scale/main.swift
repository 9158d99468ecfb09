import Foundation
import SnapStoreEngine
import SnapStoreFormat
import SnapStoreSuites

/// SnapStoreScale backup VAULT CHUNKS CHUNK-BYTES DISKS MEMORY-BYTES DAY
/// SnapStoreScale lookups VAULT CHUNKS CHUNK-BYTES DISKS MEMORY-BYTES COUNT
/// SnapStoreScale points VAULT COUNT
/// SnapStoreScale measure PROGRAM [ARGUMENT …]
///
/// For scale.py, which says what each means, and for the test of the memory bound; prints a line of
/// JSON.
func printLine(_ values: [String: Any]) throws {
  let data = try JSONSerialization.data(withJSONObject: values, options: .sortedKeys)
  print(String(decoding: data, as: UTF8.self))
}

func run(_ words: [String]) throws {
  func number(_ index: Int) throws -> UInt64 {
    guard index < words.count, let number = UInt64(words[index]) else {
      throw SuiteError("no number as word \(index)")
    }
    return number
  }
  if words.first == "measure", words.count > 1 {
    let run = try MeasuredRun(Array(words.dropFirst()))
    return try printLine(["peak_bytes": run.peakByteCount, "exit_code": Int(run.exitCode)])
  }
  guard words.count > 2 else { throw SuiteError("usage: see scale.py") }
  if words[0] == "points" {
    // One extent: what a point costs besides its data.
    let scale = ScaleVault(path: words[1], chunkCount: 16, chunkByteCount: 4096, diskCount: 1)
    for day in 0..<(try number(2)) { _ = try scale.backUp(day: day) }
    return try printLine(["points": try number(2)])
  }
  var scale = ScaleVault(
    path: words[1], chunkCount: try number(2), chunkByteCount: Int(try number(3)),
    diskCount: Int(try number(4)))
  scale.resources = Resources(memoryByteCount: Int(try number(5)))
  switch words[0] {
  case "backup":
    let report = try scale.backUp(day: try number(6))
    let figures = report.point.figures
    try printLine([
      "seconds": report.seconds, "read_bytes": figures.readByteCount,
      "new_bytes": figures.newByteCount, "stored_bytes": figures.storedByteCount,
    ])
  case "lookups":
    let lookups = try scale.lookUp(count: Int(try number(6)))
    try printLine([
      "open_seconds": lookups.openSeconds, "hits_per_second": lookups.hitsPerSecond,
      "neighbors_per_second": lookups.neighborsPerSecond,
      "misses_per_second": lookups.missesPerSecond,
    ])
  default: throw SuiteError("no such work: \(words[0])")
  }
}

do {
  try run(Array(CommandLine.arguments.dropFirst()))
} catch {
  FileHandle.standardError.write(Data("SnapStoreScale: \(error)\n".utf8))
  exit(1)
}
