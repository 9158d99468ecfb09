package import SnapStoreFormat
package import SnapStoreIO

extension TimeZoneRules {
  private static let directory = "/usr/share/zoneinfo"

  /// Whether a text has the form of a zone's name, such as `Europe/Berlin`: nothing that leads out
  /// of the directory of zones.
  package static func isName(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return text.utf8.count <= 64
      && parts.allSatisfy { part in
        !part.isEmpty
          && part.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
              UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
              UInt8(ascii: "_"):
              true
            default: false
            }
          }
      }
  }

  /// The rules of a zone by the system's files; `UTC` needs none.
  package static func named(_ name: String, calls: any SystemCalls) throws -> TimeZoneRules {
    if name == "UTC" { return .utc }
    guard isName(name),
      let bytes = try SmallFile.read(
        "\(directory)/\(name)", limit: maximumByteCount, calls: calls)
    else {
      throw VaultError(
        .misuse, "there is no time zone \(name) in \(directory)",
        hint: "name one as Europe/Berlin; the package tzdata has them")
    }
    do {
      return try TimeZoneRules(decoding: bytes)
    } catch {
      throw VaultError(.misuse, "\(directory)/\(name): \(error)")
    }
  }
}
