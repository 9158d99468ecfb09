internal import SnapStoreFormat
internal import SnapStoreIO

/// How a vault's region and that of this host go together. Regions are names of the operator's own;
/// the vault got its one when it was made.
package enum VaultRegion: Equatable, Sendable {
  case unknown
  case onlyVault(String)
  case onlyHost(String)
  case same(String)
  case different(vault: String, host: String)

  package init(vault: String?, host: String?) {
    switch (vault, host) {
    case (nil, nil): self = .unknown
    case (let vault?, nil): self = .onlyVault(vault)
    case (nil, let host?): self = .onlyHost(host)
    case (let vault?, let host?):
      self = vault == host ? .same(vault) : .different(vault: vault, host: host)
    }
  }
}

extension Vault {
  /// Throws where the vault is known to be of another region than this host: data does not go from
  /// one to another by mistake.
  package func refuseOtherRegion(than host: String?) throws {
    guard case .different(let own, let host) = VaultRegion(vault: descriptor.region, host: host)
    else { return }
    throw VaultError(
      .otherRegion, "the vault at \(store.location) is of region \(own), and this host of \(host)",
      hint: "name a vault of this region, or say --allow-cross-region")
  }
}
