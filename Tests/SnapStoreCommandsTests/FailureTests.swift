import SnapStoreCommands
import SnapStoreDisks
import SnapStoreFormat
import SnapStoreIO
import SnapStoreVault
import SystemPackage
import Testing

/// Scripts rely on the numbers (sysexits.h).
@Suite("The exit code of each error") struct FailureTests {
  @Test func ofVaults() {
    for (code, status) in [
      (.notThere, 66), (.unsupported, 66), (.exists, 73), (.ambiguous, 64), (.misuse, 64),
      (.pinned, 77), (.damaged, 65), (.otherRegion, 77), (.aborted, 75),
    ] as [(VaultError.Code, Int32)] {
      #expect(Failure(VaultError(code, "")).code.rawValue == status, "\(code)")
    }
  }

  @Test func ofDisks() {
    for (code, status) in [
      (.unsuitable, 66), (.notAllowed, 77), (.misuse, 64), (.cannotCreate, 73), (.failed, 74),
    ] as [(DiskError.Code, Int32)] {
      #expect(Failure(DiskError(code, "")).code.rawValue == status, "\(code)")
    }
  }

  @Test func ofStores() {
    for (code, status) in [
      (.notThere, 66), (.taken, 73), (.networkFileSystem, 77), (.notAnObject, 65),
      (.deadWriter, 74),
    ] as [(StoreError.Code, Int32)] {
      #expect(Failure(StoreError(code, "")).code.rawValue == status, "\(code)")
    }
  }

  @Test func ofTheSystem() {
    for (number, status) in [
      (.permissionDenied, 77), (.readOnlyFileSystem, 77), (.fileExists, 73),
      (.noSuchFileOrDirectory, 66), (.noSpace, 74), (.ioError, 74),
    ] as [(Errno, Int32)] {
      #expect(Failure(IOError("read", "x", number)).code.rawValue == status, "\(number)")
    }
  }

  @Test func ofObjectsAndInterruptions() {
    #expect(Failure(FormatError.damaged("")).code.rawValue == 65)
    #expect(Failure(FormatError.unsupported("")).code.rawValue == 66)
    #expect(Failure(Interrupted()).code.rawValue == 130)
  }
}
