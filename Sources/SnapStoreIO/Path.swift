internal import SystemPackage

/// A path without its last component, and that component. The parent of a bare name is `.`.
package func splitPath(_ path: String) -> (parent: String, name: String) {
  let slash = UInt8(ascii: "/")
  // By bytes: a combining mark behind a slash makes it another character, and no other path.
  let trimmed = trimmingSlashes(path).utf8
  guard let last = trimmed.lastIndex(of: slash) else { return (".", String(Substring(trimmed))) }
  let name = Substring(trimmed[trimmed.index(after: last)...])
  let parent = trimmingSlashes(Substring(trimmed[..<last]))
  return (parent.isEmpty ? "/" : String(parent), String(name))
}

/// A hidden name for what is to become `name`, that says what it is and fits the 255 bytes of a
/// file name.
package func unfinishedName(for name: String, _ randomness: any Randomness) -> String {
  let shown = name.utf8.count <= 150 ? ".\(name)" : ""
  return "\(shown).snapstore-unfinished-\(String(randomness.next(), radix: 16))"
}

/// A path without the slashes at its end, the root's own aside.
package func trimmingSlashes(_ path: some StringProtocol) -> Substring {
  var bytes = Substring(path).utf8
  while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
  return Substring(bytes)
}

/// Whether a canonical path is that of a folder or of something below it.
package func isPath(_ inner: String, in folder: String) -> Bool {
  let prefix = Array((folder == "/" ? folder : folder + "/").utf8)
  return Array(inner.utf8) == Array(folder.utf8) || inner.utf8.starts(with: prefix)
}

/// The path if there is anything at it; nil if not.
package func existingPath(_ path: String, calls: any SystemCalls) throws -> String? {
  try tolerating(.noSuchFileOrDirectory, .notDirectory) { () throws(IOError) in
    try canonicalPath(path, calls: calls)
  }
}

/// The nearest folder above `path` that is there; nil where none is, as in a working directory that
/// was removed.
package func existingFolder(above path: String, calls: any SystemCalls) throws -> String? {
  var path = path
  while true {
    let parent = splitPath(path).parent
    if try existingPath(parent, calls: calls) != nil { return parent }
    guard parent != path, parent != ".", parent != "/" else { return nil }
    path = parent
  }
}

/// The absolute path without symbolic links of what is there.
package func canonicalPath(_ path: String, calls: any SystemCalls) throws(IOError) -> String {
  try system("look at", path) { () throws(Errno) in try calls.canonicalPath(path) }
}

/// The same path from the root on. Links in it stay: a device's own name may be another one
/// tomorrow.
package func absolutePath(_ path: String, calls: any SystemCalls) throws(IOError) -> String {
  if path.utf8.first == UInt8(ascii: "/") { return path }
  let current = try canonicalPath(".", calls: calls)
  return current == "/" ? "/\(path)" : "\(current)/\(path)"
}
