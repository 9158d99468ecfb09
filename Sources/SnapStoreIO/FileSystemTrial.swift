internal import SystemPackage

/// Tries in a directory whether its file system keeps what a vault builds on: names that are not
/// replaced, locks, synchronization. Nothing is left behind, whatever fails; after a kill there are
/// unlocked files, which the next cleaning of a store takes.
package struct FileSystemTrial: Sendable {
  /// Without which no vault should be there: sentences about the file system.
  package private(set) var problems: [String] = []
  /// Whether it tells where a file has holes.
  package private(set) var tellsHoles = true

  private static let byteCount: UInt64 = 1 << 20

  /// Throws where no file can be made there.
  package init(
    in directory: Directory, randomness: any Randomness
  ) throws {
    let names = (0..<3).map { _ in "trial-\(String(randomness.next(), radix: 16))" }
    var failure: (any Error)?
    do {
      try run(names, in: directory)
    } catch {
      failure = error
    }
    for name in names {
      do throws(IOError) {
        _ = try tolerating(.noSuchFileOrDirectory) { () throws(IOError) in
          try directory.removeFile(name)
        }
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  private mutating func run(_ names: [String], in directory: Directory) throws {
    let calls = directory.calls
    let file = try Self.makeLocked(names[0], in: directory)
    let second = try Self.makeLocked(names[1], in: directory)
    if try OpenFile(names[0], in: directory, .read(followLinks: false), calls: calls).tryLock() {
      problems.append("two open files get the same lock")
    }
    try write(to: file)
    try tryNames(names, second, in: directory)
    do throws(IOError) {
      try file.synchronize()
      try directory.synchronize()
    } catch {
      problems.append("what was written can't be made durable: \(error)")
    }
  }

  /// A new file that no cleaning of a store takes.
  private static func makeLocked(
    _ name: String, in directory: Directory
  ) throws(IOError) -> OpenFile {
    while true {
      let file = try OpenFile(name, in: directory, .create, calls: directory.calls)
      if try file.tryLock(), try file.status().linkCount > 0 { return file }
    }
  }

  private mutating func write(to file: OpenFile) throws {
    let block = [UInt8](repeating: 1, count: 4096)
    try block.withRawSpan { try file.write($0, at: 0) }
    try file.setSize(Self.byteCount)
    do throws(IOError) {
      tellsHoles = try file.nextHole(from: 0) < Self.byteCount
    } catch {
      tellsHoles = false
    }
  }

  private mutating func tryNames(
    _ names: [String], _ second: OpenFile, in directory: Directory
  ) throws(IOError) {
    do throws(IOError) {
      let own = try second.status()
      let moved: Void? = try tolerating(.fileExists) { () throws(IOError) in
        try directory.moveWithoutReplacing(names[0], to: names[1], in: directory)
      }
      let there = try directory.status(of: names[1])
      if moved != nil || there?.inode != own.inode {
        problems.append("a rename that must not replace a file replaces it")
        return
      }
      try directory.moveWithoutReplacing(names[0], to: names[2], in: directory)
      if try directory.status(of: names[2]) == nil {
        problems.append("a file that was renamed is not there")
      }
    } catch {
      problems.append("files get their names by neither rename nor link: \(error)")
    }
  }
}
