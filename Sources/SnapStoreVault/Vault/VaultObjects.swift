internal import SnapStoreFormat
package import SnapStoreIO

/// The folders of a vault: where each kind of object has its place in the store.
package enum VaultFolder {
  package static let packs = "packs"
  package static let index = "index"
  package static let points = "points"
  package static let sessions = "sessions"
  package static let outcomes = "outcomes"
  /// Features that were added to the vault after it was made, by name: whoever finds one that it
  /// does not know leaves the vault alone.
  package static let features = "features"
  /// What runs found damaged.
  package static let damage = "damage"
  /// Which points runs have verified.
  package static let verifications = "verifications"
  /// Decisions of collections.
  package static let epochs = "epochs"
  /// What was deleted, brought back, and deleted for ever.
  package static let tombstones = "tombstones"
  /// Which points no rule lets go.
  package static let pins = "pins"
  /// Which suspect points somebody has looked at.
  package static let reviews = "reviews"
  /// Changes of policies.
  package static let policies = "policies"
  /// Changes of what is known of machines.
  package static let machines = "machines"
  /// What was done, for people.
  package static let jobs = "jobs"

  package static let all = [
    packs, index, points, sessions, outcomes, features, damage, verifications, epochs,
    tombstones, pins, reviews, policies, machines, jobs,
  ]
}

extension ObjectName {
  package static var vaultDescriptor: ObjectName { ObjectName(folder: "", key: "vault") }

  static func pack(_ name: SerialName) -> ObjectName {
    ObjectName(folder: VaultFolder.packs, key: name.description)
  }

  static func indexSegment(_ name: SerialName) -> ObjectName {
    ObjectName(folder: VaultFolder.index, key: name.description)
  }

  static func session(_ id: SessionID) -> ObjectName {
    ObjectName(folder: VaultFolder.sessions, key: id.description)
  }

  static func outcome(_ id: SessionID) -> ObjectName {
    ObjectName(folder: VaultFolder.outcomes, key: id.description)
  }

  /// Written after the outcome, and only where that is `committed`.
  static func outcomeCopy(_ id: SessionID) -> ObjectName {
    ObjectName(folder: VaultFolder.outcomes, key: "\(id).2")
  }

  static func damage(_ name: SerialName) -> ObjectName {
    ObjectName(folder: VaultFolder.damage, key: name.description)
  }

  static func verification(_ session: SessionID) -> ObjectName {
    ObjectName(folder: VaultFolder.verifications, key: session.description)
  }

  static func epoch(_ number: UInt64) -> ObjectName {
    ObjectName(folder: VaultFolder.epochs, key: EpochName(number).description)
  }

  static func epochCopy(_ number: UInt64) -> ObjectName {
    ObjectName(folder: VaultFolder.epochs, key: "\(EpochName(number)).2")
  }

  static func tombstone(_ name: TombstoneName) -> ObjectName {
    ObjectName(folder: VaultFolder.tombstones, key: name.description)
  }

  static func pin(_ point: PointID) -> ObjectName {
    ObjectName(folder: VaultFolder.pins, key: point.text)
  }

  static func review(_ point: PointID) -> ObjectName {
    ObjectName(folder: VaultFolder.reviews, key: point.text)
  }

  /// A job that began, held as long as it is under way.
  static func jobBegun(_ id: JobID) -> ObjectName {
    ObjectName(folder: VaultFolder.jobs, key: "\(id).begun")
  }

  static func jobEnded(_ id: JobID) -> ObjectName {
    ObjectName(folder: VaultFolder.jobs, key: "\(id).ended")
  }

  /// Many jobs that ended, under a random number.
  static func jobFold(_ number: UInt64) -> ObjectName {
    ObjectName(
      folder: VaultFolder.jobs, key: "fold-\(Hexadecimal.text(number.bigEndianBytes))")
  }

  /// A change of a policy or a machine is stored twice, as copy 1 and copy 2.
  static func change(_ name: ChangeName, in folder: String, copy: Int) -> ObjectName {
    ObjectName(folder: folder, key: "\(name).\(copy)")
  }

  /// A point is stored twice, as copy 1 and copy 2.
  static func point(_ id: PointID, copy: Int) -> ObjectName {
    ObjectName(folder: VaultFolder.points, key: "\(id).\(copy)")
  }
}
