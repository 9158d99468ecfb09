/// How fast a run goes and how long it will still take, from how far it was at several times; and
/// the line that shows it. A plain value: time and terminal are given to it.
package struct ProgressMeter {
  /// What happened this long ago counts half as much as what happens now, or less.
  static let smoothingSeconds = 5.0
  /// A shorter look at a run says nothing about the rest of it.
  static let minimumSeconds = 1.0
  /// Who would have to wait longer is not told: the run stands still, or nearly.
  static let maximumSecondsLeft = 100.0 * 3600

  private var doneByteCount: UInt64 = 0
  private var totalByteCount: UInt64 = 0
  private var firstSeconds = 0.0
  private var lastSeconds: Double?
  /// Bytes a second, each interval weighed by its length and its age; and the sum of the weights,
  /// which is less than 1 at the beginning.
  private var weighedRate = 0.0
  private var weight = 0.0

  package init() {}

  /// Takes in how far the run is at a time. A total that changes, or less done than before, is
  /// another stage of the run: it is measured for itself.
  package mutating func observe(
    doneByteCount done: UInt64, totalByteCount total: UInt64, atSeconds seconds: Double
  ) {
    if total != totalByteCount || done < doneByteCount {
      self = ProgressMeter()
    }
    defer {
      doneByteCount = done
      totalByteCount = total
      lastSeconds = seconds
    }
    guard let lastSeconds else {
      firstSeconds = seconds
      return
    }
    let interval = seconds - lastSeconds
    guard interval > 0 else { return }
    let share = interval / (Self.smoothingSeconds + interval)
    weighedRate += share * (Double(done - doneByteCount) / interval - weighedRate)
    weight += share * (1 - weight)
  }

  /// nil where it was observed only once.
  package var bytesPerSecond: Double? { weight > 0 ? weighedRate / weight : nil }

  /// nil where that is not known yet, or is too long to be known.
  package var secondsLeft: Double? {
    guard let rate = bytesPerSecond, let lastSeconds,
      lastSeconds - firstSeconds >= Self.minimumSeconds
    else { return nil }
    let left = Double(totalByteCount - min(doneByteCount, totalByteCount))
    return left <= rate * Self.maximumSecondsLeft ? left / max(rate, 1) : nil
  }

  /// One line that leaves some columns free, so that nothing wraps, not even the `^C` that a
  /// terminal echoes behind it. Empty before the run knows its total.
  package func line(columns: Int, isColored: Bool) -> String {
    guard totalByteCount > 0 else { return "" }
    let isDone = doneByteCount >= totalByteCount
    let part = min(1, Double(doneByteCount) / Double(totalByteCount))
    let percent = isDone ? "100%" : "\(min(99, Int(part * 100)))%"
    var details = [
      "\(HumanText.bytes(doneByteCount)) of \(HumanText.bytes(totalByteCount))",
      bytesPerSecond.map { "\(HumanText.bytes(UInt64(min($0, 1e18))))/s" },
      isDone ? "finishing" : secondsLeft.map { "\(HumanText.duration($0)) left" },
    ].compactMap { $0 }
    let barWidth = columns >= 80 ? 20 : columns >= 60 ? 10 : 0
    let bar = barWidth == 0 ? 0 : barWidth + 3
    let room = columns - 3 - bar
    var text = ""
    // What is less useful goes first where not all has room.
    while true {
      text = String(repeating: " ", count: 4 - percent.count) + percent
      if !details.isEmpty { text += "  " + details.joined(separator: ", ") }
      if text.count <= room || details.isEmpty { break }
      details.removeFirst()
    }
    guard text.count <= room else { return "" }
    return barWidth == 0 ? text : Self.bar(part, barWidth, isColored) + " " + text
  }

  /// `[#####-----]`
  private static func bar(_ part: Double, _ width: Int, _ isColored: Bool) -> String {
    let count = Int(part * Double(width))
    let filled = String(repeating: "#", count: count)
    let rest = String(repeating: "-", count: width - count)
    return isColored ? "[\u{1B}[32m\(filled)\u{1B}[0m\(rest)]" : "[\(filled)\(rest)]"
  }
}
