import SnapStoreFormat

/// An extent node: the length of its extent (3 bytes), then the node.
@Sendable func extentNode(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let length = min(recipe.number() | recipe.byte() << 16, FormatLimit.extent)
  let bytes = Array(recipe.rest)
  let node = accepted { () throws(FormatError) in
    try ExtentNode(decoding: bytes.rawSpan, extentLength: length)
  }
  guard let node else { return }
  require(node.encoded() == bytes, "a node has two encodings")
  var end = 0
  for range in node.ranges {
    require(range.length > 0, "an empty range")
    if case .chunk = range { require(range.length <= FormatLimit.maximumChunk, "a long chunk") }
    end += range.length
    require(end == length || end.isMultiple(of: FormatLimit.block), "a range off the grid")
  }
  require(end == length, "ranges fill the extent")
  require(node.dataByteCount <= UInt64(length), "data of an extent")
}

/// A span node: its level and its number of children (1 byte each), then the node.
@Sendable func spanNode(_ input: [UInt8]) {
  var recipe = Recipe(input)
  let level = recipe.byte() % (DiskMap.maximumLevel + 1)
  let count = recipe.byte()
  let bytes = Array(recipe.rest)
  let node = accepted { () throws(FormatError) in
    try SpanNode(decoding: bytes.rawSpan, level: level, childCount: count)
  }
  guard let node else { return }
  require(node.encoded() == bytes, "a node has two encodings")
  require(node.children.count == count && count <= FormatLimit.mapFanOut, "children of a node")
  for case .node(_, let dataByteCount) in node.children {
    require(dataByteCount > 0, "a child without data")
    let span = UInt64(FormatLimit.extent) << UInt64(6 * (level - 1))
    require(dataByteCount <= span, "data of a child")
  }
  require(node.dataByteCount <= UInt64(Int64.max), "data of a span")
}
