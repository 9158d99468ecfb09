internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// The committed recovery points of a vault, as they were when it was listed.
package struct PointCatalog: Sendable {
  package struct Entry: Sendable {
    package var point: RecoveryPoint
    package var hash: RecoveryPoint.Hash
  }

  /// In the order of machine, sequence, time.
  package private(set) var entries: [Entry]
  /// Points of which no copy can be read, with the reason.
  package private(set) var unreadable: [(id: PointID, error: FormatError)]

  package init(_ vault: Vault) throws {
    entries = []
    unreadable = []
    var copies: [PointID: [ObjectName]] = [:]
    for object in try vault.store.list(VaultFolder.points) {
      let parts = object.name.key.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[1] == "1" || parts[1] == "2", let id = PointID(parts[0])
      else { continue }
      copies[id, default: []].append(object.name)
    }
    for (id, names) in copies {
      do {
        let entry = try Self.read(id, names.sorted { $0.key < $1.key }, vault).get()
        if try SessionOutcome.isCommitted(entry.point.session, vault) { entries.append(entry) }
      } catch let error as FormatError {
        unreadable.append((id, error))
      } catch {
        guard let reason = damageReason(error) else { throw error }
        unreadable.append((id, .damaged(reason)))
      }
    }
    entries.sort {
      ($0.point.machine, $0.point.sequence, $0.point.time, $0.point.id)
        < ($1.point.machine, $1.point.sequence, $1.point.time, $1.point.id)
    }
    unreadable.sort { $0.id < $1.id }
  }

  /// The first copy that is good; the last one's error if none is.
  private static func read(
    _ id: PointID, _ names: [ObjectName], _ vault: Vault
  ) throws -> Result<Entry, FormatError> {
    var failure = FormatError.damaged("no copy can be read")
    for name in names {
      do {
        guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
          continue
        }
        let point = try RecoveryPoint(decoding: bytes.rawSpan)
        guard point.id == id, point.descriptor.id == vault.descriptor.id else {
          throw FormatError.damaged("is point \(point.id) of vault \(point.descriptor.id)")
        }
        return .success(Entry(point: point, hash: ObjectHash.of(bytes.rawSpan)))
      } catch let error as FormatError {
        failure = error.inObject("\(name)")
      } catch {
        guard let reason = damageReason(error) else { throw error }
        failure = .damaged(reason)
      }
      vault.log.info("\(failure)")
    }
    return .failure(failure)
  }

  /// The machines that have points, in order.
  package var machines: [Name] {
    entries.map(\.point.machine).reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  package func entries(of machine: Name) -> [Entry] {
    entries.filter { $0.point.machine == machine }
  }

  /// The newest point of a machine: the highest sequence number, and of two (a legal fork) the
  /// later one.
  package func latest(of machine: Name) -> Entry? {
    entries.last { $0.point.machine == machine }
  }

  /// The sequence number that the machine's next point gets.
  package func nextSequence(of machine: Name) -> UInt64 {
    (latest(of: machine)?.point.sequence ?? 0) + 1
  }

  /// The hashes of the machine's points to which no other point links.
  package func heads(of machine: Name) -> [RecoveryPoint.Hash] {
    let entries = entries(of: machine)
    let linked = Set(entries.flatMap(\.point.previous))
    return entries.map(\.hash).filter { !linked.contains($0) }
  }

  /// The point that a person means: `latest`, an ID, or the unique beginning of one. `machine`
  /// narrows it down; `latest` needs it where the vault has more machines than one.
  package func resolve(_ text: String, machine: Name?) throws -> Entry {
    if let machine, !machines.contains(machine) {
      throw VaultError(
        .notThere, "there is no recovery point of a machine named \(machine)", hint: machinesHint)
    }
    let candidates = machine.map { entries(of: $0) } ?? entries
    if text == "latest" {
      guard let last = candidates.last else {
        if let damaged = unreadable.last { throw Self.unreadable(damaged) }
        throw VaultError(
          .notThere, "the vault has no recovery points", hint: "make one with: snapstore backup")
      }
      guard machine != nil || machines.count == 1 else {
        throw VaultError(
          .ambiguous, "the vault has points of \(machines.count) machines", hint: machinesHint)
      }
      // The name of a point begins with its time: a newer one may be the one that is meant.
      if let newer = unreadable.last, newer.id > last.point.id { throw Self.unreadable(newer) }
      return last
    }
    let matches = candidates.filter { $0.point.id.text.hasPrefix(text) }
    guard let match = matches.first, !text.isEmpty else {
      if let damaged = unreadable.first(where: { $0.id.text.hasPrefix(text) }) {
        throw Self.unreadable(damaged)
      }
      throw VaultError(
        .notThere, "there is no recovery point \(text)", hint: "list them with: snapstore points")
    }
    guard matches.count == 1 else {
      let some = matches.prefix(4).map(\.point.id.text).joined(separator: ", ")
      throw VaultError(
        .ambiguous, "\(text) is the beginning of \(matches.count) recovery points: \(some)",
        hint: "give more of the ID")
    }
    return match
  }

  private static func unreadable(_ point: (id: PointID, error: FormatError)) -> VaultError {
    point.error.code == .unsupported
      ? VaultError(
        .unsupported, "recovery point \(point.id) \(point.error.problem)",
        hint: "use a newer snapstore")
      : VaultError(
        .damaged, "recovery point \(point.id) is damaged: \(point.error)",
        hint: "restore another one by its ID: snapstore points")
  }

  private var machinesHint: String {
    let names = machines.prefix(8).map(\.text).joined(separator: ", ")
    return names.isEmpty ? "the vault is empty" : "name one with --vm: \(names)"
  }
}
