/// The text of a file of procfs or sysfs: what the kernel tells of itself. Nil where there is none,
/// or this process may not read it; who asks goes on without what it would have told.
package func kernelText(_ path: String, calls: any SystemCalls) -> String? {
  do {
    let file = try OpenFile(path, .read(followLinks: true), calls: calls)
    var text: [UInt8] = []
    // Their sizes are not known before the end, and bounded by the kernel; the bound is ours.
    while text.count < 16 << 20 {
      var part = [UInt8](repeating: 0, count: 1 << 14)
      let offset = UInt64(text.count)
      let count = try part.withMutableRawSpan { try file.read(into: &$0, at: offset) }
      text += part.prefix(count)
      if count < part.count { break }
    }
    return String(decoding: text, as: UTF8.self)
  } catch {
    return nil  // as said above
  }
}

/// The names in a directory of sysfs; none where there is no such directory, or it can't be read.
package func kernelNames(_ path: String, calls: any SystemCalls) -> [String] {
  do throws(IOError) {
    return try Directory(path, followLinks: true, calls: calls).names()
  } catch {
    return []  // as said above
  }
}
