internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// Which vault a command works on.
struct VaultOptions: ParsableArguments {
  @Option(
    name: .customLong("vault"),
    help: ArgumentHelp(
      """
      The vault's directory. (default: $SNAPSTORE_VAULT, the configuration's, or \
      ~/.local/share/snapstore/vault)
      """,
      valueName: "path"), completion: .directory)
  var path: String?

  struct Location {
    var path: String
    /// The embedded default, which the first backup makes.
    var isDefault: Bool
  }

  /// The configuration is read only where nothing nearer names a vault: no mistake in it keeps
  /// anybody from a restore.
  func location(_ host: HostSystem) throws -> Location {
    if path == "" { throw Failure(.wrongUsage, "--vault names no path") }
    if let path = try path ?? pathInEnvironment("SNAPSTORE_VAULT"), !path.isEmpty {
      return Location(path: path, isDefault: false)
    }
    if let path = try ConfigurationFile.read(host).vault {
      return Location(path: path, isDefault: false)
    }
    if let data = try pathInEnvironment("XDG_DATA_HOME"), data.hasPrefix("/") {
      return Location(path: "\(data)/snapstore/vault", isDefault: true)
    }
    guard let home = try pathInEnvironment("HOME"), !home.isEmpty else {
      throw Failure(
        .wrongUsage, "no vault is named, and there is no home directory for the default one",
        hint: "name one with --vault PATH")
    }
    return Location(path: "\(home)/.local/share/snapstore/vault", isDefault: true)
  }

  /// Opens a vault that exists.
  func open(host: HostSystem) throws -> Vault {
    let location = try location(host)
    do {
      return try Vault.open(
        try LocalObjectStore.open(location.path, host: host), host: host, log: Console.log)
    } catch let error as StoreError where error.code == .notThere {
      throw Failure(
        .notThere, "there is no vault: \(error.message)",
        hint: location.isDefault
          ? "the first backup makes it: snapstore backup disk.img"
          : "make it with: snapstore vault create PATH")
    }
  }

  /// Opens the vault; the embedded default is made if it is not there yet, unless `check` throws.
  func openOrMakeDefault(
    host: HostSystem, console: Console, check: () throws -> Void
  ) throws -> Vault {
    let location = try location(host)
    guard location.isDefault else { return try open(host: host) }
    if let vault = try openIfThere(host: host) { return vault }
    try check()
    do {
      let store = try LocalObjectStore.create(location.path, host: host)
      let vault = try Vault.create(in: store, host: host, log: Console.log)
      Reserve(vault).make()
      console.note("made a vault at \(location.path)")
      return vault
    } catch {
      // Another first backup may have made it meanwhile.
      guard let vault = try openIfThere(host: host) else { throw error }
      return vault
    }
  }

  private func openIfThere(host: HostSystem) throws -> Vault? {
    do {
      return try open(host: host)
    } catch let failure as Failure where failure.code == .notThere {
      return nil
    } catch let error as VaultError where error.code == .notThere {
      return nil
    }
  }
}

/// How a command that does something tells about it.
struct OutputOptions: ParsableArguments {
  @OptionGroup var answer: AnswerOptions

  @Flag(
    name: .customLong("quiet"),
    help: "Print only warnings and errors; with --json, the summary too.")
  var isQuiet = false

  var isJSON: Bool { answer.isJSON }
  var console: Console { Console(isJSON: isJSON, isQuiet: isQuiet) }
}

/// How a command whose whole purpose is an answer gives it.
struct AnswerOptions: ParsableArguments {
  @Flag(name: .customLong("json"), help: "Print JSON instead of text for people.")
  var isJSON = false

  var console: Console { Console(isJSON: isJSON) }
}

/// How much of the machine a backup or restore may use.
struct ResourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Memory for buffers, caches and tables, as 256M or 1G. At least 64M.", valueName: "size"))
  var memory: ByteSize = ByteSize(byteCount: Resources.defaultMemoryByteCount)

  @Option(
    help: ArgumentHelp(
      """
      How many threads compute at once, 128 at the most. (default: the number of processors)
      """, valueName: "n"))
  var jobs: Int?

  func validate() throws {
    if memory.byteCount < Resources.minimumMemoryByteCount {
      throw ValidationError("--memory must be at least 64M")
    }
    if memory.byteCount > HostSystem.memoryByteCount {
      throw ValidationError("--memory is more than this machine has")
    }
    if let jobs, !(1...1024).contains(jobs) {
      throw ValidationError("--jobs must be from 1 to 1024")
    }
  }

  var resources: Resources { Resources(memoryByteCount: memory.byteCount, jobs: jobs) }
}

/// A size as typed: digits and an optional unit of K, M, G or T, which are powers of 1024.
struct ByteSize: ExpressibleByArgument, Equatable, CustomStringConvertible {
  var byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
  }

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits) else { return nil }
    let shift: Int
    switch argument.dropFirst(digits.count).uppercased() {
    case "", "B": shift = 0
    case "K", "KB", "KIB": shift = 10
    case "M", "MB", "MIB": shift = 20
    case "G", "GB", "GIB": shift = 30
    case "T", "TB", "TIB": shift = 40
    default: return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    guard !overflow else { return nil }
    byteCount = product
  }

  var description: String {
    byteCount.isMultiple(of: 1 << 20) ? "\(byteCount >> 20)M" : "\(byteCount)"
  }

  var defaultValueDescription: String { description }
}

/// Reads a name as typed, and says the rule where it is broken.
@Sendable func parseName(_ text: String) throws -> Name {
  guard let name = Name(text) else {
    throw ValidationError("'\(text)' can't be a name, which is \(Name.rule)")
  }
  return name
}
