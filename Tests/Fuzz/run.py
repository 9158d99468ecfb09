#!/usr/bin/env python3
"""Runs the fuzzing program on every decoder, each for some seconds, two at a time.

Each begins from the golden files and from Corpus/DECODER.hex, which has an input a line: what
earlier runs found worth keeping (--keep adds to it) and what was a bug. A crash, a broken promise,
a time or memory limit that is passed ends with the input's path, and exit code 1.

  run.py PROGRAM WORK [--seconds 10] [--decoders point pack ...] [--keep]
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

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "SnapStoreFormatTests" / "Golden"
CORPUS = HERE / "Corpus"
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
    "verification": lambda: with_sections("verification"),
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
    environment = dict(os.environ, SNAPSTORE_FUZZ_DECODER=name)
    # What Swift's runtime keeps for ever is no leak, and LeakSanitizer says it is.
    environment["ASAN_OPTIONS"] = "detect_leaks=0"
    # libFuzzer tells where it was; Swift's own report reads all memory and never ends here.
    environment["SWIFT_BACKTRACE"] = "enable=no"
    command = [str(program), *LIMITS, f"-artifact_prefix={work}/", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        errors="replace", check=False)


def run(program, work, name, seconds):
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    write(folder / "inputs", SEEDS[name]() + kept(name))
    done = fuzz(
        program, folder, name, f"-max_total_time={seconds}", "-print_final_stats=1",
        "-use_value_profile=1", folder / "inputs")
    (folder / "log").write_text(done.stderr)

    def figure(pattern):
        found = re.findall(pattern, done.stderr)
        return found[-1] if found else "?"

    print(
        f"{name:13} {figure(r'number_of_executed_units: (.*)'):>9} runs"
        f" {figure(r'average_exec_per_sec: *(.*)'):>7} a second"
        f" {figure(r' cov: (.*?) '):>5} places"
        f" {figure(r'peak_rss_mb: *(.*)'):>4} MiB"
        f" {'' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode != 0:
        again = f"SNAPSTORE_FUZZ_DECODER={name} {program} {folder}/…"
        print(done.stderr[-6000:], again, sep="\n", flush=True)
    return done.returncode == 0


def keep(program, work, name):
    """Short inputs that reach what seeds and corpus do not, into the corpus."""
    least = work / name / "least"
    shutil.rmtree(least, ignore_errors=True)
    known = kept(name)
    write(least, SEEDS[name]() + known)
    merged = fuzz(program, work / name, name, "-merge=1", least, work / name / "inputs")
    if merged.returncode != 0:
        sys.exit(merged.stderr)
    first = set(SEEDS[name]() + known)
    found = [path.read_bytes() for path in sorted(least.iterdir())]
    fresh = [data for data in found if data not in first and len(data) <= KEPT_BYTES]
    # The deepest are rarely the shortest.
    fresh.sort(key=len, reverse=True)
    lines = known + fresh[: max(0, KEPT_INPUTS - len(known))]
    (CORPUS / f"{name}.hex").write_text("".join(data.hex() + "\n" for data in lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--decoders", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.add_argument("--keep", action="store_true", help="add what was found to the corpus")
    options = parser.parse_args()
    program, work = options.program.resolve(), options.work.resolve()
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as lanes:
        passed = list(
            lanes.map(lambda name: run(program, work, name, options.seconds), options.decoders))
    if options.keep:
        for name in options.decoders:
            keep(program, work, name)
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
