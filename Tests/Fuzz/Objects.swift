import SnapStoreFormat

/// A small object of a vault, which is decoded whole.
protocol WholeObject: Equatable, Sendable {
  init(decoding bytes: RawSpan) throws(FormatError)
  func encoded() -> [UInt8]
}

extension VaultDescriptor: WholeObject {}
extension RecoveryPoint: WholeObject {}
extension SessionRecord: WholeObject {}
extension SessionOutcome: WholeObject {}
extension DamageRecord: WholeObject {}
extension VerificationRecord: WholeObject {}
extension EpochRecord: WholeObject {}
extension TombstoneRecord: WholeObject {}
extension PolicyRecord: WholeObject {}
extension MachineRecord: WholeObject {}
extension PointMark: WholeObject {}
extension JobsObject: WholeObject {}

/// The check of such an object. An input that begins as an object does is decoded as it is, and
/// once more with right checksums; any other is taken for the sections of one: type and flag
/// (1 byte), length (2), body.
func object<Object: WholeObject>(
  _ kind: ObjectKind, _ type: Object.Type, _ use: @escaping @Sendable (Object) -> Void = { _ in }
) -> Check {
  { input in
    if input.first == UInt8(truncatingIfNeeded: Magic.object) {
      check(input, use)
      check(Mended.object(input), use)
    } else {
      check(sections(Recipe(input), kind), use)
    }
  }
}

/// What decodes comes back the same from what it is encoded to.
private func check<Object: WholeObject>(_ bytes: [UInt8], _ use: (Object) -> Void) {
  guard let value = accepted({ () throws(FormatError) in try Object(decoding: bytes.rawSpan) })
  else { return }
  use(value)
  let encoded = value.encoded()
  let again = accepted { () throws(FormatError) in try Object(decoding: encoded.rawSpan) }
  require(again == value, "\(value) comes back as \(String(describing: again))")
  require(again?.encoded() == encoded, "\(value) has two encodings")
}

private func sections(_ recipe: Recipe, _ kind: ObjectKind) -> [UInt8] {
  var recipe = recipe
  var object = SectionedObject(kind: kind, sections: [])
  while !recipe.rest.isEmpty, object.sections.count < 8 {
    let type = recipe.byte()
    var body = recipe.bytes(recipe.number())
    if body.first == UInt8(truncatingIfNeeded: Magic.object) { body = Mended.object(body) }
    object.sections.append(
      SectionedObject.Section(type: UInt32(type & 0x7F), isRequired: type & 0x80 == 0, body: body))
  }
  return object.encoded()
}

/// What every list and every restore adds up.
@Sendable func sums(_ point: RecoveryPoint) {
  _ = point.figures
  require(point.disks.reduce(0) { $0 + $1.root.dataByteCount } <= point.byteCount, "sizes")
  require(1...UInt64(Int64.max) ~= point.sequence, "sequence \(point.sequence)")
  require(point.disks.count <= RecoveryPoint.maximumDisks, "number of disks")
  require(Set(point.disks.map(\.name)).count == point.disks.count, "names of disks")
  var room = UInt64(Int64.max)
  for disk in point.disks {
    require(disk.byteCount <= room, "size of all disks")
    room -= disk.byteCount
    require(disk.root.dataByteCount <= disk.byteCount, "data of a disk")
    require(DiskMap.rootLevel(ofDisk: disk.byteCount) <= DiskMap.maximumLevel, "level")
  }
}

/// What a policy keeps and when it runs is what can be computed with.
@Sendable func intervals(_ policy: PolicyRecord) {
  guard let settings = policy.settings else { return }
  require(!settings.rules.isEmpty, "\(policy) keeps something")
  require(!settings.zone.text.contains(".") && settings.zone.text.first != "/", "\(settings.zone)")
  guard let schedule = settings.schedule else { return }
  require((60...31 * 86400).contains(schedule.longestIntervalSeconds), "\(schedule)")
  require(Schedule(schedule.description) == schedule, "\(schedule) is its text")
}

