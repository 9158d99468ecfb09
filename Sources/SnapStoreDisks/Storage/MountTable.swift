/// What is mounted where: `/proc/self/mountinfo`, proc_pid_mountinfo(5).
package struct MountTable: Sendable {
  struct Mount: Equatable, Sendable {
    var device: DeviceNumber
    var path: String
    /// `ext4`, `nfs4`, `fuse.sshfs`.
    var type: String
    /// The device, or what a file system takes for one: `server:/export`.
    var source: String
    /// Of the file system, whatever one of its mounts says.
    var options: [Substring]

    /// Whether anything may write to the file system, by this mount or another.
    var isWritable: Bool { options.contains("rw") }

    /// What an option says: the folders of an overlay.
    func value(_ option: String) -> String? {
      options.first { $0.hasPrefix("\(option)=") }.map {
        MountTable.unescaped($0.dropFirst(option.count + 1))
      }
    }
  }

  let mounts: [Mount]

  package init(text: String) {
    mounts = Self.split(text[...], at: "\n").compactMap(Self.mount)
  }

  /// By bytes, as the kernel writes it: to Swift, a line's end behind a CR is no line's end, and a
  /// blank before a combining mark no blank.
  private static func split(_ text: Substring, at separator: Unicode.Scalar) -> [Substring] {
    text.utf8.split(separator: UInt8(ascii: separator)).map { Substring($0) }
  }

  private static func mount(_ line: Substring) -> Mount? {
    let fields = split(line, at: " ")
    guard let end = fields.firstIndex(of: "-"), end >= 6, fields.count >= end + 4,
      let device = DeviceNumber(fields[2])
    else { return nil }
    return Mount(
      device: device, path: unescaped(fields[4]), type: String(fields[end + 1]),
      source: unescaped(fields[end + 2]), options: split(fields[end + 3], at: ","))
  }

  /// Blanks and backslashes stand there as three octal digits.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(Substring(digits)), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The mount on which a canonical path is: the deepest, and of those at one place the last.
  func mount(at path: String) -> Mount? {
    var found: Mount?
    for mount in mounts where contains(mount.path, path) {
      if found.map({ mount.path.utf8.count >= $0.path.utf8.count }) ?? true { found = mount }
    }
    return found
  }

  private func contains(_ folder: String, _ path: String) -> Bool {
    folder == "/" || path.utf8.elementsEqual(folder.utf8)
      || path.utf8.starts(with: "\(folder)/".utf8)
  }
}
