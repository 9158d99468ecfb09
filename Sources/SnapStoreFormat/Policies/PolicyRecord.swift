/// One change of a policy: the object `policies/NAME-NUMBER`, which has two copies
/// (docs/format.md, "Policies"). The change with the highest number says what holds; each is
/// decided by creating the next number if it is absent, so of two that differ one wins.
package struct PolicyRecord: Hashable, Sendable {
  /// When points are made, and which of them are kept.
  package struct Settings: Hashable, Sendable {
    /// Longer can't be asked for, in seconds: 100 years.
    package static let maximumSoftDeleteSeconds: UInt64 = 36_500 * 86_400

    /// Nil: backups are made by hand, or by what else has a schedule.
    package var schedule: Schedule?
    /// Whose days, weeks and hours are meant.
    package var zone: TimeZoneName
    /// Never empty: nothing would be kept.
    package var rules: KeepRules
    /// How long what no rule keeps can be brought back.
    package var softDeleteSeconds: UInt64

    package init(
      schedule: Schedule?, zone: TimeZoneName, rules: KeepRules, softDeleteSeconds: UInt64
    ) {
      precondition(!rules.isEmpty && softDeleteSeconds <= Self.maximumSoftDeleteSeconds)
      self.schedule = schedule
      self.zone = zone
      self.rules = rules
      self.softDeleteSeconds = softDeleteSeconds
    }
  }

  private enum State: UInt32 {
    case set = 1
    case removed = 2
  }

  private enum SectionType {
    static let identity: UInt32 = 1
    static let settings: UInt32 = 2
    static let known: Set<UInt32> = [identity, settings]
  }

  package var name: ChangeName
  /// When it was changed, by the clock of who did.
  package var time: Timestamp
  /// Nil where the change is that the policy was removed.
  package var settings: Settings?

  package init(name: ChangeName, time: Timestamp, settings: Settings?) {
    self.name = name
    self.time = time
    self.settings = settings
  }

  package func encoded() -> [UInt8] {
    var identity = ByteWriter()
    name.encode(to: &identity)
    identity.append((settings == nil ? State.removed : .set).rawValue)
    time.encode(to: &identity)
    var sections = [
      SectionedObject.Section(
        type: SectionType.identity, isRequired: true, body: identity.bytes)
    ]
    if let settings {
      sections.append(
        .init(type: SectionType.settings, isRequired: true, body: settings.encoded()))
    }
    return SectionedObject(kind: .policy, sections: sections).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .policy)
    try object.refuseUnknownSections(known: SectionType.known)
    let identityBody = try object.body(SectionType.identity)
    var identity = ByteReader(identityBody.rawSpan)
    name = try ChangeName(from: &identity)
    let rawState = try identity.uint32()
    guard let state = State(rawValue: rawState) else {
      throw .unsupported("is a policy of state \(rawState)")
    }
    time = try Timestamp(from: &identity)
    try identity.finish()
    let hasSettings = object.sections.contains { $0.type == SectionType.settings }
    guard hasSettings == (state == .set) else {
      throw .damaged("has settings, or none, against its state")
    }
    guard hasSettings else { return }
    let body = try object.body(SectionType.settings)
    settings = try Settings(decoding: body.rawSpan)
  }
}

extension PolicyRecord.Settings {
  fileprivate func encoded() -> [UInt8] {
    var body = ByteWriter()
    body.append(text: schedule?.description ?? "")
    body.append(text: zone.text)
    body.append(softDeleteSeconds)
    for count in [rules.last, rules.daily, rules.weekly, rules.monthly, rules.yearly] {
      body.append(count)
    }
    return body.bytes
  }

  fileprivate init(decoding bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    let text = try reader.text()
    schedule = Schedule(text)
    guard Array((schedule?.description ?? "").utf8) == Array(text.utf8) else {
      throw .damaged("has no proper schedule")
    }
    zone = try TimeZoneName(from: &reader)
    softDeleteSeconds = try reader.uint64()
    guard softDeleteSeconds <= Self.maximumSoftDeleteSeconds else {
      throw .damaged("has a soft delete of \(softDeleteSeconds) seconds")
    }
    rules = KeepRules(
      last: try reader.uint32(), daily: try reader.uint32(), weekly: try reader.uint32(),
      monthly: try reader.uint32(), yearly: try reader.uint32())
    guard !rules.isEmpty else { throw .damaged("keeps nothing") }
    try reader.finish()
  }
}
