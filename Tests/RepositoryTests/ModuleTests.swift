import Testing

/// The arrows between modules: the manifest has those of the design, and the imports agree with it.
@Suite struct ModuleTests {
  /// What each module may stand on. An arrow that is not here is a change of the design.
  static let arrows: [String: Set<String>] = [
    "SnapStoreFormat": ["CIPSecMB", "CLZ4", "CXXHash", "CZstd", "Crypto"],
    "SnapStoreIO": ["CLinux", "SystemPackage"],
    "SnapStoreVault": ["SnapStoreFormat", "SnapStoreIO", "Logging"],
    "SnapStoreDisks": ["SnapStoreFormat", "SnapStoreIO", "SystemPackage"],
    "SnapStoreEngine": [
      "SnapStoreDisks", "SnapStoreFormat", "SnapStoreIO", "SnapStoreVault", "Logging",
    ],
    "SnapStoreCommands": [
      "SnapStoreDisks", "SnapStoreEngine", "SnapStoreFormat", "SnapStoreIO", "SnapStoreVault",
      "ArgumentParser", "Logging",
    ],
    "snapstore": ["SnapStoreCommands"],
  ]

  /// Modules of the toolchain, and who may use them: only SnapStoreIO makes system calls and
  /// touches Dispatch; the program itself only exits.
  static let toolchain: [String: Set<String>] = [
    "Glibc": ["SnapStoreIO", "snapstore"], "Dispatch": ["SnapStoreIO"],
    "FoundationEssentials": ["SnapStoreCommands"], "Synchronization": Set(arrows.keys),
  ]

  /// What users get: in Sources, the default place. What tests and measures lies elsewhere.
  static func sourceTargets() throws -> [ManifestTarget] {
    try ManifestTarget.all().filter { ["target", "executableTarget"].contains($0.kind) }
      .filter { !$0.text.contains("path: \"") }
  }

  /// The modules that each module's files import, with one file for each.
  static func imports() throws -> [String: [String: String]] {
    let statement =
      #/
      ^ \s* (?: @\w+ (?: \( [^)]* \) )? \s+ )*
      (?: (?: public | package | internal | fileprivate | private ) \s+ )? import \s+
      (?: (?: struct | class | enum | protocol | func | var | let | typealias ) \s+ )? (\w+)
      /#
    var imports: [String: [String: String]] = [:]
    for file in try Repository.swiftFiles("Sources") {
      for line in file.lines {
        guard let match = line.firstMatch(of: statement) else { continue }
        imports[file.module, default: [:]][String(match.1)] = file.path
      }
    }
    return imports
  }

  @Test func theManifestHasTheArrowsOfTheDesign() throws {
    let targets = try Self.sourceTargets()
    #expect(Set(targets.map(\.name)) == Set(Self.arrows.keys))
    for target in targets {
      #expect(target.dependencies == Self.arrows[target.name], "\(target.name)")
    }
  }

  @Test func whatIsImportedIsDeclared() throws {
    let imports = try Self.imports()
    for target in try Self.sourceTargets() {
      for (module, file) in imports[target.name] ?? [:] {
        let isAllowed =
          target.dependencies.contains(module)
          || Self.toolchain[module]?.contains(target.name) == true
        #expect(isAllowed, "\(file) imports \(module), which \(target.name) may not")
      }
    }
    #expect(Set(imports.keys) == Set(Self.arrows.keys), "every folder of Sources is a target")
  }

  @Test func whatIsDeclaredIsImported() throws {
    let imports = try Self.imports()
    for target in try Self.sourceTargets() {
      let unused = target.dependencies.subtracting((imports[target.name] ?? [:]).keys)
      #expect(unused.isEmpty, "\(target.name) does not import \(unused.sorted())")
    }
  }

  /// C libraries are imported by one module each.
  @Test func eachCLibraryHasOneModule() throws {
    let imports = try Self.imports()
    let libraries = try ManifestTarget.all().filter { $0.kind == "systemLibrary" }
    #expect(!libraries.isEmpty)
    for library in libraries {
      let users = imports.keys.filter { imports[$0]?[library.name] != nil }
      #expect(users.count == 1, "\(library.name) is imported by \(users.sorted())")
    }
  }

  @Test func everyTargetHasTheSameSettings() throws {
    for target in try ManifestTarget.all() where target.kind != "systemLibrary" {
      #expect(target.text.contains("swiftSettings: settings"), "\(target.name)")
    }
  }
}
