/// The ID of a job: in the form of a point's ID, the time of its start and random digits.
package struct JobID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let text: String

  package init(time: Timestamp, random: UInt32) {
    text = PointID(time: time, random: random).text
  }

  /// Nil where the text has another form.
  package init?(_ text: some StringProtocol) {
    guard let stamp = PointID(text) else { return nil }
    self.text = stamp.text
  }

  package var description: String { text }

  package static func < (left: JobID, right: JobID) -> Bool { left.text < right.text }
}

/// What is recorded of one run against a vault, for people: nothing else relies on it
/// (docs/format.md, "Jobs").
package struct JobRecord: Hashable, Sendable {
  package enum Kind: UInt32, Sendable, CaseIterable {
    case backup = 1
    case restore = 2
    case verify = 3
    case prune = 4
    case collect = 5
    /// A scheduled run, which has jobs of its own for what it does.
    case run = 6

    package var name: String { "\(self)" }
  }

  /// What a job's figures count. A number that is not among them is kept, and not shown.
  package enum Figure: UInt32, Sendable, CaseIterable {
    case readBytes = 1
    case newBytes = 2
    case storedBytes = 3
    case reusedBytes = 4
    case writtenBytes = 5
    case freedBytes = 6
    case deletedPoints = 7
    case damagedObjects = 8
  }

  /// How a job ended. None: it is under way, or was killed.
  package struct End: Hashable, Sendable {
    package static let maximumWarnings = 8
    /// No message, hint or warning has more bytes: what is longer is cut off.
    package static let maximumText = 1024
    package static let maximumFigures = 64

    package var time: Timestamp
    /// The exit code; of a job within a run, the one that it would have ended with by itself.
    package var code: UInt32
    /// Nil where it did not fail.
    package var message: String?
    package var hint: String?
    package var warnings: [String]
    /// By the number of what is counted (`Figure`).
    package var figures: [UInt32: UInt64]

    /// Cuts off what is too long to be recorded.
    package init(
      time: Timestamp, code: UInt32, message: String? = nil, hint: String? = nil,
      warnings: [String] = [], figures: [Figure: UInt64] = [:]
    ) {
      self.time = time
      self.code = code
      self.message = message.flatMap(Self.stored)
      self.hint = hint.flatMap(Self.stored)
      self.warnings = warnings.compactMap(Self.stored).prefix(Self.maximumWarnings).map { $0 }
      self.figures = Dictionary(uniqueKeysWithValues: figures.map { ($0.key.rawValue, $0.value) })
    }

    package subscript(figure: Figure) -> UInt64? { figures[figure.rawValue] }

    /// As much of a text as is stored; nil for an empty one.
    private static func stored(_ text: String) -> String? {
      var short = Substring(text)
      while short.utf8.count > maximumText { short.removeLast() }
      return short.isEmpty ? nil : String(short)
    }
  }

  package var id: JobID
  package var kind: Kind
  /// Host and process, for people.
  package var host: String
  package var started: Timestamp
  /// Whose disks it is about, if it is about one machine's.
  package var machine: Name?
  /// The point that it made or read.
  package var point: PointID?
  package var end: End?

  package init(
    id: JobID, kind: Kind, host: String, started: Timestamp, machine: Name? = nil,
    point: PointID? = nil, end: End? = nil
  ) {
    self.id = id
    self.kind = kind
    self.host = host
    self.started = started
    self.machine = machine
    self.point = point
    self.end = end
  }
}

