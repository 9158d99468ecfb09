package import SnapStoreFormat
internal import SnapStoreIO

/// Everything that a verification found wrong with a vault, and which points lose by it. Filled by
/// any number of lanes. Bounded: beyond so many damages, those of an object are told as one, and
/// beyond so many losses, a point is only named once; no point that loses is left out.
package final class DamageReport: Sendable {
  /// What a point loses by one damage.
  package struct Loss: Sendable {
    package var point: PointID
    /// Nil where the whole point can't be used.
    package var disk: Name?
    /// Bytes of the disk, in ascending order; those that touch are one.
    package var ranges: [Range<UInt64>]
  }

  package struct Damage: Sendable {
    /// The object in the vault; or the chunk or map node of which no copy is known.
    package var object: String
    /// Where in the object, in bytes.
    package var offset: UInt64?
    package var problem: String
    /// By point and disk, in the order of the points' IDs.
    package var losses: [Loss] = []
    /// The record that is damaged, where it is one.
    package var finding: DamageRecord.Finding?
    /// The pack that is gone or not as long as it was, where it is one.
    package var lostPack: ChunkIndex.LostPack?
    /// Stands for all that is damaged in the object beyond what is told one by one.
    fileprivate var standsForMore = false
  }

  fileprivate struct LossKey: Hashable {
    var damage: Int
    var point: PointID
    var disk: Name?
  }

  fileprivate struct State {
    var damages: [Damage] = []
    var byID: [ChunkID: [Int]] = [:]
    var byObject: [String: [Int]] = [:]
    var losses: [LossKey: [Range<UInt64>]] = [:]
    var losers: Set<PointID> = []
    /// How often something was lost, told or not.
    var lossCount = 0
    var rangeCount = 0
    let limit: Int
  }

  private let state: Lock<State>

  /// `limit`: how many damages, losses and ranges, each, are told one by one.
  package init(limit: Int = 1 << 16) {
    state = Lock(State(limit: limit))
  }

  /// Takes note of damage to an object.
  func add(_ object: ObjectName, at offset: UInt64? = nil, _ problem: String) {
    _ = state.withLock {
      $0.add(Damage(object: "\(object)", offset: offset, problem: problem))
    }
  }

  /// Takes note that no point has a hash that one should have.
  package func add(missing hash: RecoveryPoint.Hash) {
    let problem =
      "none has the hash \(Hexadecimal.text(hash)): the point is missing or was altered"
    _ = state.withLock { $0.add(Damage(object: VaultFolder.points, problem: problem)) }
  }

  /// Takes note of damage to a pack as a whole.
  package func add(pack: SerialName, at offset: UInt64? = nil, _ problem: String) {
    add(.pack(pack), at: offset, problem)
  }

  /// Takes note of a pack that is gone or has another size; that it then has no good trailer goes
  /// without saying.
  package func add(_ lost: ChunkIndex.LostPack) {
    let object = "\(ObjectName.pack(lost.pack.name))"
    let problem =
      lost.byteCount.map { "is \($0) bytes long and should be \(lost.pack.byteCount)" }
      ?? "is missing from the vault"
    state.withLock { state in
      let noted = state.byObject[object]?.first { state.damages[$0].finding == nil }
      let number = noted ?? state.add(Damage(object: object, problem: problem))
      state.damages[number].problem = problem
      state.damages[number].offset = nil
      state.damages[number].lostPack = lost
    }
  }

  /// Takes note of a record that is damaged, unless it is noted already.
  package func add(record finding: DamageRecord.Finding, _ problem: String) {
    guard let address = finding.address else { return }
    let object = ObjectName.pack(address.pack)
    state.withLock { state in
      let isKnown = state.byID[finding.id, default: []].contains {
        state.damages[$0].finding == finding
      }
      guard !isKnown else { return }
      state.addOneOfMany(
        Damage(object: "\(object)", offset: address.offset, problem: problem, finding: finding))
    }
  }

  /// A point that can't be used at all, by damage to one of `objects`.
  package func lose(point: PointID, by objects: [String], _ problem: String) {
    state.withLock { state in
      var causes = objects.flatMap { state.byObject[$0] ?? [] }
      if causes.isEmpty {
        causes = [
          state.add(Damage(object: objects.first ?? "points/\(point)", problem: problem))
        ]
      }
      for cause in causes {
        state.lose(LossKey(damage: cause, point: point, disk: nil), nil)
      }
    }
  }

  /// A range of a disk that can't be restored, because no copy of a chunk or map node is good.
  /// `locations` are the places where copies should be.
  package func lose(
    _ range: Range<UInt64>, ofDisk disk: Name, of point: PointID, _ id: ChunkID,
    _ kind: PackRecord.Kind, locations: [ChunkLocation]
  ) {
    state.withLock { state in
      for cause in state.causes(id, kind, locations) {
        state.lose(LossKey(damage: cause, point: point, disk: disk), range)
      }
    }
  }

  /// What an error says of the vault's bytes, if it is one that damage shows itself by; the object
  /// is left out, since the caller knows it.
  package static func cause(of error: any Error) -> (offset: UInt64?, problem: String)? {
    if let error = error as? FormatError { return (error.offset, error.problem) }
    return damageReason(error).map { (nil, $0) }
  }

  /// Grows whenever something is lost.
  package var lossCount: Int { state.withLock { $0.lossCount } }

  /// All damages with their losses, in the order of objects and offsets.
  package func damages() -> [Damage] {
    state.withLock { state in
      var damages = state.damages
      let keys = state.losses.keys.sorted {
        ($0.point, $0.disk?.text ?? "") < ($1.point, $1.disk?.text ?? "")
      }
      for key in keys {
        damages[key.damage].losses.append(
          Loss(
            point: key.point, disk: key.disk, ranges: Self.merged(state.losses[key] ?? [])))
      }
      return damages.sorted { ($0.object, $0.offset ?? 0) < ($1.object, $1.offset ?? 0) }
    }
  }

  private static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    var merged: [Range<UInt64>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound {
        merged[merged.count - 1] =
          last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }
}

extension DamageReport.State {
  @discardableResult
  fileprivate mutating func add(_ damage: DamageReport.Damage) -> Int {
    let number = damages.count
    damages.append(damage)
    byObject[damage.object, default: []].append(number)
    if let finding = damage.finding { byID[finding.id, default: []].append(number) }
    return number
  }

  /// Adds a damage of which there may be any number.
  @discardableResult
  fileprivate mutating func addOneOfMany(_ damage: DamageReport.Damage) -> Int {
    guard damages.count >= limit else { return add(damage) }
    if let more = byObject[damage.object]?.first(where: { damages[$0].standsForMore }) {
      return more
    }
    var more = DamageReport.Damage(object: damage.object, problem: "more of it is damaged")
    more.standsForMore = true
    return add(more)
  }

  fileprivate mutating func lose(_ key: DamageReport.LossKey, _ range: Range<UInt64>?) {
    lossCount += 1
    let isFirst = losers.insert(key.point).inserted
    guard isFirst || losses[key] != nil || losses.count < limit else { return }
    var ranges = losses[key] ?? []
    if let range, let last = ranges.last, last.upperBound == range.lowerBound {
      ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
    } else if let range, rangeCount < limit {
      ranges.append(range)
      rangeCount += 1
    }
    losses[key] = ranges
  }

  /// The damages by which a chunk or map node is lost: its damaged records, else the packs that
  /// should hold it, else a new one that says that no copy is known.
  fileprivate mutating func causes(
    _ id: ChunkID, _ kind: PackRecord.Kind, _ locations: [ChunkLocation]
  ) -> [Int] {
    if let known = byID[id] { return known }
    let packs = locations.flatMap { byObject["\(ObjectName.pack($0.pack))"] ?? [] }
      .filter { damages[$0].lostPack != nil || damages[$0].standsForMore }
    guard packs.isEmpty else { return packs }
    let name = kind == .chunk ? "chunk" : "map node"
    guard !locations.isEmpty else {
      guard damages.count < limit else {
        return [addOneOfMany(.init(object: VaultFolder.packs, problem: ""))]
      }
      return [
        add(
          .init(
            object: "\(name) \(id)", problem: "no copy of it is in the vault",
            finding: .init(id: id, kind: kind, address: nil)))
      ]
    }
    return locations.map { location in
      addOneOfMany(
        .init(
          object: "\(ObjectName.pack(location.pack))", offset: location.record.offset,
          problem: "has no good copy of \(name) \(id) there",
          finding: .init(id: id, kind: kind, address: location.address)))
    }
  }
}
