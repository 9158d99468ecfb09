package import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// An open vault: its store, its descriptor, and the keys that follow from it. A value that any
/// number of threads may use; it holds no lock and promises nothing about what others do.
package struct Vault: Sendable, CustomStringConvertible {
  /// Without the vault's secret, which has no place in a message.
  package var description: String { "the vault at \(store.location)" }

  package let store: any ObjectStore
  package let descriptor: VaultDescriptor
  package let secrets: VaultSecrets
  package let hasher: ChunkHasher
  package let host: HostSystem
  package let log: Logger

  private init(store: any ObjectStore, descriptor: VaultDescriptor, host: HostSystem, log: Logger) {
    self.store = store
    self.descriptor = descriptor
    self.host = host
    self.log = log
    secrets = VaultSecrets(seed: descriptor.secret)
    hasher = ChunkHasher(descriptor.chunkHash, secrets: secrets)
  }

  /// What a new vault is made with; it holds for the vault's whole life.
  package struct Parameters: Sendable {
    package var region: String?
    package var chunkHash = ChunkHash.sha256
    package var compression = Compression.lz4
    package var chunking = Chunking.aligned

    package init() {}
  }

  /// Makes a vault in a store that has none. Its descriptor is durable when this returns.
  package static func create(
    in store: any ObjectStore, _ parameters: Parameters = Parameters(), host: HostSystem,
    log: Logger
  ) throws -> Vault {
    guard let id = VaultID(host.randomness.bytes(VaultID.byteCount)) else {
      preconditionFailure("a vault ID has \(VaultID.byteCount) bytes")
    }
    let descriptor = VaultDescriptor(
      id: id, created: host.now(),
      secret: host.randomness.bytes(VaultSecrets.seedByteCount),
      chunkHash: parameters.chunkHash, compression: parameters.compression,
      chunking: parameters.chunking, region: parameters.region)
    guard try store.put(.vaultDescriptor, descriptor.encoded()) else {
      throw VaultError(.exists, "there is a vault at \(store.location) already")
    }
    return Vault(store: store, descriptor: descriptor, host: host, log: log)
  }

  /// Opens the vault in a store. Where its descriptor is lost or damaged, the copy in a recovery
  /// point is used, and a warning logged; but not where a newer program wrote it: what that asks of
  /// who works on the vault, the copy need not say. What only looks newer is damaged.
  package static func open(_ store: any ObjectStore, host: HostSystem, log: Logger) throws -> Vault
  {
    try refuseUnknownFeatures(store)
    let descriptor: VaultDescriptor
    do {
      guard let bytes = try store.get(.vaultDescriptor, limit: FormatLimit.smallObject) else {
        throw VaultError(
          .notThere, "\(store.location) is not a snapstore vault",
          hint: "make one with: snapstore vault create PATH")
      }
      descriptor = try VaultDescriptor(decoding: bytes.rawSpan)
    } catch {
      let isNewer = (error as? FormatError)?.code == .unsupported
      guard !isNewer, let copy = try descriptorFromPoints(store) else {
        throw openingError(error, store)
      }
      log.warning("the vault's descriptor can't be used, but a recovery point has a copy: \(error)")
      descriptor = copy
    }
    return Vault(store: store, descriptor: descriptor, host: host, log: log)
  }

  private static func openingError(_ error: any Error, _ store: any ObjectStore) -> any Error {
    guard let error = error as? FormatError else { return error }
    return error.code == .unsupported
      ? VaultError(
        .unsupported, "the vault at \(store.location) \(error.problem)",
        hint: "use a newer snapstore")
      : VaultError(
        .damaged, "the descriptor of the vault at \(store.location) is damaged: \(error)")
  }

  private static func descriptorFromPoints(
    _ store: any ObjectStore
  ) throws -> VaultDescriptor? {
    for object in try store.list(VaultFolder.points) {
      do {
        guard let bytes = try store.get(object.name, limit: FormatLimit.smallObject) else {
          continue
        }
        return try RecoveryPoint(decoding: bytes.rawSpan).descriptor
      } catch {
        continue  // damaged too, or of a newer version: another copy may be good
      }
    }
    return nil
  }

  /// The same vault, through another store that stands around its own.
  package func through(_ store: any ObjectStore) -> Vault {
    Vault(store: store, descriptor: descriptor, host: host, log: log)
  }

  /// Whether something has this name, be it an object or what can't be read as one.
  func isThere(_ name: ObjectName) throws -> Bool {
    do {
      return try store.open(name) != nil
    } catch {
      guard damageReason(error) != nil else { throw error }
      return true
    }
  }

  package func now() -> Timestamp { host.now() }

  /// The packs of the vault with their sizes. What is in the folder and is no pack's name is left
  /// alone.
  package func listPacks() throws -> [SerialName: UInt64] {
    var packs: [SerialName: UInt64] = [:]
    for object in try store.list(VaultFolder.packs) {
      if let name = SerialName(object.name.key) { packs[name] = object.byteCount }
    }
    return packs
  }
}

extension HostSystem {
  /// What the clock says, as vaults record it.
  func now() -> Timestamp {
    let time = clock.now()
    return Timestamp(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}
