import Foundation
import SnapStoreCommands
import Testing

@Suite("TOML, as a configuration needs it")
struct TOMLReaderTests {
  /// What TOML allows and this reader takes.
  static let good = [
    "", "\n\n", "# nothing\n", "a = 1", "a = 1 # one\n\tb=2\r\n",
    "bare_key-1 = true\n1234 = false\n\"quoted key\" = 1\n'lit \"k' = 2\n\"\" = 3\n\"\\u00e4\" = 4",
    "a.b.c = 1\na . b . d = 2\na.\"b\".'e' = 3\n3.14 = 1",
    "[a]\nx=1\n[a.b]\ny=2\n[ c . d ] # e\nz=3\n[c]\nw=4",
    "[a.b.c]\n[a]\nb.d = 1", "[a.b.c]\nx=1\n[a.b]\ny=1\n[a]\nz=1",
    "[fruit]\napple.color = 1\napple.taste.sweet = true\n[fruit.apple.texture]\nsmooth = true",
    "[a]\nb.c = 1\nb.d = 2", "[a]\n[a.b]\n[c]\n[a.d]",
    "s = \"\\b\\t\\n\\f\\r\\\"\\\\ \\u00E9 \\U0001F600\"", "s = \"tab\there\"", "s = ''\nt = \"\"",
    "s = 'C:\\new\\\"x\"'", "s = \"ä😀\u{301}\"", "s = \"#no comment\" # ä",
    "s = \"\"\"\"\"\"", "s = \"\"\"\nfirst\nsecond\"\"\"", "s = \"\"\"a\"b\"\"c\"\"\"",
    "s = \"\"\"a\"\"\"\"", "s = \"\"\"a\"\"\"\"\"", "s = \"\"\"\"\"\"\"", "s = '''\n''a'''''",
    "s = '''a\\n\n'b' \t'''", "s = \"\"\"a \\\n\n   b \\  \n c\"\"\"",
    "s = \"\"\"a\\\"\\\"\\\"b\"\"\"",
    "s = \"\"\"a\r\nb\"\"\"\nt = 1", "s = '''\r\na'''",
    "i = [0, +0, -0, +99, -17, 1_000, 1_2_3, 9223372036854775807, -9223372036854775808]",
    "i = [0xDEAD_BEEF, 0xff, 0o755, 0b1101, 0x00, 0o0_1]",
    "a = []\nb = [ ]\nc = [1,2,]\nd = [\n 1, # one\n\n 2\n # end\n,\n]\ne = [[1], ['a', true], []]",
    "a = [{x=1}, {y.z='t'}]", "t = {}\nu = { a = 1 }\nv = {a.b = 1, a.c = 2, \"d e\"= [{}]}",
    "[t]\nu = {v = {w = 1}}\n[t.x]\n", "a = \"\"\"\n\"\"\"", "true = 1\ninf = 2\n-1 = 3\n_ = 4",
    "[\"a.b\"]\nc=1\n['']\nd=1", "a = [\"x\\u0000\"]",
  ]

  /// What is no TOML.
  static let bad = [
    "a", "a =", "a = \n1", "= 1", "a = 1 b = 2", "a = 1, b = 2", "a b = 1", "a..b = 1", ".a = 1",
    "a. = 1", "a = 1\na = 2", "a = 1\na.b = 2", "a.b = 1\na = 2", "a.b = 1\na.b.c = 2",
    "[a]\n[a]", "[a]\nb=1\n[a.b]", "a=1\n[a]", "a.b=1\n[a]", "[a]\nb.c=1\n[a.b]",
    "[a.b]\nc=1\n[a]\nb.d=2", "[a.b.c]\n[a]\nb.d=1\n[a.b]", "t={}\nt.a=1", "t={}\n[t]",
    "t={}\n[t.a]",
    "t={a={}}\nt.a.b=1", "t={a={b=1}, a.c=2}", "t={a=1,a=2}", "t={a.b=1,a=2}", "a=[{}]\n[a.b]",
    "a=[]\n[a]", "a=[{}]\na.b=1",
    "[]", "[a", "[a]]", "[a.]", "[a..b]", "[ ]", "[a] b=1", "[a\n]", "[[a]\n", "[a b]",
    "a = tru", "a = True", "a = nul", "a = x", "a = 01", "a = 1__0", "a = _1", "a = 1_", "a = +0x1",
    "a = 0xg", "a = 0x", "a = 0b2", "a = 0o8", "a = 0X1", "a = --1", "a = +-1", "a = -", "a = 0x_1",
    "a = 0x+1", "a = -01", "a = 1.", "a = .5", "a = 1e", "a = 2026-13-01",
    "a = \"", "a = \"b", "a = 'b", "a = \"\n\"", "a = 'b\n'", "a = \"b\"c", "a = \"\"\"b",
    "a = '''b''",
    "a = \"\\x41\"", "a = \"\\e\"", "a = \"\\a\"", "a = \"\\ \"", "a = \"\\u12\"",
    "a = \"\\ud800\"",
    "a = \"\\U00110000\"", "a = \"\\u12g4\"", "a = \"\"\"\\ x\"\"\"", "a = \"\"\"b\"\"\"\"\"\"",
    "a = '''b''''''", "a = \"\u{1}\"", "a = '\u{7F}'", "a = \"\"\"\u{0}\"\"\"", "# \u{1F}",
    "a = 1 # \u{0}",
    "a = 1\rb = 2", "a = \"\"\"x\ry\"\"\"", "# x\ry", "\"\"\"a\"\"\" = 1", "'''a''' = 1",
    "\"a\nb\" = 1",
    "a = [", "a = [1", "a = [1 2]", "a = [,]", "a = [1,,2]", "a = ]", "a = [1]]", "a = [1, b = 2]",
    "a = {", "a = {b=1", "a = {,}", "a = {b}", "a = {b=}", "a = {b=1 c=2}", "a = {b=1}}", "a = }",
    "a = {b=1,,c=2}", "ä = 1", "a = ä", "a = 'b' 'c'", "\u{FEFF}a = 1", "a = 1;", "a: 1", "{a=1}",
    "a = [1\n", "a = \u{A0}1", "a = \"x\\\ny\"",
  ]

