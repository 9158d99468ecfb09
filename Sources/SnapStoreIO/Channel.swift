/// The work was cancelled because another part of it failed; that part's error is the one to show.
package struct Cancelled: Error {
  package init() {}
}

/// A bounded queue between the stages of a pipeline.
///
/// A sender waits while it is full, a receiver while it is empty. After `finish` receivers get
/// what is left and then nil; after `cancel` both throw `Cancelled` at once.
package final class Channel<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element?] = []
    var head = 0
    var isFinished = false
    var isCancelled = false

    var count: Int { elements.count - head }

    mutating func popFirst() -> Element? {
      guard head < elements.count else { return nil }
      let element = elements[head]
      elements[head] = nil
      head += 1
      if head == elements.count {
        elements.removeAll(keepingCapacity: true)
        head = 0
      } else if head >= 64 {
        elements.removeFirst(head)
        head = 0
      }
      return element
    }
  }

  private let capacity: Int
  private let state = Lock(State())
  private let hasRoom = Condition()
  private let hasElements = Condition()

  package init(capacity: Int) {
    precondition(capacity > 0)
    self.capacity = capacity
  }

  package func send(_ element: Element) throws {
    try state.wait(on: hasRoom) { state -> Void? in
      if state.isCancelled { throw Cancelled() }
      precondition(!state.isFinished, "sent to a finished channel")
      guard state.count < capacity else { return nil }
      state.elements.append(element)
      return ()
    }
    hasElements.wakeOne()
  }

  package func receive() throws -> Element? {
    let element = try state.wait(on: hasElements) { state -> Element?? in
      if state.isCancelled { throw Cancelled() }
      if let element = state.popFirst() { return .some(element) }
      return state.isFinished ? .some(nil) : nil
    }
    hasRoom.wakeOne()
    return element
  }

  package func finish() {
    state.withLock { $0.isFinished = true }
    hasElements.wakeAll()
  }

  package func cancel() {
    // What was queued is dropped outside of the lock: it may own buffers.
    let dropped = state.withLock { state -> [Element?] in
      state.isCancelled = true
      let elements = state.elements
      state.elements = []
      state.head = 0
      return elements
    }
    _ = consume dropped
    hasElements.wakeAll()
    hasRoom.wakeAll()
  }
}
