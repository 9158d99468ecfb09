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