/// An object of the folder `jobs/`: one job, or many that were folded together.
package struct JobsObject: Equatable, Sendable {
  private enum SectionType {
    static let jobs: UInt32 = 1
    static let known: Set<UInt32> = [jobs]
  }

  /// An object has no more jobs: as long as they may be, it is no longer than small objects are.
  package static let maximumJobs = 4096

  package var jobs: [JobRecord]

  package init(jobs: [JobRecord]) {
    precondition(jobs.count <= Self.maximumJobs)
    self.jobs = jobs
  }

  package func encoded() -> [UInt8] {
    var body = ByteWriter()
    body.append(UInt64(jobs.count))
    for job in jobs { job.encode(to: &body) }
    return SectionedObject(
      kind: .jobs, sections: [.init(type: SectionType.jobs, isRequired: true, body: body.bytes)]
    ).encoded()
  }

  package init(decoding bytes: RawSpan) throws(FormatError) {
    let object = try SectionedObject(decoding: bytes, expecting: .jobs)
    try object.refuseUnknownSections(known: SectionType.known)
    let body = try object.body(SectionType.jobs)
    var reader = ByteReader(body.rawSpan)
    jobs = []
    for _ in 0..<(try reader.length(limit: Self.maximumJobs, of: "the number of jobs")) {
      jobs.append(try JobRecord(from: &reader))
    }
    try reader.finish()
  }
}

extension JobRecord {
  fileprivate func encode(to writer: inout ByteWriter) {
    writer.append(text: id.text)
    writer.append(kind.rawValue)
    writer.append(text: host)
    started.encode(to: &writer)
    writer.append(text: machine?.text ?? "")
    writer.append(text: point?.text ?? "")
    writer.append(UInt32(end == nil ? 0 : 1))
    end?.encode(to: &writer)
  }

  fileprivate init(from reader: inout ByteReader) throws(FormatError) {
    let start = reader.offset
    guard let id = JobID(try reader.text()) else { throw .damaged("is no job's ID", at: start) }
    self.id = id
    let rawKind = try reader.uint32()
    guard let kind = Kind(rawValue: rawKind) else {
      throw .unsupported("has a job of kind \(rawKind)")
    }
    self.kind = kind
    host = try reader.text()
    started = try Timestamp(from: &reader)
    machine = try Self.optional(&reader, "a machine's name") { Name($0) }
    point = try Self.optional(&reader, "a point's ID") { PointID($0) }
    switch try reader.uint32() {
    case 0: end = nil
    case 1: end = try End(from: &reader)
    default: throw .damaged("a job has neither ended nor not", at: start)
    }
  }

  /// Nil for an empty text.
  private static func optional<Value>(
    _ reader: inout ByteReader, _ what: String, _ value: (String) -> Value?
  ) throws(FormatError) -> Value? {
    let start = reader.offset
    let text = try reader.text()
    if text.isEmpty { return nil }
    guard let value = value(text) else { throw .damaged("a text can't be \(what)", at: start) }
    return value
  }
}

extension JobRecord.End {
  fileprivate func encode(to writer: inout ByteWriter) {
    time.encode(to: &writer)
    writer.append(code)
    writer.append(text: message ?? "")
    writer.append(text: hint ?? "")
    writer.append(UInt64(warnings.count))
    for warning in warnings { writer.append(text: warning) }
    writer.append(UInt64(figures.count))
    for (number, value) in figures.sorted(by: { $0.key < $1.key }) {
      writer.append(number)
      writer.append(value)
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(FormatError) {
    time = try Timestamp(from: &reader)
    code = try reader.uint32()
    message = try Self.text(&reader)
    hint = try Self.text(&reader)
    warnings = []
    for _ in 0..<(try reader.length(limit: Self.maximumWarnings, of: "the number of warnings")) {
      let start = reader.offset
      guard let warning = try Self.text(&reader) else {
        throw .damaged("a warning says nothing", at: start)
      }
      warnings.append(warning)
    }
    figures = [:]
    var last: UInt32?
    for _ in 0..<(try reader.length(limit: Self.maximumFigures, of: "the number of figures")) {
      let start = reader.offset
      let number = try reader.uint32()
      guard last.map({ $0 < number }) ?? true else {
        throw .damaged("figures are out of order", at: start)
      }
      last = number
      figures[number] = try reader.uint64()
    }
  }

  private static func text(_ reader: inout ByteReader) throws(FormatError) -> String? {
    let text = try reader.text(limit: maximumText)
    return text.isEmpty ? nil : text
  }
}
