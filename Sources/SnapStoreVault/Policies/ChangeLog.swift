internal import Logging
package import SnapStoreFormat
internal import SnapStoreIO

/// One change of something that has a name, as a vault records it.
protocol ChangeRecord: Equatable, Sendable {
  static var folder: String { get }
  /// What such a thing is called in a message.
  static var noun: String { get }
  var name: ChangeName { get }
  init(decoding bytes: RawSpan) throws(FormatError)
  func encoded() -> [UInt8]
}

extension PolicyRecord: ChangeRecord {
  static let folder = VaultFolder.policies
  static let noun = "policy"
}

extension MachineRecord: ChangeRecord {
  static let folder = VaultFolder.machines
  static let noun = "machine"
}

/// The changes of all policies, or of all machines. Each is an object that is created if it is
/// absent, so of two at once one comes second and looks again; the highest number says what holds.
/// All of them stay, so that it can be told who said what when (docs/format.md, "Policies").
struct ChangeLog<Record: ChangeRecord>: Sendable {
  private static var maximumAttempts: Int { 16 }
  private let vault: Vault

  init(_ vault: Vault) {
    self.vault = vault
  }

  /// A change as it could be read.
  struct Change {
    var name: ChangeName
    var record: Result<Record, FormatError>

    var isUnreadable: Bool {
      switch record {
      case .success: false
      case .failure: true
      }
    }
  }

  /// The newest change of each name, in the order of the names.
  func newest() throws -> [Change] {
    var newest: [Name: ChangeName] = [:]
    for name in try names()
    where newest[name.subject].map({ $0.number < name.number }) ?? true {
      newest[name.subject] = name
    }
    return try newest.values.sorted { $0.subject < $1.subject }.map { try change($0) }
  }

  /// All changes of one name, the newest last.
  func changes(of subject: Name) throws -> [Change] {
    try names().filter { $0.subject == subject }.sorted { $0.number < $1.number }
      .map { try change($0) }
  }

  /// Takes the next step after the newest change, as `next` says, which gets a name for it and is
  /// asked again where somebody else was first; nil: nothing has to be changed. Durable, in two
  /// copies, when it returns; so is what nothing had to be changed about.
  func append(
    to subject: Name, _ next: (_ newest: Change?, ChangeName) throws -> Record?
  ) throws -> Record? {
    for _ in 0..<Self.maximumAttempts {
      let newest = try names().filter { $0.subject == subject }.max { $0.number < $1.number }
      let change = try newest.map { try self.change($0) }
      let number = newest?.number ?? 0
      guard number < ChangeName.maximumNumber else {
        throw VaultError(
          .damaged, "the changes of \(Record.noun) \(subject) have no next number",
          hint: "verify the vault: snapstore verify")
      }
      let name = ChangeName(subject, number: number + 1)
      guard let record = try next(change, name) else {
        // It rests on a change of which the author may have been killed before it was durable.
        try vault.store.synchronize(Record.folder)
        return nil
      }
      precondition(record.name == name)
      if try put(record) { return record }
    }
    throw VaultError(
      .aborted, "\(Record.noun) \(subject) is being changed by others",
      hint: "run the same command again")
  }

  /// False where somebody else's change has the number.
  private func put(_ record: Record) throws -> Bool {
    let bytes = record.encoded()
    guard try vault.store.put(name(record.name, copy: 1), bytes) else { return false }
    do {
      _ = try vault.store.put(name(record.name, copy: 2), bytes)
    } catch {
      vault.log.warning("\(Record.noun) \(record.name.subject) is changed, with one copy: \(error)")
    }
    return true
  }

  private func name(_ change: ChangeName, copy: Int) -> ObjectName {
    .change(change, in: Record.folder, copy: copy)
  }

  private func names() throws -> Set<ChangeName> {
    Set(try vault.store.list(Record.folder).compactMap { Self.parse($0.name.key)?.name })
  }

  /// What an object's key says. A name may have dots, so the copy is taken from the end.
  static func parse(_ key: String) -> (name: ChangeName, copy: Int)? {
    guard let copy = [1, 2].first(where: { key.hasSuffix(".\($0)") }) else { return nil }
    return ChangeName(key.dropLast(2)).map { ($0, copy) }
  }

  /// What was said before a change is made; nil where nothing was, or it is damaged and has to be
  /// said anew. Throws `VaultError` where a newer program said it.
  func known(_ change: Change?) throws -> Record? {
    switch change?.record {
    case nil: return nil
    case .success(let record): return record
    case .failure(let error):
      let what = "\(Record.noun) \(change?.name.subject.text ?? "")"
      guard error.code == .damaged else {
        throw VaultError(
          .unsupported, "\(what) was changed by a newer program: \(error)",
          hint: "use a newer snapstore")
      }
      vault.log.warning("\(what) can't be read, so nothing of it is kept: \(error)")
      return nil
    }
  }

  private func change(_ name: ChangeName) throws -> Change {
    Change(name: name, record: try read(name))
  }

  /// The first copy that is good.
  private func read(_ change: ChangeName) throws -> Result<Record, FormatError> {
    var failure = FormatError.damaged("is missing").inObject("\(name(change, copy: 1))")
    for copy in 1...2 {
      let object = name(change, copy: copy)
      do {
        guard let bytes = try vault.store.get(object, limit: FormatLimit.smallObject) else {
          continue
        }
        return .success(try Self.decode(bytes.rawSpan, change))
      } catch let error as FormatError {
        failure = error.inObject("\(object)")
      } catch {
        guard let reason = damageReason(error) else { throw error }
        failure = FormatError.damaged(reason)
      }
      vault.log.info("\(failure)")
    }
    return .failure(failure)
  }

  static func decode(_ bytes: RawSpan, _ change: ChangeName) throws(FormatError) -> Record {
    let record = try Record(decoding: bytes)
    guard record.name == change else { throw .damaged("says that it is \(record.name)") }
    return record
  }
}
