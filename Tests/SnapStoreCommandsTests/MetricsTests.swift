import Foundation
import Glibc
import SnapStoreCommands
import SnapStoreIO
import SnapStoreTestSupport
import Testing

@Suite("Metrics")
struct MetricsTests {
  private let vault: VaultRun
  private var snapstore: ProgramRun { vault.snapstore }

  init() throws {
    vault = try VaultRun(points: 2)
  }

  private func metrics(_ more: String...) throws -> ProgramRun.Result {
    try snapstore.run(["metrics", "--vault", "v"] + more)
  }

  /// Each sample by its name and labels, without that of the vault.
  private func samples(_ text: String) throws -> [String: Double] {
    let label = "vault=\"\(snapstore.path("v"))\""
    var samples: [String: Double] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let space = try #require(line.lastIndex(of: " "))
      let name = line[..<space].replacing("\(label),", with: "").replacing("{\(label)}", with: "")
      samples[String(name)] = Double(line[line.index(after: space)...])
    }
    return samples
  }

  /// What Prometheus' own tool says of it; nothing where it is right.
  private func promtool(_ text: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let tool = root.appendingPathComponent(".build/tools/promtool")
    try #require(
      FileManager.default.isExecutableFile(atPath: tool.path),
      "there is no promtool in \(tool.path): make deps fetches it")
    try snapstore.write("metrics.txt", Array(text.utf8))
    let process = Process()
    process.executableURL = tool
    process.arguments = ["check", "metrics"]
    process.standardInput = try FileHandle(
      forReadingFrom: URL(fileURLWithPath: snapstore.path("metrics.txt")))
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let answer = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return process.terminationStatus == 0
      ? "" : "\(process.terminationStatus) \(String(decoding: answer, as: UTF8.self))"
  }

  @Test("Prometheus' own tool takes it, and finds what is wrong with another text")
  func format() throws {
    let result = try metrics()
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(try promtool(result.output) == "")
    #expect(try promtool(result.output + "snapstore points 1\n") != "")
    #expect(try promtool("# TYPE a_total gauge\na_total 1\n") != "")
  }

  @Test("failures are counted from 0 on, by kind and machine; the last success is told")
  func jobs() throws {
    let before = try samples(try metrics().output)
    #expect(before["snapstore_failures_total{kind=\"backup\",vm=\"disk\"}"] == 0)
    #expect(before["snapstore_failures_total{kind=\"verify\"}"] == 0)
    #expect(before["snapstore_last_success_timestamp_seconds{kind=\"verify\"}"] == nil)
    try snapstore.remove("disk.img")
    for _ in 0..<2 { #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 66) }
    #expect(try snapstore("verify", "--vault", "v").status == 0)
    let after = try samples(try metrics().output)
    #expect(after["snapstore_failures_total{kind=\"backup\",vm=\"disk\"}"] == 2)
    #expect(after["snapstore_failures_total{kind=\"verify\"}"] == 0)
    let success = try #require(
      after["snapstore_last_success_timestamp_seconds{kind=\"verify\"}"])
    let failure = try #require(
      after["snapstore_last_failure_timestamp_seconds{kind=\"backup\",vm=\"disk\"}"])
    #expect(success >= failure && failure > 1_700_000_000)
  }

  @Test("a run writes them where the configuration says, and not again at once for nothing")
  func run() throws {
    let config = "[metrics]\ntextfile = \"\(snapstore.path("m.prom"))\"\n"
    try snapstore.write("c.toml", Array(config.utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: snapstore.path("c.toml"))
    let environment = ["SNAPSTORE_CONFIG": snapstore.path("c.toml")]
    func run() throws -> [String: Double] {
      let result = try snapstore.run(["run", "--vault", "v"], environment: environment)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      return try samples(String(decoding: try snapstore.read("m.prom"), as: UTF8.self))
    }
    #expect(try run()["snapstore_points{vm=\"disk\"}"] == 2)
    #expect(try snapstore("backup", "--vault", "v", "disk.img").status == 0)
    #expect(try run()["snapstore_points{vm=\"disk\"}"] == 2)
    for arguments in [
      ["set", "p", "--schedule", "hourly", "--keep-last", "9"], ["assign", "p", "--vm", "b"],
    ] {
      let disk = arguments[0] == "assign" ? ["--data-disk", "disk.img"] : []
      #expect(try snapstore.run(["policy"] + arguments + disk + ["--vault", "v"]).status == 0)
    }
    let after = try run()
    #expect(after["snapstore_points{vm=\"disk\"}"] == 3)
    #expect(after["snapstore_points{vm=\"b\"}"] == 1)
  }

  @Test("a file that was written before the beginning of time, as it says, is not a young one")
  func oldestTime() throws {
    // In memory: other file systems have a first year.
    let path = "/dev/shm/\(splitPath(snapstore.directory.path).name).prom"
    defer { unsafe unlink(path) }
    try snapstore.write("c.toml", Array("[metrics]\ntextfile = '\(path)'\n".utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: snapstore.path("c.toml"))
    let time = timespec(tv_sec: .min, tv_nsec: 0)
    var found = stat()
    for _ in 0..<2 {
      let result = try snapstore(
        "run", "--vault", "v", environment: ["SNAPSTORE_CONFIG": snapstore.path("c.toml")])
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      #expect(unsafe stat(path, &found) == 0)
      #expect(found.st_mtim.tv_sec > 0, "it was written anew")
      #expect(unsafe utimensat(AT_FDCWD, path, [time, time], 0) == 0)
      #expect(unsafe stat(path, &found) == 0)
      try #require(found.st_mtim.tv_sec == .min)
    }
  }

  @Test("it says what points, show and vault info say")
  func values() throws {
    #expect(try snapstore("verify", "--vault", "v").status == 0)
    let before = Date().timeIntervalSince1970
    let samples = try samples(try metrics().output)
    let list = try snapstore("points", "--vault", "v", "--json").json().first
    let points = try #require(list as? [[String: Any]])
    let newest = try #require(points.last)
    let show = try snapstore("show", "latest", "--vault", "v", "--json").object()
    let info = try snapstore("vault", "info", "--vault", "v", "--json").object()
    func vm(_ name: String) -> Double? { samples["snapstore_\(name){vm=\"disk\"}"] }
    func whole(_ name: String) -> Double? { samples["snapstore_vault_\(name)"] }
    func number(_ value: Any?) -> Double? { (value as? NSNumber)?.doubleValue }
    func seconds(_ value: Any?) throws -> Double {
      try Date(try #require(value as? String), strategy: .iso8601).timeIntervalSince1970
    }
    #expect(vm("points") == 2)
    #expect(vm("newest_point_timestamp_seconds") == (try seconds(newest["time"])))
    #expect(vm("last_verify_timestamp_seconds") == (try seconds(newest["verified_at"])))
    for name in ["size_bytes", "read_bytes", "new_bytes", "stored_bytes"] {
      #expect(vm("newest_point_\(name)") == number(show[name]), "\(name)")
      #expect(vm("newest_point_\(name)") != nil)
    }
    let generated = try #require(samples["snapstore_metrics_generated_timestamp_seconds"])
    #expect((before - 1...Date().timeIntervalSince1970).contains(generated))
    let made = try #require(vm("newest_point_timestamp_seconds"))
    #expect(vm("newest_point_age_seconds") == generated - made)
    for name in ["packs", "stored_bytes", "unique_bytes"] {
      #expect(whole(name) == number(info[name]) && whole(name) != nil, "\(name)")
    }
    var data = 0.0
    for point in points {
      let id = try #require(point["point"] as? String)
      let shown = try snapstore("show", id, "--vault", "v", "--json").object()
      let disks = try #require(shown["disks"] as? [[String: Any]])
      for disk in disks { data += try #require(number(disk["data_bytes"])) }
    }
    let (unique, stored) = (number(info["unique_bytes"]) ?? 0, number(info["stored_bytes"]) ?? 0)
    #expect(whole("deduplication_ratio") == data / unique)
    #expect(data / unique > 1.2, "half of each disk is the same")
    #expect(whole("compression_ratio") == unique / stored)
    #expect(whole("free_bytes") ?? 0 > 0)
    #expect(whole("damaged_objects") == 0)
    #expect(whole("unreadable_points") == 0)
    let version = try snapstore("--version").output.split(whereSeparator: \.isWhitespace)[1]
    #expect(samples["snapstore_build_info{version=\"\(version)\"}"] == 1)
  }

  @Test("a machine with a policy and without points has none; a vault without points has no ratio")
  func empty() throws {
    #expect(try snapstore("vault", "create", "new").status == 0)
    func text() throws -> String { try snapstore("metrics", "--vault", "new").output }
    #expect(!(try text()).contains("snapstore_points"))
    #expect(!(try text()).contains("ratio"))
    #expect(try promtool(try text()) == "")
    let set = ["policy", "set", "gold", "--schedule", "daily 02:00", "--keep-last", "1"]
    #expect(try snapstore.run(set + ["--vault", "new"]).status == 0)
    let assign = ["policy", "assign", "gold", "--vm", "web", "--os-disk", "disk.img"]
    #expect(try snapstore.run(assign + ["--vault", "new"]).status == 0)
    #expect(try text().contains(",vm=\"web\"} 0\n"))
    #expect(!(try text()).contains("snapstore_newest"))
    #expect(try promtool(try text()) == "")
  }

  @Test("damage that was found, and points that can't be read, are counted")
  func damage() throws {
    let packs = try vault.objects("packs").filter { try snapstore.read($0).count > 100_000 }
    let pack = try #require(packs.first)
    var bytes = try snapstore.read(pack)
    bytes[bytes.count / 2] ^= 1
    try snapstore.write(pack, bytes)
    func damagedObjects() throws -> Double? {
      try samples(try metrics().output)["snapstore_vault_damaged_objects"]
    }
    #expect(try damagedObjects() == 0)
    #expect(try snapstore("verify", "--vault", "v").status == 65)
    #expect(try damagedObjects() == 1)
    // The record of it can't be read.
    try snapstore.write(try #require(try vault.objects("damage").first), [1, 2, 3])
    #expect(try damagedObjects() == 1)
    // Nothing tells any more where the chunks of the pack lay.
    for object in try [pack] + vault.objects("index") { try vault.remove(object) }
    #expect(try snapstore("verify", "--vault", "v").status == 65)
    #expect(try damagedObjects() ?? 0 > 1)
    for object in try vault.objects("points") where object.contains(vault.points[0].id) {
      try snapstore.write(object, [1, 2, 3])
    }
    let result = try metrics()
    #expect(result.status == 0, "the metric says it")
    #expect(result.errors.contains("warning: recovery point \(vault.points[0].id) can't be read"))
    #expect(try samples(result.output)["snapstore_vault_unreadable_points"] == 1)
    #expect(try samples(result.output)["snapstore_points{vm=\"disk\"}"] == 1)
  }

  @Test("as JSON, one object has the same samples")
  func json() throws {
    let object = try metrics("--json").object()
    let text = try samples(try metrics().output)
    for (name, list) in object {
      for sample in try #require(list as? [[String: Any]]) {
        let labels = sample.filter { $0.key != "value" && $0.key != "vault" }
          .sorted { $0.key < $1.key }.map { "\($0)=\"\($1)\"" }.joined(separator: ",")
        let value = try #require(text[labels.isEmpty ? name : "\(name){\(labels)}"], "\(name)")
        let isClock = name.contains("generated") || name.contains("age") || name.contains("free")
        let number = try #require(sample["value"] as? NSNumber).doubleValue
        // Foundation reads the last digits of a fraction otherwise.
        #expect(isClock || abs(number - value) <= abs(value) * 1e-12, "\(name)")
      }
    }
    #expect(text.count == object.values.reduce(0) { $0 + (($1 as? [Any])?.count ?? 0) })
  }

  @Test("a file is written whole, may be read by the exporter, and replaced by its like only")
  func file() throws {
    try FileManager.default.createDirectory(
      atPath: snapstore.path("collector"), withIntermediateDirectories: false)
    for _ in 0..<2 {
      let result = try metrics("--output", "collector/snapstore.prom")
      #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty)
      let text = String(decoding: try snapstore.read("collector/snapstore.prom"), as: UTF8.self)
      #expect(try promtool(text) == "")
      #expect(try samples(text).keys == samples(try metrics().output).keys)
      let attributes = try FileManager.default.attributesOfItem(
        atPath: snapstore.path("collector/snapstore.prom"))
      #expect(attributes[.posixPermissions] as? Int == 0o644)
      #expect(try snapstore.directory.names("collector") == ["snapstore.prom"])
    }
    #expect(try metrics("--output", "collector/b.prom", "--json").object().count > 10)
    // What it must not replace.
    let disk = try snapstore.read("disk.img")
    try FileManager.default.createSymbolicLink(
      atPath: snapstore.path("link"), withDestinationPath: "collector/snapstore.prom")
    #expect(makeFIFO(snapstore.path("fifo")))
    for name in ["disk.img", "link", "fifo", "collector", "/dev/null"] {
      let result = try metrics("--output", name)
      #expect(result.status == 73, "\(name): \(result.errors)")
      #expect(result.errors.contains("is not replaced\nhint: "), "\(result.errors)")
    }
    #expect(try snapstore.read("disk.img") == disk)
    #expect(try metrics("--output", "nowhere/x.prom").status == 66)
    #expect(try metrics("--output", "").status == 64)
    #expect(try metrics("--output", "x", "--textfile").status == 64)
  }

  @Test("--textfile writes where the configuration says")
  func textfile() throws {
    let without = try metrics("--textfile")
    #expect(without.status == 64)
    #expect(
      without.errors.contains("the configuration names no file for metrics\nhint: set textfile"))
    try snapstore.write(
      "c.toml",
      Array(
        "vault = '\(snapstore.path("v"))'\n[metrics]\ntextfile = '\(snapstore.path("a.prom"))'".utf8
      ))
    let result = try snapstore(
      "metrics", "--textfile", environment: ["SNAPSTORE_CONFIG": "c.toml"])
    #expect(result.status == 0 && result.output.isEmpty, "\(result.errors)")
    #expect(String(decoding: try snapstore.read("a.prom"), as: UTF8.self).contains("vm=\"disk\""))
  }

  @Test("names of any kind are escaped as Prometheus wants it")
  func escapes() throws {
    let family = MetricFamily(
      "snapstore_test", "a \\ and a\nnew line \"",
      [
        .init(labels: [("vault", "/a \"b\" \\c\nd ä{}=,")], value: .number(0.5)),
        .init(labels: [], value: .integer(-3)), .init(labels: [("x", "1")], value: .number(.nan)),
        .init(labels: [("x", "2")], value: .number(-.infinity)),
        .init(labels: [("x", "3")], value: .number(1e300)),
      ])
    #expect(
      family.text == #"""
        # HELP snapstore_test a \\ and a\nnew line "
        # TYPE snapstore_test gauge
        snapstore_test{vault="/a \"b\" \\c\nd ä{}=,"} 0.5
        snapstore_test -3
        snapstore_test{x="1"} NaN
        snapstore_test{x="2"} -Inf
        snapstore_test{x="3"} 1e+300

        """#)
    #expect(try promtool(family.text) == "")
    #expect(MetricFamily("snapstore_none", "Nothing.").text.isEmpty)
  }
}
