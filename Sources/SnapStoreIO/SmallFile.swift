/// A file that is read as a whole.
package enum SmallFile {
  /// The bytes of a file, `limit` at the most; nil where there is none.
  package static func read(
    _ path: String, limit: Int, calls: any SystemCalls
  ) throws -> [UInt8]? {
    let file: OpenFile
    do throws(IOError) {
      file = try OpenFile(path, .read(followLinks: true), calls: calls)
    } catch {
      guard error.reason == .notThere else { throw error }
      return nil
    }
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = try bytes.withMutableRawSpan { try file.read(into: &$0, at: 0) }
    return Array(bytes.prefix(count))
  }
}
