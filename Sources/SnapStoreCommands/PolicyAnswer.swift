internal import SnapStoreFormat
internal import SnapStoreVault

/// How policies and machines are told, to people and to scripts.
enum PolicyAnswer {
  static func fields(_ policy: Policies.Policy, machines: [Policies.Machine]) -> JSONValue {
    JSONValue.object([
      "policy": .string(policy.name.text), "changed_at": .string(policy.time.rfc3339),
      "state": "set", "machines": .array(machines.map { .object(fields($0)) }),
    ]).merging(fields(policy.settings))
  }

  /// Of a policy that was removed.
  static func fields(_ removed: PolicyRecord, _ changes: [Policies.Change]) -> JSONValue {
    JSONValue.object([
      "policy": .string(removed.name.subject.text), "changed_at": .string(removed.time.rfc3339),
      "state": "removed", "machines": .array([]), "changes": fields(changes),
    ]).merging(fields(nil))
  }

  static func fields(_ changes: [Policies.Change]) -> JSONValue {
    .array(
      changes.map { change in
        JSONValue.object([
          "number": .bytes(change.number), "changed_at": .optional(change.record?.time.rfc3339),
          "state": .string(state(change)),
        ]).merging(fields(change.record?.settings))
      })
  }

  private static func fields(_ settings: PolicyRecord.Settings?) -> [String: JSONValue] {
    func count(_ rule: KeyPath<KeepRules, UInt32>) -> JSONValue {
      settings.map { .integer(Int64($0.rules[keyPath: rule])) } ?? .null
    }
    return [
      "schedule": .optional(settings?.schedule?.description),
      "time_zone": .optional(settings?.zone.text),
      "soft_delete_seconds": settings.map { .bytes($0.softDeleteSeconds) } ?? .null,
      "keep_last": count(\.last), "keep_daily": count(\.daily), "keep_weekly": count(\.weekly),
      "keep_monthly": count(\.monthly), "keep_yearly": count(\.yearly),
    ]
  }

  static func fields(_ machine: Policies.Machine) -> [String: JSONValue] {
    [
      "vm": .string(machine.name.text), "changed_at": .string(machine.time.rfc3339),
      "disks": fields(machine.assignment.disks),
    ]
  }

  static func fields(_ disks: [MachineRecord.Disk]) -> JSONValue {
    .array(
      disks.map { disk in
        [
          "name": .string(disk.name.text), "role": .string(disk.role.name),
          "source": .string(disk.source),
        ]
      })
  }

  static func text(_ policy: Policies.Policy, machines: [Policies.Machine]) -> String {
    let names = machines.map(\.name.text).joined(separator: ", ")
    return """
      Policy:       \(policy.name)
      Schedule:     \(schedule(policy.settings))
      Time zone:    \(policy.settings.zone)
      Keeps:        \(keeps(policy.settings.rules))
      Soft delete:  \(span(policy.settings.softDeleteSeconds))
      Changed:      \(policy.time.rfc3339)
      Machines:     \(names.isEmpty ? "none" : names)
      """
  }

  static func text(_ removed: PolicyRecord, _ changes: [Policies.Change]) -> String {
    """
    Policy:       \(removed.name.subject)
    Removed:      \(removed.time.rfc3339)

    \(table(changes).text)
    """
  }

  static func table(_ changes: [Policies.Change]) -> Table {
    var table = Table([
      .init(title: "CHANGE", isNumber: true), .init(title: "TIME"), .init(title: "WHAT"),
    ])
    for change in changes {
      let settings = change.record?.settings.map { settings in
        "\(schedule(settings)), \(settings.zone), keeps \(keeps(settings.rules)), "
          + "soft delete \(span(settings.softDeleteSeconds))"
      }
      table.add([
        "\(change.number)", change.record?.time.rfc3339 ?? "unknown", settings ?? state(change),
      ])
    }
    return table
  }

  static func table(_ policies: Policies) -> Table {
    var table = Table([
      .init(title: "POLICY"), .init(title: "SCHEDULE"), .init(title: "TIME ZONE"),
      .init(title: "KEEPS"), .init(title: "SOFT DELETE"), .init(title: "MACHINES"),
    ])
    for policy in policies.policies {
      let settings = policy.settings
      let names = policies.machines(of: policy.name).map(\.name.text)
      table.add([
        policy.name.text, schedule(settings), settings.zone.text, keeps(settings.rules),
        span(settings.softDeleteSeconds),
        names.isEmpty ? "none" : names.joined(separator: ", "),
      ])
    }
    return table
  }

  /// The disks of machines.
  static func table(_ machines: [Policies.Machine]) -> Table {
    var table = Table([
      .init(title: "MACHINE"), .init(title: "DISK"), .init(title: "ROLE"), .init(title: "SOURCE"),
    ])
    for machine in machines {
      for disk in machine.assignment.disks {
        table.add([
          machine.name.text, disk.name.text, disk.role.name, HumanText.plain(disk.source),
        ])
      }
    }
    return table
  }

  private static func state(_ change: Policies.Change) -> String {
    guard let record = change.record else { return "unreadable" }
    return record.settings == nil ? "removed" : "set"
  }

  private static func schedule(_ settings: PolicyRecord.Settings) -> String {
    settings.schedule?.description ?? "none"
  }

  /// As it is typed, where it can be: `14d`.
  private static func span(_ seconds: UInt64) -> String {
    if seconds == 0 { return "0" }
    let units: [(letter: String, seconds: UInt64)] = [("d", 86400), ("h", 3600)]
    let unit = units.first { seconds.isMultiple(of: $0.seconds) }
    return unit.map { "\(seconds / $0.seconds)\($0.letter)" } ?? "\(seconds) s"
  }

  private static func keeps(_ rules: KeepRules) -> String {
    [
      (rules.last, "last"), (rules.daily, "daily"), (rules.weekly, "weekly"),
      (rules.monthly, "monthly"), (rules.yearly, "yearly"),
    ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
  }
}