/// What a backup opens.
@Sendable func sources(_ machine: MachineRecord) {
  for disk in machine.assignment?.disks ?? [] {
    require(disk.source.utf8.first == 47 && !disk.source.utf8.contains(0), disk.source)
  }
}

/// Objects whose checksums and length are put right, so that what is behind them is reached.
enum Mended {
  static func object(_ bytes: [UInt8]) -> [UInt8] {
    var mended = bytes
    guard bytes.count >= ObjectHeader.byteCount else { return mended }
    frame(&mended, header: 0, table: ObjectHeader.byteCount)
    return mended
  }

  /// A pack: its header, the heads of its records, and its trailer.
  static func pack(_ bytes: [UInt8]) -> [UInt8] {
    var mended = bytes
    let footer = bytes.count - ObjectHeader.byteCount
    guard footer >= ObjectHeader.byteCount else { return mended }
    let rows = Int(clamping: bytes.uint64(at: footer + 40))
    guard rows <= footer / SectionEntry.byteCount else { return mended }
    frame(&mended, header: footer, table: footer - rows * SectionEntry.byteCount)
    return mended
  }

  /// The 80 bytes of a record's head, and the checksum of the stored bytes that follow.
  static func record(_ bytes: [UInt8]) -> [UInt8] {
    var mended = bytes
    guard bytes.count >= PackRecord.headByteCount else { return mended }
    let stored = Array(bytes[PackRecord.headByteCount...])
    mended.put(Checksum.of(stored.rawSpan), at: 64)
    mended.put(Checksum.of(mended.rawSpan.extracting(0..<72)), at: 72)
    return mended
  }

  /// A page of an index, at `offset`.
  static func page(_ bytes: inout [UInt8], at offset: Int) {
    let end = offset + IndexPage.contentByteCount
    bytes.put(Checksum.of(bytes.rawSpan.extracting(offset..<end)), at: end)
  }

  private static func frame(_ bytes: inout [UInt8], header: Int, table: Int) {
    bytes.put(UInt64(bytes.count), at: header + 32)
    let count = Int(clamping: bytes.uint64(at: header + 40))
    let tableEnd = table + min(count, bytes.count) * SectionEntry.byteCount
    guard tableEnd <= bytes.count else { return }
    for row in stride(from: table, to: tableEnd, by: SectionEntry.byteCount) {
      body(&bytes, row: row)
    }
    let covered = Array(bytes[header..<(header + 48)] + bytes[table..<tableEnd])
    bytes.put(Checksum.of(covered.rawSpan), at: header + 48)
  }

  private static func body(_ bytes: inout [UInt8], row: Int) {
    let offset = Int(clamping: bytes.uint64(at: row + 8))
    let length = Int(clamping: bytes.uint64(at: row + 16))
    guard offset <= bytes.count, length <= bytes.count - offset else { return }
    if bytes[row + 4] & UInt8(SectionEntry.pagedFlag) != 0 {
      let size = IndexPage.byteCount
      for page in 0..<(length / size) { Self.page(&bytes, at: offset + page * size) }
      return
    }
    let inner = Array(bytes[offset..<(offset + length)])
    if inner.first == UInt8(truncatingIfNeeded: Magic.object), inner.count < bytes.count {
      bytes.replaceSubrange(offset..<(offset + length), with: object(inner))
    }
    bytes.put(Checksum.of(bytes.rawSpan.extracting(offset..<(offset + length))), at: row + 24)
  }
}

extension [UInt8] {
  func uint64(at offset: Int) -> UInt64 {
    self[offset..<(offset + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  mutating func put(_ value: UInt64, at offset: Int) {
    for index in 0..<8 { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  /// The bytes with a span over them that can be written.
  mutating func withMutableSpan<Result>(
    _ body: (inout MutableRawSpan) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    var span = mutableSpan
    var bytes = unsafe span.mutableBytes
    return try body(&bytes)
  }
}
