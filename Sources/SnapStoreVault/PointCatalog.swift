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
  package private(set) var unreadable: [(id: PointID, reason: String)]

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
      switch try Self.read(id, names.sorted { $0.key < $1.key }, vault) {
      case .success(let entry):
        if try Self.isCommitted(entry.point.session, vault) { entries.append(entry) }
      case .failure(let error):
        unreadable.append((id, error.description))
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
      } catch let error as StoreError {
        failure = .damaged(error.message)
      } catch let error as IOError {
        failure = .damaged(error.description)
      }
      vault.log.info("\(failure)")
    }
    return .failure(failure)
  }

  private static func isCommitted(_ session: SessionID, _ vault: Vault) throws -> Bool {
    let name = ObjectName.outcome(session)
    guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
      return false
    }
    do {
      let outcome = try SessionOutcome(decoding: bytes.rawSpan)
      return outcome.session == session && outcome.verdict == .committed
    } catch {
      throw error.inObject("\(name)")
    }
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
        throw VaultError(
          .notThere, "the vault has no recovery points", hint: "make one with: snapstore backup")
      }
      guard machine != nil || machines.count == 1 else {
        throw VaultError(
          .ambiguous, "the vault has points of \(machines.count) machines", hint: machinesHint)
      }
      return last
    }
    let matches = candidates.filter { $0.point.id.text.hasPrefix(text) }
    guard let match = matches.first, !text.isEmpty else {
      if let damaged = unreadable.first(where: { $0.id.text.hasPrefix(text) }) {
        throw VaultError(.damaged, "recovery point \(damaged.id) is damaged: \(damaged.reason)")
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

  private var machinesHint: String {
    let names = machines.prefix(8).map(\.text).joined(separator: ", ")
    return names.isEmpty ? "the vault is empty" : "name one with --vm: \(names)"
  }
}
