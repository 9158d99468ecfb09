package import Logging
package import SnapStoreDisks
package import SnapStoreFormat
package import SnapStoreIO
internal import SnapStoreVault

/// Looks whether a machine's disks can be backed up into a vault, before anything depends on it: as
/// the reference service does before it protects a machine, and more. Everything that can be judged
/// is judged; a check that can't be made, as another one failed, has no finding.
package struct Preflight: Sendable {
  package enum Status: String, Sendable {
    case pass, warn, fail
  }

  /// What was looked at; machine-readable, and the same for ever.
  package enum Code: String, CaseIterable, Sendable {
    case vaultOpens = "vault_opens"
    case vaultWritable = "vault_writable"
    case vaultRegion = "vault_region"
    case vaultFit = "vault_fit"
    case vaultSpace = "vault_space"
    case vaultPlace = "vault_place"
    case vaultClock = "vault_clock"
    case diskSet = "disk_set"
    case diskReadable = "disk_readable"
    case diskNetwork = "disk_network"
    case diskInUse = "disk_in_use"
    case diskHoles = "disk_holes"
    case openFiles = "open_files"
  }

  package struct Finding: Equatable, Sendable {
    package var code: Code
    package var status: Status
    /// What it is about: the vault, a disk, the disks together, this host.
    package var subject: String
    package var message: String
    /// How to mend it; nil where there is nothing to mend.
    package var hint: String?

    package init(
      _ code: Code, _ status: Status, _ subject: String, _ message: String, hint: String? = nil
    ) {
      self.code = code
      self.status = status
      self.subject = subject
      self.message = message
      self.hint = hint
    }
  }

  package var vaultPath: String
  /// The first backup makes such a vault.
  package var isDefaultVault = false
  /// With no disks: that machine's remembered ones.
  package var machine: Name?
  package var disks: [Backup.DiskRequest] = []
  /// What is wrong with the disks as they were named.
  package var misnamed: [(text: String, message: String, hint: String?)] = []
  package var hostRegion: String?
  package var allowsOtherRegion = false
  package var allowsNetworkDisks = false
  package var openFileLimit = HostSystem.openFileLimit

  package init(vaultPath: String) {
    self.vaultPath = vaultPath
  }

  package func run(host: HostSystem, storage: HostStorage, log: Logger) -> [Finding] {
    var run = PreflightRun(request: self, host: host, storage: storage, log: log)
    run.openVault()
    run.takeRememberedDisks()
    run.tryVault()
    run.checkRegion()
    run.checkDisks()
    run.checkSpace()
    run.checkPlace()
    run.checkClock()
    run.checkOpenFiles()
    // By what they are about: some checks of the vault need to know the disks.
    let groups = ["vault_", "disk_", "open_"]
    return groups.flatMap { group in
      run.findings.filter { $0.code.rawValue.hasPrefix(group) }
    }
  }
}

/// A preflight under way: what was found, and what later checks need of earlier ones.
struct PreflightRun {
  typealias Finding = Preflight.Finding

  let request: Preflight
  let host: HostSystem
  let storage: HostStorage
  let log: Logger
  var findings: [Finding] = []
  var store: LocalObjectStore?
  var vault: Vault?
  var catalog: PointCatalog?
  /// The vault's directory, or the one above it that is there, in which it would be made.
  var place: String?
  var disks: [Backup.DiskRequest]
  /// Those that could be opened.
  var sources: [SourceDisk] = []

  init(request: Preflight, host: HostSystem, storage: HostStorage, log: Logger) {
    self.request = request
    self.host = host
    self.storage = storage
    self.log = log
    disks = request.disks
  }

  var machine: Name? { request.machine ?? disks.first?.name }

  mutating func add(
    _ code: Preflight.Code, _ status: Preflight.Status, _ subject: String, _ message: String,
    hint: String? = nil
  ) {
    findings.append(Finding(code, status, subject, message, hint: hint))
  }

  /// A check that fails by an error.
  mutating func fail(_ code: Preflight.Code, _ subject: String, _ error: any Error) {
    let (message, hint): (String, String?) =
      switch error {
      case let error as VaultError: (error.message, error.hint)
      case let error as DiskError: (error.message, error.hint)
      case let error as StoreError: (error.message, error.hint)
      case let error as IOError: (error.description, error.hint)
      default: ("\(error)", nil)
      }
    // The subject says already which disk it is.
    let prefix = "\(subject): "
    let rest = message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
    add(code, .fail, subject, rest, hint: hint)
  }

  /// For sentences: not more exact than an estimate is.
  static func size(_ byteCount: UInt64) -> String {
    byteCount < 1 << 30
      ? "\((byteCount + (1 << 20) - 1) >> 20) MiB"
      : "\((byteCount >> 30) + (byteCount >> 29 & 1)) GiB"
  }
}
