internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What monitoring wants to know of a vault, as it is now. Reads what `vault info` reads: all
/// points, and the directory of every pack.
struct Metrics {
  private(set) var families: [MetricFamily]
  /// Points that can't be read, for a warning each.
  let unreadable: [String]

  init(_ vault: Vault) throws {
    let label = (
      name: "vault", value: try absolutePath(vault.store.location, calls: vault.host.calls)
    )
    let catalog = try PointCatalog(vault)
    unreadable = catalog.unreadable.map { "recovery point \($0.id) can't be read: \($0.error)" }
    let machines = Set(catalog.machines).union(try Policies(vault).machines.map(\.name)).sorted()
    families = Self.program(now: vault.now(), label)
    families += try Self.points(of: machines, vault, catalog, label)
    families += try Self.vault(vault, catalog, label)
    families += JobMetrics(try JobHistory(vault), machines: machines, vault: label).families
  }

  /// The text format, whole lines. It begins with `MetricsFile.beginning`.
  var text: String { families.map(\.text).joined() }

  /// One object: the samples of each metric by its name.
  var json: JSONValue {
    .object(Dictionary(uniqueKeysWithValues: families.map { ($0.name, $0.json) }))
  }

  private typealias Label = (name: String, value: String)

  private static func program(now: Timestamp, _ vault: Label) -> [MetricFamily] {
    var build = MetricFamily("snapstore_build_info", "The program that wrote this, by its version.")
    build.add(.integer(1), ("version", Version.text))
    var generated = MetricFamily(
      "snapstore_metrics_generated_timestamp_seconds",
      "When this was written: if it is old, all of it is.")
    generated.add(.integer(now.seconds), vault)
    return [build, generated]
  }

  /// What the vault has of each of these machines: one that was never backed up has 0 points.
  private static func points(
    of machines: [Name], _ vault: Vault, _ catalog: PointCatalog, _ label: Label
  ) throws -> [MetricFamily] {
    let now = vault.now()
    let verifications = try Verifications(vault)
    let reviews = try Reviews(vault)
    let points = Dictionary(grouping: catalog.entries.map(\.point), by: \.machine)
    /// What there is of each machine's points, oldest first; nil where there is nothing to tell.
    func family(
      _ name: String, _ help: String, _ value: ([RecoveryPoint]) -> MetricFamily.Value?
    ) -> MetricFamily {
      var family = MetricFamily("snapstore_\(name)", help)
      for machine in machines {
        guard let value = value(points[machine, default: []]) else { continue }
        family.add(value, label, ("vm", machine.text))
      }
      return family
    }
    return [
      family("points", "Recovery points of the machine, without deleted ones.") {
        .integer(Int64($0.count))
      },
      family(
        "suspect_points", "Points that look like encryption by malware, and nobody has reviewed."
      ) { points in .integer(Int64(points.count { reviews.isSuspect($0) })) },
      family(
        "newest_point_timestamp_seconds", "When the machine's newest recovery point was made."
      ) { $0.last.map { .integer($0.time.seconds) } },
      family(
        "newest_point_age_seconds", "How old that point was when this was written."
      ) { $0.last.map { .integer(now.seconds - $0.time.seconds) } },
      family("newest_point_size_bytes", "How large the disks of that point are.") {
        $0.last.map { .count($0.byteCount) }
      },
      family("newest_point_read_bytes", "How much was read from the disks for that point.") {
        $0.last.map { .count($0.figures.readByteCount) }
      },
      family(
        "newest_point_new_bytes", "Content of that point that was not in the vault, uncompressed."
      ) { $0.last.map { .count($0.figures.newByteCount) } },
      family("newest_point_stored_bytes", "What that point added to the vault.") {
        $0.last.map { .count($0.figures.storedByteCount) }
      },
      family(
        "last_verify_timestamp_seconds",
        "When the machine's newest verified point was last verified, data included."
      ) { points in
        points.reversed().lazy.compactMap { verifications.time(of: $0.id) }.first
          .map { .integer($0.seconds) }
      },
    ]
  }

  private static func vault(
    _ vault: Vault, _ catalog: PointCatalog, _ label: Label
  ) throws -> [MetricFamily] {
    let summary = try VaultSummary(vault)
    let unique = Double(summary.uniqueByteCount)
    let content = catalog.entries.reduce(0.0) { sum, entry in
      entry.point.disks.reduce(sum) { $0 + Double($1.root.dataByteCount) }
    }
    var families: [MetricFamily] = []
    func add(_ name: String, _ help: String, _ value: MetricFamily.Value?) {
      guard let value else { return }
      var family = MetricFamily("snapstore_vault_\(name)", help)
      family.add(value, label)
      families.append(family)
    }
    add("packs", "Packs of the vault.", .integer(Int64(summary.packCount)))
    add("stored_bytes", "All objects of the vault.", .count(summary.storedByteCount))
    add(
      "unique_bytes", "Content that is stored, each piece once, uncompressed.",
      .count(summary.uniqueByteCount))
    add(
      "deduplication_ratio",
      "Content of all points by what is stored of it, uncompressed: what was deleted and not yet "
        + "collected is stored too.",
      unique > 0 ? .number(content / unique) : nil)
    add(
      "compression_ratio", "Stored content, uncompressed, by all objects of the vault.",
      unique > 0 && summary.storedByteCount > 0
        ? .number(unique / Double(summary.storedByteCount)) : nil)
    add(
      "free_bytes", "What can still be written to the vault's file system.",
      try vault.store.availableByteCount().map { .count($0) })
    add(
      "damaged_objects",
      "Objects that runs found damaged, also those that have healed and are not yet collected: "
        + "snapstore verify tells what loses by it.",
      .integer(Int64(try RecordedDamage(vault).objectCount)))
    add(
      "unreadable_points", "Recovery points of which no copy can be read.",
      .integer(Int64(catalog.unreadable.count)))
    return families
  }
}
