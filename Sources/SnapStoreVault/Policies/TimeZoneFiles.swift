package import SnapStoreFormat
package import SnapStoreIO

/// The rules of time zones, from the files that the host has of them. Every host has UTC.
package enum TimeZoneFiles {
  private static let folder = "/usr/share/zoneinfo"

  /// Throws `VaultError` with `notThere` where the host has no such zone, with `unsupported` where
  /// its file can't be understood, and `IOError` where it can't be read.
  package static func rules(
    named zone: TimeZoneName, calls: any SystemCalls
  ) throws -> TimeZoneRules {
    guard zone != .utc else { return .utc }
    let path = "\(folder)/\(zone)"
    guard let file = try open(path, calls), try file.status().kind == .regular else {
      throw VaultError(
        .notThere, "this host knows no time zone \(zone)",
        hint: "see the names in \(folder), which the package tzdata brings")
    }
    do {
      return try TimeZoneRules(decoding: try bytes(of: file))
    } catch let error as FormatError {
      throw VaultError(
        .unsupported, "the rules of the time zone \(zone) can't be used: \(path) \(error)",
        hint: "install the package tzdata anew")
    }
  }

  /// Links are followed: many zones are a link to another one.
  private static func open(_ path: String, _ calls: any SystemCalls) throws(IOError) -> OpenFile? {
    do throws(IOError) {
      return try OpenFile(path, .read(followLinks: true), calls: calls)
    } catch {
      guard error.reason == .notThere else { throw error }
      return nil
    }
  }

  private static func bytes(of file: OpenFile) throws -> [UInt8] {
    // One more than there may be: then the decoder says that it is too long.
    let limit = UInt64(TimeZoneRules.maximumByteCount) + 1
    var bytes = [UInt8](repeating: 0, count: Int(min(try file.status().byteCount, limit)))
    let count = try bytes.withMutableRawSpan { try file.read(into: &$0, at: 0) }
    return Array(bytes.prefix(count))
  }
}
