internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct VaultCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vault", abstract: "Make a vault, or tell about one.",
    subcommands: [Create.self, Info.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a new, empty vault in a directory of this host.",
      usage: "snapstore vault create <path> [<options>]",
      discussion: """
        What is chosen here holds for the vault's whole life. The directory is made if its parent \
        exists. Network file systems are refused: a vault has to know when its data is durable.

        EXAMPLES:
          snapstore vault create /backup/vault
          snapstore vault create --region north /backup/vault
        """)

    @Argument(
      help: "The directory: one that does not exist yet, or is empty.", completion: .directory)
    var path: String

    @Option(
      help: ArgumentHelp("Where the vault is, as a name of your own.", valueName: "name"),
      transform: parseName)
    var region: Name?

    @Option(
      help: ArgumentHelp(
        """
        How chunks are named: sha256, or xxh3-128 where all guests are trusted. (default: sha256)
        """, valueName: "hash"),
      completion: .list(ChunkHash.allCases.map(\.optionName)),
      transform: { try parseChoice($0, ChunkHash.allCases, \.optionName) })
    var chunkHash: ChunkHash = .sha256

    @Option(
      help: ArgumentHelp(
        "How chunks are compressed: lz4, or zstd:LEVEL: smaller and slower. (default: lz4)",
        valueName: "codec"),
      completion: .list(Compression.examples.map(\.optionName)), transform: parseCompression)
    var compression: Compression = .lz4

    @Option(
      help: ArgumentHelp(
        "How disks are cut: aligned, or fixed:BYTES for comparison.", valueName: "kind"),
      completion: .list([Chunking.aligned.optionName, "fixed:65536"]))
    var chunking: Chunking = .aligned

    @Option(help: ArgumentHelp("Percent of parity in packs: 0.", valueName: "percent"))
    var parity: Int = 0

    @OptionGroup var output: OutputOptions

    func validate() throws {
      if path.isEmpty { throw ValidationError("the vault's path is empty") }
      if parity != 0 { throw ValidationError("--parity: this version knows only 0") }
    }

    func run() throws {
      let host = HostSystem.current()
      var parameters = Vault.Parameters()
      parameters.region = region?.text
      parameters.chunkHash = chunkHash
      parameters.compression = compression
      parameters.chunking = chunking
      let store = try LocalObjectStore.create(path, host: host)
      let vault = try Vault.create(in: store, parameters, host: host, log: Console.log)
      Reserve(vault).make()
      if output.isJSON {
        try output.console.print(["type": "summary", "vault": .string(vault.store.location)])
      } else {
        try output.console.print("Made a vault at \(vault.store.location)")
      }
    }
  }

  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell what a vault is and how much it holds.",
      discussion: """
        EXAMPLES:
          snapstore vault info
          snapstore vault info --vault /backup/vault --json
        """)

    @OptionGroup var vault: VaultOptions
    @OptionGroup var output: AnswerOptions

    func run() throws {
      let vault = try vault.open(host: HostSystem.current())
      let summary = try VaultSummary(vault)
      if output.isJSON {
        try output.console.print(Self.fields(vault, summary))
      } else {
        try output.console.print(Self.text(vault, summary))
      }
    }

    static func fields(_ vault: Vault, _ summary: VaultSummary) -> JSONValue {
      let descriptor = vault.descriptor
      return [
        "vault": .string(vault.store.location),
        "id": .string(descriptor.id.description),
        "format": .integer(Int64(Magic.formatVersion)),
        "created": .string(descriptor.created.rfc3339),
        "region": .optional(descriptor.region),
        "chunk_hash": .string(descriptor.chunkHash.recordedName),
        "compression": .string(descriptor.compression.optionName),
        "chunking": .string(descriptor.chunking.optionName),
        "parity": .count(descriptor.parity),
        "machines": .count(summary.machineCount),
        "points": .count(summary.pointCount),
        "chunks": .bytes(summary.chunkCount),
        "unique_bytes": .bytes(summary.uniqueByteCount),
        "stored_bytes": .bytes(summary.storedByteCount),
        "packs": .count(summary.packCount),
        "index_segments": .count(summary.indexSegmentCount),
      ]
    }

    static func text(_ vault: Vault, _ summary: VaultSummary) -> String {
      let descriptor = vault.descriptor
      let ratio =
        summary.storedByteCount > 0
        ? Double(summary.uniqueByteCount) / Double(summary.storedByteCount) : 0
      return """
        Vault:        \(vault.store.location)
        Format:       \(Magic.formatVersion), made \(descriptor.created.rfc3339)
        Region:       \(HumanText.plain(descriptor.region ?? "none"))
        Chunks:       \(descriptor.chunkHash.recordedName), \(descriptor.compression.optionName), \
        cut \(descriptor.chunking.optionName)
        Machines:     \(summary.machineCount)
        Points:       \(summary.pointCount)
        Holds:        \(summary.chunkCount) chunks of \(HumanText.bytes(summary.uniqueByteCount)), \
        stored in \(HumanText.bytes(summary.storedByteCount)) (\(HumanText.ratio(ratio)))
        Objects:      \(HumanText.count(summary.packCount, "pack", "packs")), \
        \(HumanText.count(summary.indexSegmentCount, "index segment", "index segments"))
        """
    }
  }
}

/// One of several values, by its name on the command line.
@Sendable private func parseChoice<Choice>(
  _ text: String, _ choices: [Choice], _ name: (Choice) -> String
) throws -> Choice {
  guard let choice = choices.first(where: { name($0) == text }) else {
    throw ValidationError("'\(text)' is none of: \(choices.map(name).joined(separator: ", "))")
  }
  return choice
}

/// For `--compression`.
@Sendable func parseCompression(_ text: String) throws -> Compression {
  guard let compression = Compression(optionName: text) else {
    let levels = Compression.zstdLevels
    throw ValidationError(
      "'\(text)' is none of: lz4, zstd, zstd:LEVEL with a level of \(levels.lowerBound) to "
        + "\(levels.upperBound)")
  }
  return compression
}

extension Chunking: ExpressibleByArgument {
  package var defaultValueDescription: String { optionName }

  package init?(argument: String) {
    if argument == Chunking.aligned.optionName {
      self = .aligned
      return
    }
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == "fixed",
      let size = ByteSize(argument: String(parts[1])), Chunking.isValidFixedSize(size.byteCount)
    else { return nil }
    self = .fixed(size.byteCount)
  }
}
