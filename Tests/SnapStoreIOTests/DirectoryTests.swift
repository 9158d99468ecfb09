import SnapStoreIO
import SnapStoreTestSupport
import SystemPackage
import Testing

@Suite struct DirectoryTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  func open(_ calls: any SystemCalls = LinuxSystemCalls()) throws -> Directory {
    try Directory(directory.path, calls: calls)
  }

  @Test func listsWhatIsThere() throws {
    let folder = try open()
    #expect(try folder.names().isEmpty)
    for number in 0..<300 { _ = try directory.write([], to: "file \(number)") }
    _ = try directory.write([], to: ".hidden-ä")
    let expected = Set((0..<300).map { "file \($0)" } + [".hidden-ä"])
    for _ in 0..<2 { #expect(Set(try folder.names()) == expected, "twice the same") }
  }

  @Test(arguments: [0o500, 0o777] as [UInt32])
  func aNewDirectoryHasMode0700WhateverTheUmask(_ mode: UInt32) throws {
    let calls = FaultySystemCalls(faults: [.every(.makeDirectory, .createdMode(mode))])
    let made = try open(calls).makeDirectory("new")
    #expect(try directory.mode("new") == 0o700)
    #expect(made.path == directory.path("new"))
    let error = #expect(throws: IOError.self) { try open().makeDirectory("new") }
    #expect(error?.reason == .exists)
  }

  @Test func linksAreFollowedOnlyWhenAsked() throws {
    try directory.makeFolder("real")
    try directory.link("link", to: "real")
    let folder = try open()
    #expect(throws: IOError.self) { try Directory("link", in: folder, calls: LinuxSystemCalls()) }
    let followed = try Directory(
      "link", in: folder, followLinks: true, calls: LinuxSystemCalls())
    #expect(try followed.status() == folder.status(of: "real"))
    _ = try directory.write([1], to: "file")
    try directory.link("file-link", to: "file")
    #expect(throws: IOError.self) {
      try OpenFile(
        "file-link", in: folder, .read(followLinks: false), calls: LinuxSystemCalls())
    }
    let file = try OpenFile(
      "file-link", in: folder, .read(followLinks: true), calls: LinuxSystemCalls())
    #expect(try file.status().byteCount == 1)
    #expect(try folder.status(of: "file-link")?.kind == .symbolicLink)
  }

  @Test func statusTellsTheKinds() throws {
    _ = try directory.write([1, 2], to: "file")
    try directory.makeFolder("folder")
    try directory.link("dangling", to: "nowhere")
    #expect(makeFIFO(directory.path("fifo")))
    let folder = try open()
    let file = try #require(try folder.status(of: "file"))
    #expect(file.kind == .regular && file.byteCount == 2 && file.linkCount == 1)
    #expect(file.modified.seconds > 1_600_000_000)
    #expect(try folder.status(of: "folder")?.kind == .directory)
    #expect(try folder.status(of: "dangling")?.kind == .symbolicLink)
    #expect(try folder.status(of: "fifo")?.kind == .fifo)
    #expect(try folder.status(of: "missing") == nil)
    #expect(try folder.status().kind == .directory)
    #expect(try folder.fileSystem().availableByteCount > 0)
  }

  /// What the rename may say where the file system does not have it.
  static let unsupported: [Errno?] = [nil, .invalidArgument, .noFunction, .notSupported]

  func calls(_ error: Errno?) -> FaultySystemCalls {
    FaultySystemCalls(faults: error.map { [.every(.rename, .error($0))] } ?? [])
  }

  @Test(arguments: unsupported) func moves(_ error: Errno?) throws {
    _ = try directory.write([1, 2], to: "old")
    let calls = calls(error)
    let folder = try open(calls)
    let target = try folder.makeDirectory("target")
    try folder.moveWithoutReplacing("old", to: "new", in: target)
    #expect(try directory.names() == ["target"])
    #expect(try directory.read("target/new") == [1, 2])
    #expect(try target.status(of: "new")?.linkCount == 1)
    #expect(calls.count(of: .link) == (error == nil ? 0 : 1))
  }

  @Test(arguments: unsupported) func replacesNothing(_ error: Errno?) throws {
    _ = try directory.write([1], to: "old")
    try directory.makeFolder("folder")
    try directory.link("dangling", to: "nowhere")
    _ = try directory.write([2], to: "file")
    let folder = try open(calls(error))
    for taken in ["folder", "dangling", "file"] {
      let thrown = #expect(throws: IOError.self) {
        try folder.moveWithoutReplacing("old", to: taken, in: folder)
      }
      #expect(thrown == IOError("create", directory.path(taken), .fileExists))
    }
    #expect(try directory.names() == ["dangling", "file", "folder", "old"])
    #expect(try directory.read("file") == [2])
    #expect(try directory.read("old") == [1])
  }

  @Test func otherErrorsOfTheRenameAreErrors() throws {
    _ = try directory.write([1], to: "old")
    for error in [Errno.ioError, .noSpace, .permissionDenied, .readOnlyFileSystem] {
      let calls = calls(error)
      let folder = try open(calls)
      let thrown = #expect(throws: IOError.self) {
        try folder.moveWithoutReplacing("old", to: "new", in: folder)
      }
      #expect(thrown?.errno == error)
      #expect(calls.count(of: .link) == 0)
    }
    #expect(try directory.names() == ["old"])
  }

  @Test func removesFilesAndDirectories() throws {
    _ = try directory.write([1], to: "file")
    let folder = try open()
    _ = try folder.makeDirectory("inner")
    try folder.removeFile("file")
    try folder.removeDirectory("inner")
    #expect(try directory.names().isEmpty)
    #expect(throws: IOError("remove", directory.path("file"), .noSuchFileOrDirectory)) {
      try folder.removeFile("file")
    }
  }
}

@Suite struct PathTests {
  @Test(arguments: [
    ("/a/b", "/a", "b"), ("a/b", "a", "b"), ("b", ".", "b"), ("/b", "/", "b"),
    ("/a/b/", "/a", "b"), ("a//b", "a", "b"), ("//b", "/", "b"), ("/a/b///", "/a", "b"),
    ("/", "/", ""), ("//", "/", ""), ("./b", ".", "b"), ("../b", "..", "b"), ("", ".", ""),
    ("a b/ä", "a b", "ä"),
  ])
  func splits(_ path: String, _ parent: String, _ name: String) {
    let split = splitPath(path)
    #expect(split.parent == parent && split.name == name, "\(split)")
  }

  @Test func existingPaths() throws {
    let directory = try TemporaryDirectory()
    let calls = LinuxSystemCalls()
    let file = try directory.write([1], to: "file")
    try directory.link("link", to: "file")
    try directory.link("dangling", to: "nowhere")
    try directory.link("circle", to: "circle")
    #expect(try existingPath(file, calls: calls) == file)
    #expect(try existingPath(directory.path("link"), calls: calls) == file)
    #expect(try existingPath(directory.path + "/./x/../file", calls: calls) == nil)
    #expect(try existingPath(directory.path + "//./file", calls: calls) == file)
    #expect(try existingPath(directory.path("dangling"), calls: calls) == nil)
    #expect(try existingPath(directory.path("file/below"), calls: calls) == nil)
    #expect(throws: IOError.self) {
      try existingPath(directory.path("circle"), calls: calls)
    }
  }
}
