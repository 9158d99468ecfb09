internal import ArgumentParser
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy",
    abstract: "Say when machines are backed up, and which points are kept.",
    discussion: """
      A policy has a schedule and says how many points are kept. It is assigned to machines, whose \
      disks the vault remembers then. Policies live in the vault, and each change stays on record.

      EXAMPLES:
        snapstore policy set gold --schedule "daily 02:00" --keep-daily 7
        snapstore policy assign gold --vm web --os-disk root=/srv/vm/web.img
        snapstore backup --vm web
      """,
    subcommands: [
      PolicySetCommand.self, PolicyListCommand.self, PolicyShowCommand.self,
      PolicyAssignCommand.self, PolicyUnassignCommand.self, PolicyRemoveCommand.self,
    ])
}

/// A policy as a command names it.
struct PolicyArgument: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The policy's name.", valueName: "policy"),
    completion: .custom(VaultCompletion.policies), transform: parseName)
  var name: Name
}

struct PolicyListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the policies of a vault.",
    discussion: """
      With --json, one array is printed.

      EXAMPLES:
        snapstore policy list
        snapstore policy list --json
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let policies = try Policies(vault)
    if console.isJSON {
      try console.print(
        .array(
          policies.policies.map {
            PolicyAnswer.fields($0, machines: policies.machines(of: $0.name))
          }))
    } else if policies.policies.isEmpty {
      try console.print("No policies in \(vault.store.location)")
    } else {
      try console.print(PolicyAnswer.table(policies).text)
    }
    // The list is good, but not all of it: a script has to notice.
    if let status = ExitStatus(unreadable: policies.unreadable.map { $0.error.code == .damaged }) {
      throw ExitCode(status.rawValue)
    }
  }
}

struct PolicyShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Tell everything about one policy, and how it was changed.",
    discussion: """
      Of a policy that was removed, what was said of it is shown.

      EXAMPLES:
        snapstore policy show gold
        snapstore policy show gold --json
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var policy: PolicyArgument
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let policies = try Policies(vault)
    let changes = try Policies.changes(of: policy.name, in: vault)
    if let removed = changes.last?.record, removed.settings == nil {
      return try console.isJSON
        ? console.print(PolicyAnswer.fields(removed, changes))
        : console.print(PolicyAnswer.text(removed, changes))
    }
    let shown = try policies.policy(named: policy.name)
    let machines = policies.machines(of: policy.name)
    if console.isJSON {
      try console.print(
        PolicyAnswer.fields(shown, machines: machines)
          .merging(["changes": PolicyAnswer.fields(changes)]))
    } else {
      var parts = [PolicyAnswer.text(shown, machines: machines)]
      if !machines.isEmpty { parts.append(PolicyAnswer.table(machines).text) }
      parts.append(PolicyAnswer.table(changes).text)
      try console.print(parts.joined(separator: "\n\n"))
    }
  }
}

struct PolicyRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove a policy that no machine is assigned to.",
    discussion: """
      Points are left as they are. What was said of the policy stays on record: snapstore policy \
      show tells it.

      EXAMPLES:
        snapstore policy remove gold
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var policy: PolicyArgument
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let reserve = Reserve(vault)
    try reserve.using { try PolicyChanges(vault).remove(policy.name) }
    reserve.make()
    if console.isJSON {
      try console.print(
        ["type": "summary", "policy": .string(policy.name.text), "state": "removed"])
    } else {
      try console.print("Policy \(policy.name) is removed")
    }
  }
}
