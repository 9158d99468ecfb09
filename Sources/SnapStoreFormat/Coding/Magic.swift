/// Every number that marks something in a vault, in one place (docs/format.md, "Numbers").
package enum Magic {
  /// The first eight bytes of every object and of a pack's footer: "SNAPSTOR".
  package static let object: UInt64 = 0x524F_5453_5041_4E53
  /// The first four bytes of every record in a pack: "SREC".
  package static let record: UInt32 = 0x4345_5253
  /// The version of the format that this code reads and writes.
  package static let formatVersion: UInt32 = 1
}

/// What an object is. The number stands in the object's header; the vault's folders have the
/// names that `ObjectName` gives them.
package enum ObjectKind: UInt32, Sendable, CaseIterable {
  case vault = 1
  case pack = 2
  case packTrailer = 3
  case indexSegment = 4
  case point = 5
  case session = 6
  case outcome = 7
  case damage = 8
  case verification = 9
  case epoch = 10
  case tombstone = 11
  case policy = 12
  case machine = 13
  case pin = 14
  case review = 15
  case jobs = 16
}

/// Feature bits. A set bit that this code does not know in `required` means: do not touch.
/// A set bit in `optional` may be ignored.
package struct FeatureBits: Equatable, Sendable {
  package var required: UInt64
  package var optional: UInt64

  package init(required: UInt64 = 0, optional: UInt64 = 0) {
    self.required = required
    self.optional = optional
  }

  /// The required features that this code knows: none yet.
  package static let knownRequired: UInt64 = 0
}

/// Sizes that the format fixes, in bytes.
package enum FormatLimit {
  /// The grain of cutting, and of what counts as zero.
  package static let block = 4096
  /// A chunk is not cut by content before it has this many bytes.
  package static let minimumChunk = 16 * 1024
  /// No chunk is longer.
  package static let maximumChunk = 256 * 1024
  /// A run of zero blocks at least this long ends a chunk.
  package static let zeroRun = 16 * 1024
  /// The unit of parallel work, and what an extent node of a disk map describes.
  package static let extent = 4 * 1024 * 1024
  /// Children of one node of a disk map.
  package static let mapFanOut = 64
  /// No record holds more bytes, before they are stored; a map node is bounded by it too.
  package static let recordPayload = 256 * 1024
  /// Nor does it take more: there is room for what encryption will add.
  package static let storedPayload = recordPayload + 4096
  /// No text in an object (a path, a name, evidence) has more bytes.
  package static let text = 64 * 1024
  /// No small object (everything but packs and index segments) is read beyond this.
  package static let smallObject = 64 * 1024 * 1024
}
