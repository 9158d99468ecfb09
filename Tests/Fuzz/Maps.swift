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
  require(node.ranges.reduce(0) { $0 + $1.length } == length, "ranges fill the extent")
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
  require(node.children.count == count, "children of a node")
  require(node.dataByteCount <= UInt64(Int64.max), "data of a span")
}
