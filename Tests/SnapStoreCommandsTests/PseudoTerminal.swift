import Foundation
import Glibc
import Testing

/// A terminal as a program sees one, of so many columns; what the program writes is read here.
@safe final class PseudoTerminal {
  private let main: FileHandle
  /// The side that is given to the program.
  let side: FileHandle

  /// The requests that unlock the program's side and open it (ioctl_tty(2)): `posix_openpt` and
  /// its like are not in Swift's Glibc module.
  private static let unlock = UInt(0x4004_5431)
  private static let openSide = UInt(0x5441)

  init(columns: Int) throws {
    let file = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    try #require(file >= 0)
    main = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    var isLocked: Int32 = 0
    let unlocked = unsafe ioctl(file, Self.unlock, &isLocked)
    var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    let resized = unsafe ioctl(file, UInt(TIOCSWINSZ), &size)
    let other = ioctl(file, Self.openSide, O_RDWR | O_NOCTTY | O_CLOEXEC)
    try #require(unlocked == 0 && resized == 0 && other >= 0)
    side = FileHandle(fileDescriptor: other, closeOnDealloc: true)
  }

  /// Everything until no program has the terminal any more; `onText` is called with all so far.
  func readToEnd(_ onText: (String) -> Void) throws -> String {
    try side.close()
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe read(main.fileDescriptor, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { break }  // EIO: the other side is closed
      bytes += buffer[..<count]
      onText(String(decoding: bytes, as: UTF8.self))
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// What a person sees on a terminal after a program wrote `text` to it.
struct Screen {
  private(set) var lines: [String] = []

  /// Understands carriage return, line feed, clearing to the end of a line, and colors.
  init(_ text: String) throws {
    var line: [Character] = []
    var column = 0
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\r": column = 0
      case "\n":
        lines.append(String(line))
        line = []
        column = 0
      case "\u{1B}":
        let sequence = String(
          String.UnicodeScalarView(rest.prefix { !("A"..."z" ~= $0) || $0 == "[" }))
        rest = rest.dropFirst(sequence.unicodeScalars.count)
        let command = rest.popFirst()
        try #require(command == "K" && sequence == "[" || command == "m", "\(sequence)")
        if command == "K" { line = Array(line.prefix(column)) }
      default:
        while line.count < column { line.append(" ") }
        line.replaceSubrange(column..<min(column + 1, line.count), with: [Character(scalar)])
        column += 1
      }
    }
    if !line.isEmpty { lines.append(String(line)) }
  }
}
