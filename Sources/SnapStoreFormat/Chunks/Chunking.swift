/// How a vault cuts extents into chunks. Recorded in the descriptor.
package enum Chunking: Equatable, Sendable {
  /// Content-defined on 4 KiB boundaries: the default.
  case aligned
  /// Equal pieces of so many bytes; for comparison.
  case fixed(Int)

  /// Whether `fixed(byteCount)` is a size that the format allows.
  package static func isValidFixedSize(_ byteCount: Int) -> Bool {
    byteCount >= FormatLimit.block && byteCount <= FormatLimit.maximumChunk
      && byteCount.isMultiple(of: FormatLimit.block)
      && FormatLimit.extent.isMultiple(of: byteCount)
  }

  package var optionName: String {
    switch self {
    case .aligned: "aligned"
    case .fixed(let byteCount): "fixed:\(byteCount)"
    }
  }
}