  /// What TOML allows, or a later version of it may, and this reader refuses.
  static let notRead = [
    "a = 1.5", "a = 1e3", "a = inf", "a = -nan", "a = 2026-11-23", "a = 2026-11-23T10:00:00Z",
    "a = 10:00:00", "[[a]]\nb = 1", "a = 9223372036854775808", "a = {b=1,}", "a = {\nb=1}",
    "a = \(String(repeating: "[", count: 40))\(String(repeating: "]", count: 40))",
    "a\(String(repeating: ".a", count: 40)) = 1",
    "a = \(String(repeating: "{a=", count: 40))1\(String(repeating: "}", count: 40))",
  ]

  private func read(_ text: String) throws(TOMLError) -> TOMLTable {
    try TOMLReader.read(Array(text.utf8))
  }

  @Test("what is good is read as Python reads it, and what is bad is refused as Python refuses it")
  func peer() throws {
    let answers = try Self.pythonReads(Self.good + Self.bad)
    for (text, answer) in zip(Self.good, answers) {
      let expected = try #require(
        answer as? NSDictionary, "Python refuses \(text.debugDescription)")
      do throws(TOMLError) {
        #expect(Self.object(try read(text)) == expected, "\(text.debugDescription)")
      } catch {
        Issue.record("\(text.debugDescription): \(error)")
      }
    }
    for (text, answer) in zip(Self.bad, answers.dropFirst(Self.good.count)) {
      #expect(answer is NSNull, "Python reads \(text.debugDescription)")
    }
  }

  @Test("what is bad, and what is not read here, is refused with its line")
  func refused() {
    for text in Self.bad + Self.notRead {
      let error = #expect(throws: TOMLError.self, "\(text.debugDescription)") {
        try TOMLReader.read(Array("# first\n\n\(text)".utf8))
      }
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
      #expect((3...2 + lines).contains(error?.line ?? 0), "\(String(describing: error))")
    }
  }

  @Test("a line is named where the mistake is")
  func line() {
    for (text, line, problem) in [
      ("a = 1\nb = 2\na = 3\n", 3, "'a' is there twice"),
      ("a = [\n1,\n2.5]", 3, "'2.5' is no string"), ("[x]\ny = \"\n", 2, "\" is missing"),
      ("s = '''\n\n'''\nt", 4, "'=' behind a key is missing at the end of the line"),
      ("[[hooks]]", 1, "array of tables"), ("a = \u{7}", 1, "'\\u{07}' stands where a value"),
    ] {
      let error = #expect(throws: TOMLError.self) { try TOMLReader.read(Array(text.utf8)) }
      #expect(error?.line == line)
      #expect(error?.problem.contains(problem) == true, "\(String(describing: error))")
    }
  }

  @Test("bytes that are not UTF-8 are refused with their line")
  func notUTF8() {
    let error = #expect(throws: TOMLError.self) {
      try TOMLReader.read(Array("a = 1\nb = '".utf8) + [0xC3, 0x28] + Array("'\n".utf8))
    }
    #expect(error == TOMLError(2, "the text is not UTF-8"))
  }

  @Test("a document that is cut off anywhere, or has any one byte changed, ends with an answer")
  func broken() {
    let text = Array(Self.good.joined(separator: "\n").utf8)
    for count in stride(from: 0, to: text.count, by: 3) {
      attempt(Array(text.prefix(count)))
      var changed = text
      changed[count] = UInt8(truncatingIfNeeded: count &* 37)
      attempt(changed)
    }
  }

  private func attempt(_ bytes: [UInt8]) {
    do throws(TOMLError) {
      _ = try TOMLReader.read(bytes)
    } catch {
      #expect(error.line > 0 && !error.problem.isEmpty)
    }
  }

  /// Each document as Python's reader has it; null where it refuses it.
  private static func pythonReads(_ texts: [String]) throws -> [Any] {
    let script = """
      import json, sys, tomllib
      answers = []
      for text in json.load(sys.stdin):
          try:
              answers.append(tomllib.loads(text))
          except (tomllib.TOMLDecodeError, RecursionError):
              answers.append(None)
      json.dump(answers, sys.stdout)
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = ["-c", script]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(
      contentsOf: JSONSerialization.data(withJSONObject: texts))
    try input.fileHandleForWriting.close()
    let answer = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "tomllib is in Python from 3.11 on")
    return try #require(try JSONSerialization.jsonObject(with: answer) as? [Any])
  }

  private static func object(_ table: TOMLTable) -> NSDictionary {
    NSDictionary(dictionary: table.values.mapValues { object($0) })
  }

  private static func object(_ value: TOMLValue) -> Any {
    switch value.content {
    case .string(let text): text
    case .integer(let number): NSNumber(value: number)
    case .boolean(let truth): NSNumber(value: truth)
    case .array(let values): values.map { object($0) } as NSArray
    case .table(let table): object(table)
    }
  }
}
