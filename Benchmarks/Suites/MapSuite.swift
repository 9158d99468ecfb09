internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// What a backup asks of the map of its parent point: each extent's node, and which of the extent's
/// chunks are still the same.
extension MicroSuites {
  static func mapSuite(_ sizes: MicroSizes) -> [MicroBenchmark] {
    let extents = sizes.mapExtentCount
    return [
      MicroBenchmark("read a parent's map of \(extents) extents", .operations(extents)) {
        let fixture = try MapFixture(extentCount: extents)
        return { try fixture.readAll() }
      },
      MicroBenchmark("compare an extent with its parent's map", .bytes(FormatLimit.extent)) {
        let fixture = try MapFixture(extentCount: 1)
        let extent = syntheticExtent(seed: 0)
        let node = try fixture.extent(0)
        return {
          try require(fixture.isUnchanged(extent.rawSpan, node), "an extent has changed")
        }
      },
    ]
  }
}

private final class MapFixture: Sendable {
  private let home: TemporaryVault
  private let index: ChunkIndex
  private let disk: PointDisk
  private let extentCount: Int

  init(extentCount: Int) throws {
    home = try TemporaryVault()
    self.extentCount = extentCount
    let point = try home.backUp(extentCount: extentCount)
    disk = point.disks[0]
    let session = try Session.beginReading(home.vault, leaningOn: [point.id])
    index = try ChunkIndex(session: session, memory: 1 << 20)
  }

  /// With a new `ParentMap` each time, as every backup has.
  func readAll() throws {
    let map = ParentMap(vault: home.vault, index: index, disk: disk)
    for number in 0..<extentCount {
      let extent = try map.extent(UInt64(number))
      try require(extent?.node.ranges.isEmpty == false, "extent \(number) is not in the map")
    }
  }

  func extent(_ number: UInt64) throws -> ExtentNode {
    let map = ParentMap(vault: home.vault, index: index, disk: disk)
    guard let extent = try map.extent(number) else {
      throw SuiteError("extent \(number) is not in the map")
    }
    return extent.node
  }

  func isUnchanged(_ extent: RawSpan, _ node: ExtentNode) -> Bool {
    var offset = 0
    for range in node.ranges {
      let bytes = extent.extracting(offset..<(offset + range.length))
      switch range {
      case .zeros: guard ChunkCutter.isZero(bytes) else { return false }
      case .chunk(_, _, let fingerprint):
        guard Fingerprint(of: bytes, secrets: home.vault.secrets) == fingerprint else {
          return false
        }
      }
      offset += range.length
    }
    return true
  }
}
