internal import Glibc

/// The words of the command line that this process was started with, and of its environment:
/// bytes, as the kernel has them. Swift would repair what is not UTF-8, and a repaired path is
/// another one.
package enum ProgramArguments {
  /// Swift finds them by walking the stack of a new process, which fails where a preloaded library
  /// was busy there before; then the kernel is asked. Without the program's name.
  package static func current(calls: any SystemCalls) throws -> [[UInt8]] {
    if CommandLine.argc > 0 {
      let words = unsafe UnsafeBufferPointer(
        start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
      return unsafe words.dropFirst().compactMap { unsafe $0.map { unsafe Self.bytes($0) } }
    }
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
      Array($0)
    }
  }

  /// The value of an environment variable; nil where it is not set.
  package static func variable(_ name: String) -> [UInt8]? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe Self.bytes(value)
  }

  private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }
}
