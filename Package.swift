// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is built with. CI makes warnings errors by the environment; a user's newer
/// compiler may have new ones.
let strictness: [SwiftSetting] =
  Context.environment["SNAPSTORE_WARNINGS_AS_ERRORS"] == nil ? [] : [.treatAllWarnings(as: .error)]
let settings: [SwiftSetting] =
  strictness + [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableExperimentalFeature("Lifetimes"),
  ]

/// With SNAPSTORE_FUZZ in the environment there is a fuzzing program, and what it looks at tells
/// libFuzzer where it goes (see `make fuzz`). Nobody else builds it.
let isFuzzing = Context.environment["SNAPSTORE_FUZZ"] != nil
let observed: [SwiftSetting] = isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer"])] : []

/// With SNAPSTORE_BENCHMARKS in the environment there are the programs that measure, and the package
/// that one of them needs (see `make bench-micro`, `make bench-scale`). Nobody else builds them.
let isMeasuring = Context.environment["SNAPSTORE_BENCHMARKS"] != nil

/// With SNAPSTORE_IPSEC_MB in the environment, Intel's multi-buffer library computes SHA-256 where it
/// can. The Makefile sets it where the library is installed: it has no pkg-config file, and is there
/// for x86-64 only.
let hasMultiBuffer = Context.environment["SNAPSTORE_IPSEC_MB"] != nil
let multiBuffer: [Target.Dependency] = hasMultiBuffer ? ["CIPSecMB"] : []
let multiBufferSettings: [SwiftSetting] = hasMultiBuffer ? [.define("IPSEC_MB")] : []

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "snapstore",
  products: [.executable(name: "snapstore", targets: ["snapstore"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    .systemLibrary(
      name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(
      name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CLinux"),

    .target(
      name: "SnapStoreFormat", dependencies: ["CLZ4", "CXXHash", "CZstd", crypto] + multiBuffer,
      swiftSettings: settings + observed + multiBufferSettings),
    .target(
      name: "SnapStoreIO", dependencies: ["CLinux", system],
      swiftSettings: settings),
    .target(
      name: "SnapStoreVault", dependencies: ["SnapStoreFormat", "SnapStoreIO", logging],
      swiftSettings: settings),
    .target(
      name: "SnapStoreDisks", dependencies: ["SnapStoreFormat", "SnapStoreIO", system],
      swiftSettings: settings),
    .target(
      name: "SnapStoreEngine",
      dependencies: [
        "SnapStoreDisks", "SnapStoreFormat", "SnapStoreIO", "SnapStoreVault", logging,
      ],
      swiftSettings: settings),
    .target(
      name: "SnapStoreCommands",
      dependencies: [
        "SnapStoreDisks", "SnapStoreEngine", "SnapStoreFormat", "SnapStoreIO", "SnapStoreVault",
        arguments, logging,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "snapstore", dependencies: ["SnapStoreCommands"], swiftSettings: settings),

    .target(
      name: "SnapStoreTestSupport", dependencies: ["SnapStoreFormat", "SnapStoreIO", system],
      path: "Tests/SnapStoreTestSupport", swiftSettings: settings),
    .testTarget(
      name: "SnapStoreFormatTests",
      dependencies: [
        "CXXHash", "SnapStoreFormat", "SnapStoreIO", "SnapStoreTestSupport", crypto,
      ],
      exclude: ["Golden"], swiftSettings: settings),
    .testTarget(
      name: "SnapStoreIOTests",
      dependencies: ["SnapStoreIO", "SnapStoreTestSupport", system], swiftSettings: settings),
    .testTarget(name: "RepositoryTests", swiftSettings: settings),
    .testTarget(
      name: "SnapStoreVaultTests",
      dependencies: [
        "SnapStoreFormat", "SnapStoreIO", "SnapStoreTestSupport", "SnapStoreVault", logging,
        system,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "SnapStoreEngineTests",
      dependencies: [
        "SnapStoreDisks", "SnapStoreEngine", "SnapStoreFormat", "SnapStoreIO",
        "SnapStoreTestSupport", "SnapStoreVault", logging, system,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "SnapStoreCommandsTests",
      dependencies: [
        "SnapStoreCommands", "SnapStoreDisks", "SnapStoreFormat", "SnapStoreIO",
        "SnapStoreTestSupport", "SnapStoreVault", "snapstore", system,
      ],
      exclude: ["Golden"], swiftSettings: settings),

    .target(
      name: "SnapStoreSuites",
      dependencies: [
        "SnapStoreDisks", "SnapStoreEngine", "SnapStoreFormat", "SnapStoreIO", "SnapStoreVault",
        logging, system,
      ],
      path: "Benchmarks/Suites", swiftSettings: settings),
    .executableTarget(
      name: "SnapStoreScale",
      dependencies: ["SnapStoreEngine", "SnapStoreFormat", "SnapStoreSuites"],
      path: "Benchmarks/Scale", swiftSettings: settings),
    .testTarget(
      name: "SnapStoreSuitesTests",
      dependencies: [
        "SnapStoreEngine", "SnapStoreFormat", "SnapStoreScale", "SnapStoreSuites",
        "SnapStoreTestSupport", "snapstore",
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

if isFuzzing {
  package.targets.append(
    .executableTarget(
      name: "SnapStoreFuzz", dependencies: ["SnapStoreFormat", "SnapStoreIO"], path: "Tests/Fuzz",
      exclude: ["Corpus", "run.py"],
      swiftSettings: settings + observed,
      // The default linker can't link code that reports where it goes, and says an internal error.
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
}

if isMeasuring {
  package.dependencies.append(
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
  package.targets += [
    .executableTarget(
      name: "SnapStoreMicro",
      dependencies: ["SnapStoreSuites", .product(name: "Benchmark", package: "benchmark")],
      path: "Benchmarks/Micro", swiftSettings: settings,
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
}

if hasMultiBuffer {
  package.targets.append(
    .systemLibrary(name: "CIPSecMB", providers: [.apt(["libipsec-mb-dev"])]))
}
