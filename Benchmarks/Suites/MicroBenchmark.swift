/// One kind of work, small enough to be repeated many times, and what a repetition gets done.
///
/// `prepare` makes what the work needs, and returns the work. So a suite that nobody runs costs
/// nothing, and what is prepared goes when the work does.
package struct MicroBenchmark: Sendable {
  package enum Amount: Sendable {
    case bytes(Int)
    case operations(Int)
  }

  package typealias Work = @Sendable () throws -> Void

  package var name: String
  /// What one repetition gets done.
  package var amount: Amount
  package var prepare: @Sendable () throws -> Work

  package init(
    _ name: String, _ amount: Amount, prepare: @escaping @Sendable () throws -> Work
  ) {
    self.name = name
    self.amount = amount
    self.prepare = prepare
  }
}

/// How large the suites are.
package struct MicroSizes: Sendable {
  /// Entries of the index that lookups go to.
  package var indexEntryCount: UInt64
  /// Extents of the disk whose map is walked.
  package var mapExtentCount: Int
  /// What the index keeps in memory: cached pages and filters, as a run of the same `--memory`.
  package var indexMemoryByteCount: Int

  package init(indexEntryCount: UInt64, mapExtentCount: Int, indexMemoryByteCount: Int = 32 << 20) {
    self.indexEntryCount = indexEntryCount
    self.mapExtentCount = mapExtentCount
    self.indexMemoryByteCount = indexMemoryByteCount
  }

  /// Enough to see that everything works.
  package static let tiny = MicroSizes(indexEntryCount: 1_000, mapExtentCount: 2)
  /// For figures, in a minute.
  package static let usual = MicroSizes(indexEntryCount: 1_000_000, mapExtentCount: 64)
}

/// All micro suites.
package enum MicroSuites {
  package static func all(_ sizes: MicroSizes) -> [MicroBenchmark] {
    contentSuite + indexSuite(sizes) + packSuite + mapSuite(sizes)
  }
}

/// Says that a suite does not do what it should: what it would measure means nothing.
package struct SuiteError: Error, CustomStringConvertible {
  package var description: String

  package init(_ description: String) {
    self.description = description
  }
}

/// Ends a suite whose work gave another result than it must.
func require(_ isRight: Bool, _ what: @autoclosure () -> String) throws {
  guard isRight else { throw SuiteError(what()) }
}

/// Something that a suite's work changes.
final class OneThread<Value>: @unchecked Sendable {
  // Sendable because a suite's work is repeated by one thread, never by two at once.
  var value: Value

  init(_ value: Value) {
    self.value = value
  }
}
