internal import ArgumentParser
internal import SnapStoreEngine
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

struct PolicyAssignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "assign", abstract: "Assign a policy to a machine, and remember its disks.",
    usage: """
      snapstore policy assign <policy> --vm <name>
                       [--os-disk <[name=]source>]
                       [--data-disk <[name=]source> ...] [<options>]
      """,
    discussion: """
      After that, snapstore backup --vm NAME needs no paths. The disks are opened, so that a wrong \
      path shows at once; the paths are remembered from the root on. A machine that has a policy \
      keeps its disks where none is named here; else those named here are all that it has.

      EXAMPLES:
        snapstore policy assign gold --vm web --os-disk root=/srv/vm/web.img
        snapstore policy assign silver --vm web
      """)

  @OptionGroup var vault: VaultOptions
  @OptionGroup var policy: PolicyArgument

  @Option(
    help: ArgumentHelp("The machine's name.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name

  @OptionGroup var sources: DiskOptions
  @OptionGroup var network: NetworkDiskOptions
  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let host = HostSystem.current()
    let requests = try sources.named().map { try $0.request() }
    var disks: [MachineRecord.Disk]?
    if !requests.isEmpty {
      // Only to see that they can be backed up, though not at this moment.
      var backup = Backup(machine: vm, disks: requests)
      backup.allowsNetworkDisks = network.isAllowed
      _ = try backup.openSources(
        vaultPath: try existingPath(try vault.location(host).path, calls: host.calls), host: host,
        isForReading: false)
      disks = try requests.map { disk in
        MachineRecord.Disk(
          name: disk.name, role: disk.role,
          source: try absolutePath(disk.path, calls: host.calls))
      }
    }
    let vault = try vault.open(host: host)
    let reserve = Reserve(vault)
    let assignment = try reserve.using {
      try PolicyChanges(vault).assign(policy.name, to: vm, disks: disks)
    }
    reserve.make()
    if console.isJSON {
      try console.print([
        "type": "summary", "vm": .string(vm.text), "policy": .string(assignment.policy.text),
        "disks": PolicyAnswer.fields(assignment.disks),
      ])
    } else {
      try console.print(Self.text(vm, assignment))
    }
  }

  private static func text(_ vm: Name, _ assignment: MachineRecord.Assignment) -> String {
    var table = Table([.init(title: "DISK"), .init(title: "ROLE"), .init(title: "SOURCE")])
    for disk in assignment.disks {
      table.add([disk.name.text, disk.role.name, HumanText.plain(disk.source)])
    }
    return """
      Machine \(vm) has policy \(assignment.policy)

      \(table.text)

      To back it up: snapstore backup --vm \(vm)
      """
  }
}

struct PolicyUnassignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unassign", abstract: "Take a machine's policy away, and forget its disks.",
    discussion: """
      Its points are left as they are, and no policy lets any of them go any more.

      EXAMPLES:
        snapstore policy unassign --vm web
      """)

  @OptionGroup var vault: VaultOptions

  @Option(
    help: ArgumentHelp("The machine's name.", valueName: "name"),
    completion: .custom(VaultCompletion.machines), transform: parseName)
  var vm: Name

  @OptionGroup var output: AnswerOptions

  func run() throws {
    let console = output.console
    let vault = try vault.open(host: HostSystem.current())
    let reserve = Reserve(vault)
    let wasAssigned = try reserve.using { try PolicyChanges(vault).unassign(vm) }
    reserve.make()
    guard wasAssigned else {
      throw Failure(
        .notThere, "machine \(vm) has no policy", hint: "see: snapstore policy list")
    }
    if console.isJSON {
      try console.print(["type": "summary", "vm": .string(vm.text), "policy": .null])
    } else {
      try console.print("Machine \(vm) has no policy any more")
    }
  }
}
