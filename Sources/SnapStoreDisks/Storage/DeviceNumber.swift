/// Which device: as the kernel names it in sysfs and in mount tables, `8:1`.
package struct DeviceNumber: Hashable, Sendable, CustomStringConvertible {
  package let major: UInt32
  package let minor: UInt32

  /// From `st_dev` or `st_rdev` (makedev(3)).
  package init(_ number: UInt64) {
    major = UInt32(truncatingIfNeeded: (number >> 8 & 0xFFF) | (number >> 32 & 0xFFFF_F000))
    minor = UInt32(truncatingIfNeeded: (number & 0xFF) | (number >> 12 & 0xFFFF_FF00))
  }

  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else {
      return nil
    }
    self.major = major
    self.minor = minor
  }

  /// As in `st_dev`.
  var number: UInt64 {
    let (major, minor) = (UInt64(major), UInt64(minor))
    return (major & 0xFFF) << 8 | (major & 0xFFFF_F000) << 32 | (minor & 0xFF)
      | (minor & 0xFFFF_FF00) << 12
  }

  /// No device: what the kernel gives file systems that lie on none, or on several.
  var isAnonymous: Bool { major == 0 }

  package var description: String { "\(major):\(minor)" }
}
