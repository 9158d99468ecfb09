internal import SnapStoreIO

/// How block devices lie on each other, as sysfs tells. What it does not tell counts as not there.
struct BlockDevices: Sendable {
  let calls: any SystemCalls
  /// Before the paths of the kernel's files: empty but in tests.
  let root: String

  private func folder(_ device: DeviceNumber) -> String { "\(root)/sys/dev/block/\(device)" }

  private func text(_ path: String) -> String? {
    kernelText(path, calls: calls).map { $0.hasSuffix("\n") ? String($0.dropLast()) : $0 }
  }

  private func number(_ path: String) -> DeviceNumber? {
    text("\(path)/dev").flatMap { DeviceNumber($0) }
  }

  /// The kernel's name, `sda1`.
  private func kernelName(_ device: DeviceNumber) -> String? {
    do {
      let path = try existingPath(folder(device), calls: calls)
      return path.map { splitPath($0).name }
    } catch {
      return nil  // not told
    }
  }

  /// As people know it.
  func name(_ device: DeviceNumber) -> String {
    if let name = text("\(folder(device))/dm/name") { return "/dev/mapper/\(name)" }
    guard let name = kernelName(device) else { return "device \(device)" }
    return "/dev/\(name.replacing("!", with: "/"))"
  }

  /// What it lies on: the disk of a partition, the members of a mapped device or an array.
  func below(_ device: DeviceNumber) -> [DeviceNumber] {
    let folder = folder(device)
    let members = kernelNames("\(folder)/slaves", calls: calls).compactMap {
      number("\(folder)/slaves/\($0)")
    }
    let isPartition = text("\(folder)/partition") != nil
    return members + (isPartition ? [number("\(folder)/..")].compactMap(\.self) : [])
  }

  /// What lies on it: its partitions, and mapped devices and arrays that have it as a member.
  func above(_ device: DeviceNumber) -> [DeviceNumber] {
    let folder = folder(device)
    let holders = kernelNames("\(folder)/holders", calls: calls).compactMap {
      number("\(folder)/holders/\($0)")
    }
    guard let name = kernelName(device) else { return holders }
    let partitions = kernelNames(folder, calls: calls).filter { $0.hasPrefix(name) }
      .filter { text("\(folder)/\($0)/partition") != nil }
    return holders + partitions.compactMap { number("\(folder)/\($0)") }
  }

  /// The path of the file or device that a loop device stands for; nil for every other device.
  func backingPath(_ device: DeviceNumber) -> String? {
    text("\(folder(device))/loop/backing_file")
  }

  /// The loop devices that stand for a file or device and may write to it.
  func writableLoops(of path: String) -> [DeviceNumber] {
    let block = "\(root)/sys/block"
    return kernelNames(block, calls: calls).filter { $0.hasPrefix("loop") }.compactMap { name in
      guard text("\(block)/\(name)/loop/backing_file") == path, text("\(block)/\(name)/ro") != "1"
      else { return nil }
      return number("\(block)/\(name)")
    }
  }
}
