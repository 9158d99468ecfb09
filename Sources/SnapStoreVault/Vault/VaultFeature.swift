package import SnapStoreFormat
internal import SnapStoreIO

/// What was added to a vault after it was made and older programs must not overlook
/// (docs/format.md, "Versioning"): an empty object `features/NAME` each. A program leaves a vault
/// alone that has one it does not know.
package enum VaultFeature: String, Sendable, CaseIterable {
  /// Some records may be compressed by zstd, though the descriptor does not say so.
  case zstd
}

extension Vault {
  /// Throws where the vault has a feature that this program does not know.
  static func refuseUnknownFeatures(_ store: any ObjectStore) throws {
    let unknown = try store.list(VaultFolder.features).map(\.name.key).sorted()
      .first { VaultFeature(rawValue: $0) == nil }
    guard let unknown else { return }
    throw VaultError(
      .unsupported,
      "the vault at \(store.location) has a feature that this program does not know: \(unknown)",
      hint: "use a newer snapstore")
  }

  /// Makes sure that older programs leave the vault alone where records with this compression
  /// would be more than they can read. Durable when it returns; to be called before the first such
  /// record.
  package func admit(_ compression: Compression) throws {
    guard case .zstd = compression, case .lz4 = descriptor.compression else { return }
    let name = ObjectName(folder: VaultFolder.features, key: VaultFeature.zstd.rawValue)
    _ = try store.put(name, [])
  }
}
