internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO

/// What earlier runs found damaged and recorded in the vault: copies that nothing may be built on,
/// and the chunks and map nodes that they were copies of. Normally empty.
struct KnownDamage: Sendable {
  /// Records that are damaged.
  private(set) var addresses: Set<RecordAddress> = []
  /// Packs with more damaged records than are kept one by one.
  private(set) var packs: Set<SerialName> = []
  /// What is damaged somewhere, or was found nowhere. A good copy of it may exist.
  private(set) var ids: Set<ChunkID> = []
  /// False where a record can't be read, holds more than is kept, or has no findings: then nobody
  /// knows what is lost.
  private(set) var isComplete = true

  /// The records that were there.
  private let names: Set<SerialName>

  /// Reads all records; `limit` findings are kept one by one.
  init(_ vault: Vault, limit: Int) throws {
    names = Set(try vault.listDamage())
    for name in names {
      let object = ObjectName.damage(name)
      do {
        guard let record = try Self.read(object, name, vault) else { continue }
        for finding in record.findings { add(finding, limit: limit) }
        if record.findings.isEmpty { isComplete = false }
      } catch {
        guard let reason = damageReason(error) else { throw error }
        vault.log.warning("a record of damage can't be read: \(reason)")
        isComplete = false
      }
    }
  }

  /// Whether no more records have come.
  func isCurrent(in vault: Vault) throws -> Bool { try names.isSuperset(of: vault.listDamage()) }

  static func read(
    _ object: ObjectName, _ name: SerialName, _ vault: Vault
  ) throws -> DamageRecord? {
    guard let bytes = try vault.store.get(object, limit: FormatLimit.smallObject) else {
      return nil
    }
    do throws(FormatError) {
      let record = try DamageRecord(decoding: bytes.rawSpan)
      guard record.name == name else { throw .damaged("says that it is \(record.name)") }
      return record
    } catch {
      throw error.inObject("\(object)")
    }
  }

  private mutating func add(_ finding: DamageRecord.Finding, limit: Int) {
    if ids.count < limit { ids.insert(finding.id) } else { isComplete = false }
    guard let address = finding.address else { return }
    if addresses.count < limit {
      addresses.insert(address)
    } else {
      packs.insert(address.pack)
    }
  }

  func contains(_ finding: DamageRecord.Finding) -> Bool {
    finding.address.map { addresses.contains($0) } ?? ids.contains(finding.id)
  }

  /// Whether the record at this place is known to be damaged.
  func covers(_ location: ChunkLocation) -> Bool {
    guard !addresses.isEmpty else { return false }
    return addresses.contains(location.address) || packs.contains(location.pack)
  }
}
