internal import SystemPackage

/// A path without its last component, and that component. The parent of a bare name is `.`.
package func splitPath(_ path: String) -> (parent: String, name: String) {
  var trimmed = path[...]
  while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
  guard let slash = trimmed.lastIndex(of: "/") else { return (".", String(trimmed)) }
  let name = String(trimmed[trimmed.index(after: slash)...])
  var parent = trimmed[..<slash]
  while parent.last == "/" { parent.removeLast() }
  return (parent.isEmpty ? "/" : String(parent), name)
}

/// The path if there is anything at it; nil if not.
package func existingPath(_ path: String, calls: any SystemCalls) throws -> String? {
  do throws(Errno) {
    return try calls.canonicalPath(path)
  } catch {
    guard [.noSuchFileOrDirectory, .notDirectory].contains(error) else {
      throw IOError("look at", path, error)
    }
    return nil
  }
}
