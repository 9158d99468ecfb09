#!/usr/bin/env python3
"""Runs the fuzzing program on every decoder, each for some seconds, two at a time.

Each begins from the golden files and from Corpus/DECODER.hex, which has an input a line: what
earlier runs found worth keeping (--keep adds to it) and what was a bug. A crash, a broken promise,
a time or memory limit that is passed ends with the input's path, and exit code 1.

  run.py PROGRAM WORK [--seconds 10] [--decoders point pack ...] [--keep]
  run.py PROGRAM WORK --seconds 300 --until 3600

The second form takes days on two cores, so it can be ended and begun again at any time: it works in
rounds of so many seconds, writes into Spent.tsv what each decoder has had of the processor, and
goes on until each has had enough.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "SnapStoreFormatTests" / "Golden"
CORPUS = HERE / "Corpus"
SPENT = HERE / "Spent.tsv"
# Beyond this an input is not worth a line in the corpus.
KEPT_BYTES = 300
KEPT_INPUTS = 40
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=64"]


def golden(name):
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


def sections(data):
    """An object as the program's other spelling of it: type and flag, length, body."""
    (count,) = struct.unpack_from("<Q", data, 40)
    out = b""
    for row in range(count):
        kind, flags, offset, length = struct.unpack_from("<IIQQ", data, 64 + 40 * row)
        out += struct.pack("<BH", kind | (0 if flags & 1 else 0x80), length)
        out += data[offset : offset + length]
    return out


def with_sections(*names):
    return [form for name in names for form in (golden(name), sections(golden(name)))]


def directory():
    pack = golden("pack")
    (count,) = struct.unpack_from("<Q", pack, len(pack) - 24)
    bodies, end = [], 0
    for row in range(count):
        at = len(pack) - 64 - 40 * (count - row)
        offset, length = struct.unpack_from("<QQ", pack, at + 8)
        bodies.append(pack[offset : offset + length])
        end = offset
    return struct.pack("<I", end)[:3] + bytes([len(bodies[0])]) + bodies[0] + bodies[1]


def record():
    pack = golden("pack")
    return [pack[start.start() : start.start() + 400] for start in re.finditer(b"SREC", pack)]


def names():
    session = "00112233445566778899aabbccddeeff"
    point = "20261122T100000Z-abcdef"
    texts = ["web.1", point, point + "-00000002", session, session + "-0000001f", "gold.1-0000001f", "vault"]
    return texts + ["n" * 64, "n" * 65]


