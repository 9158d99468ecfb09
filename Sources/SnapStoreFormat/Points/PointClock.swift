/// How the clock of a backup stood to the vault's time (docs/format.md, "Vault time").
package struct PointClock: Hashable, Sendable {
  /// Why the time of a point can't be relied on.
  package enum Suspicion: UInt32, Sendable, CaseIterable {
    /// It is before that of the machine's point before it.
    case behind = 1
    /// It is far ahead of the vault's time.
    case ahead = 2

    package var name: String {
      switch self {
      case .behind: "behind"
      case .ahead: "ahead"
      }
    }
  }

  /// The vault's time when the backup began.
  package var vaultTime: Timestamp
  package var suspicion: Suspicion?

  package init(vaultTime: Timestamp, suspicion: Suspicion? = nil) {
    self.vaultTime = vaultTime
    self.suspicion = suspicion
  }

  func encode(to writer: inout ByteWriter) {
    vaultTime.encode(to: &writer)
    writer.append(suspicion?.rawValue ?? 0)
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    vaultTime = try Timestamp(from: &reader)
    let raw = try reader.uint32()
    suspicion = Suspicion(rawValue: raw)
    guard raw == 0 || suspicion != nil else {
      throw .unsupported("has a clock of kind \(raw)")
    }
  }
}
