import Foundation
import SnapStoreIO
import SnapStoreTestSupport
import Testing

/// What the built program asks of the kernel, seen from outside with `strace`: nothing gets a name
/// before its bytes are durable, and nothing is referred to before its name is.
@Suite("The order of system calls, seen from outside") struct OrderTests {
  /// A call that matters, in the order in which it returned.
  private enum Call: Equatable {
    case write(path: String)
    case synchronize(path: String)
    case move(from: String, to: String)
    case make(path: String)
  }

  private let snapstore: ProgramRun

  init() throws {
    snapstore = try ProgramRun()
    try snapstore.write("disk.img", SeededRandomness(seed: 5).bytes(3_000_000))
    #expect(try snapstore("vault", "create", "v").status == 0)
  }

  private func trace(_ arguments: [String]) throws -> [Call] {
    let strace = [
      "/usr/bin/strace", "-f", "-y", "-s", "256", "-o", snapstore.path("trace"), "-e",
      "trace=write,pwrite64,pwritev,fsync,fdatasync,renameat2,renameat,rename,linkat,mkdirat,mkdir",
    ]
    let result = try snapstore.start(arguments, through: strace).wait()
    #expect(result.status == 0, "\(result.errors)")
    let text = String(decoding: try snapstore.read("trace"), as: UTF8.self)
    return Self.calls(in: text)
  }

  /// Calls that threads interrupted are put together again; they count where they returned.
  private static func calls(in text: String) -> [Call] {
    var begun: [Substring: Substring] = [:]
    var calls: [Call] = []
    for line in text.split(separator: "\n") {
      guard let space = line.firstIndex(of: " ") else { continue }
      let thread = line[..<space]
      var call = line[space...].drop { $0 == " " }
      if let end = call.range(of: "<unfinished ...>") {
        begun[thread] = call[..<end.lowerBound]
        continue
      }
      if call.hasPrefix("<... "), let end = call.range(of: "resumed>") {
        call = (begun.removeValue(forKey: thread) ?? "") + call[end.upperBound...]
      }
      guard call.contains(/\) += 0$|\) += [1-9][0-9]*$/) else { continue }
      if let decoded = decode(call) { calls.append(decoded) }
    }
    return calls
  }

  private static func decode(_ call: Substring) -> Call? {
    if let match = call.firstMatch(of: /^f(?:data)?sync\(\d+<([^>]*)>/) {
      return .synchronize(path: String(match.1))
    }
    if let match = call.firstMatch(of: /^p?write(?:64|v)?\(\d+<([^>]*)>/) {
      return .write(path: String(match.1))
    }
    if let match = call.firstMatch(
      of: /^(?:renameat2?|linkat)\(\d+<([^>]*)>, "([^"]*)", \d+<([^>]*)>, "([^"]*)"/)
    {
      return .move(from: "\(match.1)/\(match.2)", to: "\(match.3)/\(match.4)")
    }
    if let match = call.firstMatch(of: /^mkdirat\(\d+<([^>]*)>, "([^"]*)"/) {
      return .make(path: "\(match.1)/\(match.2)")
    }
    return nil
  }

  private func parent(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  /// Every file is synchronized after its last write and before it gets its name; every name and
  /// every new directory is synchronized with its directory before the program ends. Returns the
  /// names in the order in which they came, with the place where each became durable.
  private func checkNames(_ calls: [Call]) throws -> [(path: String, named: Int, durable: Int)] {
    var names: [(String, Int, Int)] = []
    for (place, call) in calls.enumerated() {
      switch call {
      case .move(let source, let target):
        let before = calls[..<place]
        let written = before.lastIndex(of: .write(path: source))
        let synchronized = before.lastIndex(of: .synchronize(path: source))
        if let written {
          #expect(try #require(synchronized) > written, "\(target) is named before its data")
        }
        let durable = calls[place...].firstIndex(of: .synchronize(path: parent(target)))
        names.append((target, place, try #require(durable, "\(target) is never durable")))
      case .make(let path):
        let durable = calls[place...].firstIndex(of: .synchronize(path: parent(path)))
        #expect(durable != nil, "\(path) is never durable")
      case .write, .synchronize: continue
      }
    }
    return names
  }

  @Test("backup: packs, index, session before the point, both copies before the outcome")
  func backup() throws {
    for isFirst in [true, false] {
      let calls = try trace(["backup", "--vault", "v", "disk.img"])
      let names = try checkNames(calls)
      func all(_ folder: String) -> [(path: String, named: Int, durable: Int)] {
        names.filter { $0.path.contains("/v/\(folder)/") }
      }
      let points = all("points")
      let outcomes = all("outcomes")
      #expect(points.count == 2 && outcomes.count == 2 && all("sessions").count == 1)
      let firstPoint = try #require(points.map(\.named).min())
      for earlier in all("packs") + all("index") + all("sessions") {
        #expect(earlier.durable < firstPoint, "\(earlier.path)")
      }
      let firstPack = all("packs").map(\.named).min() ?? firstPoint
      #expect(all("sessions")[0].durable < firstPack)
      for segment in all("index") {
        #expect(all("packs").allSatisfy { $0.durable < segment.named })
      }
      let commit = try #require(outcomes.first)
      #expect(!commit.path.hasSuffix(".2"))
      #expect(points.allSatisfy { $0.durable < commit.named })
      #expect(outcomes[1].named > commit.durable)
      // What others put is made durable before anything is built on it.
      for folder in ["packs", "points", "outcomes"] where !isFirst {
        let first = calls.firstIndex(of: .synchronize(path: snapstore.path("v/\(folder)")))
        #expect(try #require(first) < firstPack)
      }
      try snapstore.write("disk.img", SeededRandomness(seed: 6).bytes(3_000_000))
    }
  }

  @Test("restore: files are durable before they get their names, and these before it ends")
  func restore() throws {
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    let calls = try trace(["restore", "--vault", "v", "--point", "latest", "--to", "out"])
    let names = try checkNames(calls).filter { !$0.path.contains("/v/") }
    #expect(names.contains { $0.path == snapstore.path("out") })
    let named = try #require(names.first { $0.path == snapstore.path("out") }?.named)
    // In the directory that gets the name, the file and the directory are durable before.
    let file = try #require(
      calls[..<named].lastIndex {
        if case .synchronize(let path) = $0 { path.hasSuffix("/disk.img") } else { false }
      })
    #expect(
      calls[file..<named].contains {
        if case .synchronize(let path) = $0 {
          path.hasPrefix(snapstore.path(".out"))
        } else {
          false
        }
      })
    let written = try #require(
      calls[..<named].lastIndex {
        if case .write(let path) = $0 { path.hasSuffix("/disk.img") } else { false }
      })
    #expect(written < file)

    try FileManager.default.createDirectory(
      atPath: snapstore.path("there"), withIntermediateDirectories: false)
    let there = try trace(["restore", "--vault", "v", "--point", "latest", "--to", "there"])
    let published = try checkNames(there).filter { $0.path.hasSuffix("/there/disk.img") }
    #expect(published.count == 1)
  }
}
