import SnapStoreFormat
import SnapStoreVault

extension CollectionModel {
  enum Actor: Hashable {
    case theOperator
    case writer(Int)
    case reader(Int)
    case collector(Int)
  }

  struct Steps {
    /// What a step of somebody may lead to.
    var done: [CollectionModel] = []
    /// What it leads to if they are killed instead.
    var killed: [CollectionModel] = []
  }

  var actors: [Actor] {
    [.theOperator] + writers.indices.map { .writer($0) } + readers.indices.map { .reader($0) }
      + collectors.indices.map { .collector($0) }
  }

  func steps(of actor: Actor) -> Steps {
    var next = Steps()
    switch actor {
    case .theOperator: stepOperator(&next)
    case .writer(let number): stepWriter(number, &next)
    case .reader(let number): stepReader(number, &next)
    case .collector(let number): stepCollector(number, &next)
    }
    return next
  }

  /// The state after `change`.
  func after(_ change: (inout CollectionModel) -> Void) -> CollectionModel {
    var changed = self
    change(&changed)
    return changed
  }

  // MARK: The operator

  private func stepOperator(_ next: inout Steps) {
    guard deletionsLeft > 0 else { return }
    for (number, point) in points.enumerated()
    where point.isThere && sessions[point.session]?.verdict == .committed {
      let states: [Point.State] =
        switch point.state {
        case .whole: [.deleted, .final]
        case .deleted: [.whole, .final]
        case .final: []
        }
      for state in states {
        next.done.append(
          after {
            $0.points[number].state = state
            $0.deletionsLeft -= 1
          })
      }
    }
  }

  // MARK: Writers

  private static func session(ofWriter number: Int) -> Int { 1 + number }
  private static func slot(ofWriter number: Int) -> Int { 1 + number }

  private func stepWriter(_ number: Int, _ next: inout Steps) {
    let id = Self.session(ofWriter: number)
    func go(_ state: Writer, _ change: (inout CollectionModel) -> Void = { _ in }) {
      next.done.append(
        after {
          $0.writers[number] = state
          change(&$0)
        })
    }
    switch writers[number] {
    case .idle:
      for parent in [nil] + points.indices.filter(isVisible) {
        go(.chosen(parent: parent, epoch: epoch.number))
      }
      return
    case .chosen(let parent, let epoch):
      go(.registered(parent: parent)) {
        $0.sessions[id] = Session(purpose: .write, epoch: epoch, leansOn: parent)
      }
      return
    case .registered(let parent):
      go(
        has(.epochReadOnce)
          ? .informed(parent: parent, condemned: 0, doomed: 0)
          : .informed(parent: parent, condemned: condemned, doomed: epoch.doomed))
    case .informed(let parent, let condemned, let doomed):
      go(.listed(parent: parent, packs: listing & ~doomed, condemned: condemned))
    case .listed(let parent, let packs, let before):
      let isThere = parent.map { isVisible($0) || has(.noSecondLook) } ?? true
      go(
        .ready(
          parent: isThere ? parent : nil, packs: packs & ~epoch.doomed,
          condemned: condemned | before))
    case .ready(let parent, let packs, let condemned):
      if let parent { go(.stored(chunks: points[parent].chunks, doomed: epoch.doomed)) }
      let usable = has(.condemnedReused) ? packs : packs & ~condemned
      for chunk in Self.chunks {
        // What its own listing shows is found; what is gone from there since, it can't know.
        let found = self.chunks(in: usable) & chunk != 0
        go(.stored(chunks: chunk, doomed: epoch.doomed)) { model in
          guard !found else { return }
          let slot = Self.slot(ofWriter: number)
          model.packs[slot] = chunk
          model.listing |= 1 << UInt16(slot)
          model.segments.append(1 << UInt16(slot))
        }
      }
    case .stored(let chunks, let doomed):
      go(.pending(doomed: doomed)) { $0.points.append(Point(session: id, chunks: chunks)) }
    case .pending(let doomed):
      guard sessions[id]?.verdict == Session.Verdict.none else {
        go(.ended) { $0.sessions[id]?.isAlive = false }
        return
      }
      go(.committed(doomed: doomed)) {
        $0.sessions[id]?.verdict = .committed
        if has(.writerRemovesItself) { $0.sessions[id]?.isRegistered = false }
      }
    case .committed(let doomed):
      if configuration.merges, segments.count > 1 {
        let there = listing
        let inputs = segments.filter { $0 & ~there & ~doomed == 0 }
        let output = inputs.reduce(0, |) & ~doomed
        if inputs.count > 1 || output != inputs.first {
          go(.merging(inputs: inputs, output: output))
        }
      }
    case .merging(let inputs, let output):
      go(.merged(inputs: inputs)) { if output != 0 { $0.segments.append(output) } }
    case .merged(let inputs):
      go(.ended) {
        $0.remove(segments: inputs)
        $0.sessions[id]?.isAlive = false
      }
    case .ended:
      return
    }
    next.killed.append(
      after {
        $0.writers[number] = .ended
        $0.sessions[id]?.isAlive = false
      })
  }

  mutating func remove(segments inputs: [UInt16]) {
    for input in inputs {
      if let place = segments.firstIndex(of: input) { segments.remove(at: place) }
    }
    segments.sort()
  }

  // MARK: Readers

  private func stepReader(_ number: Int, _ next: inout Steps) {
    let id = 20 + number
    func go(_ state: Reader, _ change: (inout CollectionModel) -> Void = { _ in }) {
      next.done.append(
        after {
          $0.readers[number] = state
          change(&$0)
        })
    }
    switch readers[number] {
    case .idle:
      for point in points.indices.filter(isVisible) {
        go(.chosen(point: point, epoch: epoch.number))
      }
    case .chosen(let point, let epoch):
      go(.registered(point: point)) {
        $0.sessions[id] = Session(purpose: .read, epoch: epoch, leansOn: point)
      }
    case .registered(let point):
      go(.informed(point: point, doomed: has(.epochReadOnce) ? 0 : epoch.doomed))
    case .informed(let point, let doomed):
      go(.listed(point: point, packs: listing & ~doomed))
    case .listed(let point, let packs):
      if isVisible(point) || has(.noSecondLook) {
        go(.reading(point: point, packs: packs & ~epoch.doomed))
      } else {
        go(.ended) { $0.sessions[id]?.isRegistered = false }
      }
    case .reading:
      go(.ended) { $0.sessions[id]?.isRegistered = false }
      next.killed.append(
        after {
          $0.readers[number] = .ended
          $0.sessions[id]?.isAlive = false
        })
    case .ended:
      break
    }
  }
}
