internal import SnapStoreFormat
internal import SnapStoreIO

extension SessionOutcome {
  /// Whether the session's outcome, or its copy, says `committed`. The copy counts where the
  /// outcome is lost or damaged: it is only made once that says so.
  static func isCommitted(_ session: SessionID, _ vault: Vault) throws -> Bool {
    do {
      if let outcome = try read(.outcome(session), vault) {
        return outcome.session == session && outcome.verdict == .committed
      }
    } catch let failure {
      guard damageReason(failure) != nil else { throw failure }
      guard let copy = try read(.outcomeCopy(session), vault) else { throw failure }
      return copy.session == session && copy.verdict == .committed
    }
    guard let copy = try read(.outcomeCopy(session), vault) else { return false }
    return copy.session == session && copy.verdict == .committed
  }

  private static func read(_ name: ObjectName, _ vault: Vault) throws -> SessionOutcome? {
    guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
      return nil
    }
    do {
      return try SessionOutcome(decoding: bytes.rawSpan)
    } catch {
      throw error.inObject("\(name)")
    }
  }
}
