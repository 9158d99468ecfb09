internal import Logging
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What this host remembers of the points it made, in
/// `${XDG_STATE_HOME:-~/.local/state}/snapstore`. No work fails for it: where it can't be read or
/// written, there is only a remark in the log.
struct HostMemory {
  private let path: String?
  private let host: HostSystem

  init(_ host: HostSystem) {
    self.host = host
    var path: String?
    Self.tolerating {
      if let state = try pathInEnvironment("XDG_STATE_HOME"), state.hasPrefix("/") {
        path = "\(state)/snapstore"
      } else if let home = try pathInEnvironment("HOME"), home.hasPrefix("/") {
        path = "\(home)/.local/state/snapstore"
      }
    }
    self.path = path
  }

  /// Remembers the newest point of a machine.
  func record(_ point: RecoveryPoint) {
    guard let path else { return }
    Self.tolerating {
      let store: LocalObjectStore
      do {
        store = try LocalObjectStore.open(path, host: host)
      } catch let error as StoreError where error.code == .notThere {
        store = try LocalObjectStore.create(path, host: host)
      }
      try KnownHeads(store: store).record(point)
    }
  }

  /// What the vault does not have, or has otherwise.
  func contradictions(
    of vault: Vault, _ catalog: PointCatalog, machine: Name? = nil
  ) -> [String] {
    var found: [String] = []
    guard let path else { return [] }
    Self.tolerating {
      let heads = KnownHeads(store: try LocalObjectStore.open(path, host: host))
      found = try heads.contradictions(of: vault, catalog, machine: machine)
    }
    return found
  }

  private static func tolerating(_ body: () throws -> Void) {
    do {
      try body()
    } catch let error as StoreError where error.code == .notThere {
      // Nothing was made here yet.
    } catch {
      let reason = Failure(error).message
      Console.log.info("what this host remembers of points can't be used: \(reason)")
    }
  }
}
