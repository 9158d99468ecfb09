import Glibc
import SnapStoreFormat

/// What libFuzzer drives: one program for all decoders, of which `SNAPSTORE_FUZZ_DECODER` chooses
/// one. Whatever the bytes are, a decoder gives a value or a `FormatError`; what it gives must
/// withstand what its entry in `decoders` asks. A broken promise ends the process, as a crash does.
///
/// Built only where the environment has `SNAPSTORE_FUZZ` (see the manifest); run by `make fuzz`.
@main enum Fuzz {
  static func main() {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
      unsafe CommandLine.unsafeArgv
    exit(
      unsafe runDriver(&count, &arguments) { start, count in
        chosen(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
      })
  }
}

/// libFuzzer's own main, which it has for programs that have one already (FuzzerInterface.h).
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ argumentCount: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

typealias Check = @Sendable ([UInt8]) -> Void

/// Every decoder by its name; `run.py` makes the seeds of each.
let decoders: [String: Check] = [
  "descriptor": object(.vault, VaultDescriptor.self),
  "point": object(.point, RecoveryPoint.self, sums),
  "session": object(.session, SessionRecord.self),
  "outcome": object(.outcome, SessionOutcome.self),
  "damage": object(.damage, DamageRecord.self),
  "verification": object(.verification, VerificationRecord.self),
  "epoch": object(.epoch, EpochRecord.self),
  "tombstone": object(.tombstone, TombstoneRecord.self),
  "policy": object(.policy, PolicyRecord.self, intervals),
  "machine": object(.machine, MachineRecord.self, sources),
  "pin": object(.pin, PinRecord.self),
  "review": object(.review, ReviewRecord.self),
  "jobs": object(.jobs, JobsObject.self),
  "zone": zone,
  "pack": pack,
  "directory": directory,
  "record": record,
  "segment": segment,
  "page": page,
  "extent": extentNode,
  "span": spanNode,
  "names": names,
  "time": time,
  "codec": codec,
  "cutter": cutter,
  "recutter": recutter,
]

private let chosen: Check = {
  let name = unsafe getenv("SNAPSTORE_FUZZ_DECODER").map { unsafe String(cString: $0) }
  guard let check = decoders[name ?? ""] else {
    print("SNAPSTORE_FUZZ_DECODER is one of \(decoders.keys.sorted().joined(separator: " "))")
    exit(2)
  }
  return check
}()

/// Ends the process where a promise is broken. Not `precondition`: an optimized one says nothing.
func require(_ holds: Bool, _ promise: @autoclosure () -> String) {
  if !holds { fatalError("broken: \(promise())") }
}

/// What a decoder gave, or nil where it refused the bytes.
func accepted<Value>(_ decode: () throws(FormatError) -> Value) -> Value? {
  do throws(FormatError) {
    return try decode()
  } catch {
    _ = error.description
    return nil
  }
}

/// Takes numbers from the front of an input; zeros where it has ended.
struct Recipe {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) {
    rest = bytes[...]
  }

  mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }
  mutating func number() -> Int { byte() | byte() << 8 }

  mutating func bytes(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}