def zones():
    head = b"TZif2" + bytes(15 + 16)
    rules = ["CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "EST5EDT,J60/-2:30,300/25"]
    kind = bytes(6) + b"EST\0"
    count = (1).to_bytes(4, "big") + (4).to_bytes(4, "big")
    return [2 * (head + count + kind) + f"\n{rule}\n".encode() for rule in rules]


SEEDS = {
    "descriptor": lambda: with_sections("descriptor", "descriptor-fixed"),
    "point": lambda: with_sections("point", "point-clock", "point-signals"),
    "session": lambda: with_sections("session"),
    "outcome": lambda: with_sections("outcome"),
    "damage": lambda: with_sections("damage"),
    "verification": lambda: with_sections("verification", "verification-lossy"),
    "epoch": lambda: with_sections("epoch"),
    "tombstone": lambda: with_sections("tombstone"),
    "policy": lambda: with_sections("policy", "policy-removed"),
    "machine": lambda: with_sections("machine", "machine-unassigned"),
    "pin": lambda: with_sections("pin"),
    "review": lambda: with_sections("review"),
    "jobs": lambda: with_sections("jobs"),
    "zone": lambda: zones(),
    "pack": lambda: [golden("pack")],
    "directory": lambda: [directory()],
    "record": lambda: [golden("record-head")] + record(),
    "segment": lambda: [golden("index-segment")],
    "page": lambda: [b"\x03" + golden("index-page")[: 3 * 56]],
    "extent": lambda: [(16384 + 32768 + 4097).to_bytes(3, "little") + golden("extent-node")],
    "span": lambda: [b"\x02\x03" + golden("span-node")],
    "names": lambda: [text.encode() for text in names()],
    "time": lambda: [struct.pack("<qI", seconds, 9) for seconds in (0, 1795341600, -62135596800)],
    "codec": lambda: [b"\x00\x09the quick brown fox", b"\x01\x04\x00\x1fa\x01\x00\x00"],
    "cutter": lambda: [bytes([0, 4, 9, 0, 200, 9, 0, 3, 130, 20, 7, 12])],
    "recutter": lambda: [bytes([4, 9, 0, 200, 9, 0, 3, 130, 20, 7, 12, 2, 1, 3, 2, 4, 0, 0])],
}


def kept(name):
    path = CORPUS / f"{name}.hex"
    if not path.exists():
        return []
    return [bytes.fromhex(line) for line in path.read_text().split("\n")[:-1]]


def write(folder, inputs):
    folder.mkdir(parents=True)
    for number, data in enumerate(inputs):
        (folder / f"{number:04}").write_bytes(data)


def fuzz(program, work, name, *arguments):
    """Exit code, what libFuzzer told, and seconds of processor time."""
    environment = dict(os.environ, SNAPSTORE_FUZZ_DECODER=name)
    # What Swift's runtime keeps for ever is no leak, and LeakSanitizer says it is.
    environment["ASAN_OPTIONS"] = "detect_leaks=0"
    # libFuzzer tells where it was; Swift's own report reads all memory and never ends here.
    environment["SWIFT_BACKTRACE"] = "enable=no"
    command = [str(program), *LIMITS, f"-artifact_prefix={work}/", *map(str, arguments)]
    log = work / "log"
    with log.open("wb") as told:
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, log.read_text(errors="replace"), usage.ru_utime + usage.ru_stime


class Spent:
    """What Spent.tsv says: for each decoder, seconds of the processor, runs, places reached."""

    def __init__(self):
        self.lock = threading.Lock()
        rows = SPENT.read_text().splitlines()[1:] if SPENT.exists() else []
        self.rows = {row.split("\t")[0]: list(map(int, row.split("\t")[1:])) for row in rows}

    def seconds(self, name):
        return self.rows.get(name, [0, 0, 0])[0]

    def add(self, name, seconds, runs, places):
        with self.lock:
            row = self.rows.get(name, [0, 0, 0])
            self.rows[name] = [row[0] + round(seconds), row[1] + runs, max(row[2], places)]
            lines = [["decoder", "seconds", "runs", "places"]]
            lines += [[name, *self.rows[name]] for name in SEEDS if name in self.rows]
            fresh = SPENT.with_suffix(".new")
            fresh.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
            fresh.replace(SPENT)


def begin(work, name):
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    write(folder / "inputs", SEEDS[name]() + kept(name))


def run(program, work, name, seconds, spent=None):
    """One round of a decoder, from the inputs in its folder: whether it passed."""
    folder = work / name
    code, told, used = fuzz(
        program, folder, name, f"-max_total_time={seconds}", "-print_final_stats=1",
        "-use_value_profile=1", folder / "inputs")

    def figure(name):
        found = re.findall(name + r": *(\d+)", told)
        return int(found[-1]) if found else 0

    runs, places = figure("number_of_executed_units"), figure("cov")
    print(
        f"{name:13} {runs:9} runs {figure('average_exec_per_sec'):7} a second"
        f" {places:5} places {figure('peak_rss_mb'):4} MiB {'' if code == 0 else 'FAILED'}",
        flush=True)
    if code != 0:
        again = f"SNAPSTORE_FUZZ_DECODER={name} {program} {folder}/…"
        print(told[-6000:], again, sep="\n", flush=True)
    elif spent:
        spent.add(name, used, runs, places)
    return code == 0


def keep(program, work, name):
    """Short inputs that reach what seeds and corpus do not, into the corpus."""
    least = work / name / "least"
    shutil.rmtree(least, ignore_errors=True)
    known = kept(name)
    write(least, SEEDS[name]() + known)
    code, told, _ = fuzz(program, work / name, name, "-merge=1", least, work / name / "inputs")
    if code != 0:
        sys.exit(told)
    first = set(SEEDS[name]() + known)
    found = [path.read_bytes() for path in sorted(least.iterdir())]
    fresh = [data for data in found if data not in first and len(data) <= KEPT_BYTES]
    # The deepest are rarely the shortest.
    fresh.sort(key=len, reverse=True)
    lines = known + fresh[: max(0, KEPT_INPUTS - len(known))]
    (CORPUS / f"{name}.hex").write_text("".join(data.hex() + "\n" for data in lines))


def once(program, work, name, options):
    begin(work, name)
    return run(program, work, name, options.seconds)


def until(program, work, name, options, spent):
    if spent.seconds(name) >= options.until:
        return True
    # What an earlier run of this found and had no time to keep is used.
    if not (work / name / "inputs").exists():
        begin(work, name)
    while (rest := options.until - spent.seconds(name)) > 0:
        if not run(program, work, name, min(options.seconds, rest), spent):
            return False
    keep(program, work, name)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10, help="how long a round is")
    parser.add_argument("--decoders", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.add_argument("--keep", action="store_true", help="add what was found to the corpus")
    parser.add_argument(
        "--until", type=int, help="go on until each has had so many seconds of the processor")
    options = parser.parse_args()
    program, work = options.program.resolve(), options.work.resolve()
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as lanes:
        if options.until:
            spent = Spent()
            each = lambda name: until(program, work, name, options, spent)
        else:
            each = lambda name: once(program, work, name, options)
        passed = list(lanes.map(each, options.decoders))
    if options.keep:
        for name in options.decoders:
            keep(program, work, name)
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
