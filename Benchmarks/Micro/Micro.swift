import Benchmark
import Foundation
import SnapStoreSuites

/// How much of what each suite is about gets done in a second.
private func rate(_ amount: MicroBenchmark.Amount) -> (metric: BenchmarkMetric, perUnit: Double) {
  switch amount {
  case .bytes(let count):
    (.custom("MB a second", polarity: .prefersLarger, useScalingFactor: false), Double(count) / 1e6)
  case .operations(let count):
    (
      .custom("thousands a second", polarity: .prefersLarger, useScalingFactor: false),
      Double(count) / 1e3
    )
  }
}

/// `swift package benchmark` runs all suites; SNAPSTORE_INDEX_ENTRIES sets the size of the index
/// that is looked up in, as 16000000.
let benchmarks: @Sendable () -> Void = {
  var sizes = MicroSizes.usual
  let environment = ProcessInfo.processInfo.environment
  if let count = environment["SNAPSTORE_INDEX_ENTRIES"].flatMap(UInt64.init), count > 0 {
    sizes.indexEntryCount = count
  }
  for suite in MicroSuites.all(sizes) {
    let (metric, amount) = rate(suite.amount)
    let configuration = Benchmark.Configuration(
      metrics: [.wallClock, metric], warmupIterations: 2, maxDuration: .seconds(2),
      maxIterations: 500)
    Benchmark(suite.name, configuration: configuration) { benchmark, work in
      let duration = try ContinuousClock().measure { try work() }
      benchmark.measurement(metric, Int(amount / (duration / .seconds(1))))
    } setup: {
      try suite.prepare()
    }
  }
}
