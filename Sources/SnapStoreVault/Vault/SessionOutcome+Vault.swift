internal import SnapStoreFormat
internal import SnapStoreIO

extension SessionOutcome {
  /// How a session ended; nil where it has not. Throws `FormatError` where outcome and copy can't
  /// be read, or were lost: a session's record goes behind them, so there is always one of the
  /// three.
  static func verdict(of session: SessionID, _ vault: Vault) throws -> Verdict? {
    if let verdict = try recordedVerdict(of: session, vault) { return verdict }
    if try vault.isThere(.session(session)) { return nil }
    // It may have ended, and its record gone, in between.
    if let verdict = try recordedVerdict(of: session, vault) { return verdict }
    throw lost(session)
  }

  /// What is wrong where neither outcome nor copy is there any more.
  static func lost(_ session: SessionID) -> FormatError {
    FormatError.damaged("is missing, and so is its copy")
      .inObject("\(ObjectName.outcome(session))")
  }

  /// How a session ended, by its outcome or the copy; nil where neither is there. The copy counts
  /// where the outcome is lost or damaged: it is only made once that says `committed`.
  static func recordedVerdict(of session: SessionID, _ vault: Vault) throws -> Verdict? {
    do {
      if let outcome = try read(.outcome(session), of: session, vault) { return outcome.verdict }
    } catch let failure {
      guard damageReason(failure) != nil else { throw failure }
      guard let copy = try read(.outcomeCopy(session), of: session, vault) else { throw failure }
      return copy.verdict
    }
    return try read(.outcomeCopy(session), of: session, vault)?.verdict
  }

  /// Nil where there is none. One that is another session's is damaged: it says nothing about this.
  private static func read(
    _ name: ObjectName, of session: SessionID, _ vault: Vault
  ) throws -> SessionOutcome? {
    guard let bytes = try vault.store.get(name, limit: FormatLimit.smallObject) else {
      return nil
    }
    do {
      let outcome = try SessionOutcome(decoding: bytes.rawSpan)
      guard outcome.session == session else {
        throw FormatError.damaged("is that of session \(outcome.session)")
      }
      return outcome
    } catch let error as FormatError {
      throw error.inObject("\(name)")
    }
  }
}
