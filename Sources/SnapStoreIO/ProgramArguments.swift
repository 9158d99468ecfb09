/// The words of the command line that this process was started with.
package enum ProgramArguments {
  /// Swift finds them by walking the stack of a new process, which fails where a preloaded library
  /// was busy there before; then the kernel is asked. Without the program's name.
  package static func current(calls: any SystemCalls) throws -> [String] {
    if CommandLine.argc > 0 { return Array(CommandLine.arguments.dropFirst()) }
    let file = try OpenFile("/proc/self/cmdline", .read(followLinks: false), calls: calls)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let offset = UInt64(bytes.count)
      let count = try piece.withMutableRawSpan { try file.read(into: &$0, at: offset) }
      bytes += piece.prefix(count)
      if count < piece.count { break }
    }
    // Each word ends with a zero.
    return bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
