internal import Logging
package import SnapStoreFormat
package import SnapStoreIO

/// Merges small index segments, so that hundreds of backups leave a few (`MergePolicy` says which).
///
/// A merged segment is durable before its inputs are deleted, so at every moment each of their
/// packs is covered, whoever is killed, and however many merge the same at once. What a collection
/// has doomed is left out. Merging loses no other knowledge: a segment of which another pack is
/// missing, that is damaged, or that has something this version does not know, is left as it is.
package struct IndexMerge: Sendable {
  private let session: Session
  private let interruption: Interruption
  private let doomed: Set<SerialName>
  private var vault: Vault { session.vault }

  /// `doomed`: what a collection has just decided to delete, beside what the session knows of.
  package init(
    session: Session, doomed: [SerialName] = [], interruption: Interruption = Interruption()
  ) {
    self.session = session
    self.doomed = session.condemned.doomed.union(doomed)
    self.interruption = interruption
  }

  /// Merges until nothing is to do. What fails is logged and harms nothing: the inputs stay. With
  /// `rewritingDoomed`, segments over much that is doomed are written anew first.
  package func run(rewritingDoomed: Bool = false) {
    do {
      var inputs = try openInputs(atLeast: rewritingDoomed ? 1 : MergePolicy.segmentsPerTier)
      if rewritingDoomed { try leaveOutDoomed(&inputs) }
      while true {
        let names = MergePolicy.nextGroup(
          of: inputs.map { .init(name: $0.name, entryCount: $0.head.layout.entryCount) })
        guard !names.isEmpty else { return }
        let group = inputs.filter { names.contains($0.name) }
        do {
          let merged = try merge(group)
          inputs.removeAll { names.contains($0.name) }
          inputs.append(merged)
        } catch let unreadable as MergeInput.Unreadable {
          vault.log.warning(
            "index segment \(unreadable.name) is damaged and not merged: \(unreadable.reason)")
          inputs.removeAll { $0.name == unreadable.name }
        }
      }
    } catch is Interrupted {
      vault.log.info("index segments are not merged: interrupted")
    } catch {
      vault.log.warning("index segments are not merged, which the next backup will do: \(error)")
    }
  }

  /// The segments that may be merged; none where there can't be enough.
  private func openInputs(atLeast count: Int) throws -> [MergeInput] {
    let names = try vault.store.list(VaultFolder.index).compactMap { SerialName($0.name.key) }
      .sorted()
    guard names.count >= count else { return [] }
    // What a listed segment covers was there before it, so it is in this later listing, or lost.
    let packs = try vault.listPacks()
    return try names.compactMap { name in
      guard let input = try open(name, packLimit: packs.count + doomed.count),
        input.head.packs.allSatisfy({ isDoomed($0) || packs[$0.name] == $0.byteCount })
      else { return nil }
      return input
    }
  }

  /// Deletes segments over nothing but doomed packs, and writes those anew of which they are a
  /// quarter or more.
  private func leaveOutDoomed(_ inputs: inout [MergeInput]) throws {
    var group: [MergeInput] = []
    for input in inputs {
      let all = input.head.packs.reduce(0) { $0 &+ $1.byteCount }
      let doomed = input.head.packs.filter(isDoomed).reduce(0) { $0 &+ $1.byteCount }
      guard doomed > 0, doomed >= all / 4 else { continue }
      inputs.removeAll { $0.name == input.name }
      if doomed == all {
        try vault.store.delete(.indexSegment(input.name))
        continue
      }
      group.append(input)
      let entries = group.reduce(0) { $0 + $1.head.layout.entryCount }
      if group.count == MergePolicy.maximumInputs || entries >= MergePolicy.maximumEntries / 2 {
        inputs.append(try merge(group))
        group = []
      }
    }
    if !group.isEmpty { inputs.append(try merge(group)) }
  }

  private func isDoomed(_ pack: CoveredPack) -> Bool {
    doomed.contains(pack.name)
  }

  /// Nil for one that is gone, damaged, or has something that this version does not know.
  private func open(_ name: SerialName, packLimit: Int) throws -> MergeInput? {
    do {
      guard let reader = try vault.store.open(.indexSegment(name)) else { return nil }
      let head = try IndexSegmentHead(reader, packLimit: packLimit)
      return head.isFullyKnown ? MergeInput(name: name, reader: reader, head: head) : nil
    } catch {
      guard let reason = damageReason(error) else { throw error }
      vault.log.info("index segment \(name) is not merged: \(reason)")
      return nil
    }
  }

  /// Writes one segment for all of them, and then deletes them.
  private func merge(_ inputs: [MergeInput]) throws -> MergeInput {
    let table = PackTable(inputs, isLeftOut: isDoomed)
    let entries = MergedEntries(
      try zip(inputs, table.places).map {
        try SegmentCursor($0, packs: $1, interruption: interruption)
      }, dropsEqual: table.hasOverlap)
    var entryCount = inputs.reduce(0) { $0 + $1.head.layout.entryCount }
    if table.hasOverlap || table.leavesOut {
      // The count is written before the entries, so those that stay have to be counted first.
      entryCount = 0
      var counting = entries
      try counting.forEach { _ in entryCount += 1 }
    }
    let merged = try write(entries, entryCount: entryCount, packs: table.packs)
    vault.log.info("merged \(inputs.count) index segments of \(entryCount) entries")
    for input in inputs { try vault.store.delete(.indexSegment(input.name)) }
    return merged
  }

  /// Through the vault's store, since a session counts what it adds, and this takes the place of
  /// what was there.
  private func write(
    _ entries: MergedEntries, entryCount: UInt64, packs: [CoveredPack]
  ) throws -> MergeInput {
    let name = session.nextName()
    let writer = try vault.store.create(.indexSegment(name))
    var entries = entries
    var encoder = IndexSegmentEncoder(packs: packs, entryCount: entryCount)
    try entries.forEach { entry in
      try encoder.append(entry) { try writer.append($0.rawSpan) }
    }
    try encoder.finish { try writer.append($0.rawSpan) }
    guard try writer.finish(), let reader = try vault.store.open(.indexSegment(name)) else {
      throw VaultError(.aborted, "index segment \(name) was taken or went away")
    }
    let head = try IndexSegmentHead(reader, packLimit: packs.count)
    return MergeInput(name: name, reader: reader, head: head)
  }
}

/// The packs of several segments, each once.
private struct PackTable {
  private(set) var packs: [CoveredPack] = []
  /// Of each segment, where its packs are in `packs`; nil for one that is left out.
  private(set) var places: [[UInt32?]] = []
  /// Whether a pack is covered more than once.
  var hasOverlap: Bool { packs.count < places.reduce(0) { $0 + $1.count { $0 != nil } } }
  var leavesOut: Bool { places.contains { $0.contains(nil) } }

  init(_ inputs: [MergeInput], isLeftOut: (CoveredPack) -> Bool) {
    var known: [CoveredPack: UInt32] = [:]
    for input in inputs {
      places.append(
        input.head.packs.map { pack in
          if isLeftOut(pack) { return nil }
          if let place = known[pack] { return place }
          let place = UInt32(packs.count)
          known[pack] = place
          packs.append(pack)
          return place
        })
    }
  }
}
