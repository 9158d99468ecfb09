#!/usr/bin/env python3
"""Proves that vaults made by the program are what docs/format.md says: prove.py SNAPSTORE WORKDIR

Makes disks of awkward content, backs them up to a vault of each kind, reads those with reader.py,
restores with it, then damages copies of the vaults, reads, restores and heals them. WORKDIR must
not exist.
"""
import glob, hashlib, os, random, shutil, struct, subprocess, sys
from types import SimpleNamespace
import reader

HERE = os.path.dirname(os.path.abspath(__file__))
READER, PAGE = HERE + "/reader.py", HERE + "/../../docs/format.md"
KINDS = ([], ["--compression", "zstd:1"], ["--chunk-hash", "xxh3-128"], ["--chunking", "fixed:65536"])
MIB = 1 << 20


def check_vectors():
    """The page's test vectors are those of the reader."""
    def text(size):
        counters = (struct.pack("<Q", n) for n in range(size // 32 + 1))
        return b"".join(hashlib.sha256(counter).digest() for counter in counters)[:size]
    cut, print_, name = (reader.hkdf(bytes(range(32)), purpose)
                         for purpose in (b"cut", b"fingerprint", b"id"))
    sha, xxh = (SimpleNamespace(hash=n, fixed=0, cut=cut, id_secret=name) for n in (1, 2))
    blocks = (length // 4096 for length, _ in reader.cut(sha, text(1 << 20)))
    vectors = [secret[:16].hex() for secret in (cut, print_, name)]
    vectors += [reader.xxh128(text(size), print_).hex() for size in (5, 4096, 262144)]
    vectors += [reader.id_of(sha, text(size), 1).hex() for size in (5, 16384, 16385)]
    vectors += [reader.id_of(sha, text(100), 2).hex(), reader.id_of(xxh, text(4096), 1).hex(),
                struct.pack("<Q", reader.checksum(text(80))).hex(), ", ".join(map(str, blocks))]
    with open(PAGE) as page:
        written = page.read()
    missing = [vector for vector in vectors if vector not in written]
    print(len(vectors), "test vectors;", "missing in the page:", missing or "none")


def pieces(seed, blocks, tail):
    """Data, zeros and repeats in runs of 1 to 70 blocks, most of them short; then a short block."""
    rng, data = random.Random(seed), b""
    while len(data) < blocks * 4096:
        run = 4096 * rng.choice((1, 1, 2, 3, 3, 4, 4, 5, 17, 70))
        data += rng.choice((rng.randbytes, bytes, bytes, lambda size: b"ab" * (size // 2)))(run)
    return data[:blocks * 4096] + (rng.randbytes(tail) if rng.random() < 0.5 else bytes(tail))


def write(path, *parts):
    """A sparse file: parts are (offset, bytes), the last offset alone is the size."""
    *parts, size = parts
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in parts:
            file.seek(offset)
            file.write(data)


def make_disks(folder):
    os.makedirs(folder)
    rng = random.Random(1)
    disks = {"empty": b"", "one": b"x", "zero-one": b"\0", "zeros": bytes(9 * MIB + 777),
             "noise": rng.randbytes(5 * MIB + 4097), "text": b"snapstore " * 900000,
             "magic": b"SREC" * 300000, "edge": rng.randbytes(4 * MIB), "tail": bytes(4 * MIB) + b"y"}
    disks.update({f"pieces{seed}": pieces(seed, rng.randrange(1, 3000), rng.randrange(4096))
                  for seed in range(5)})
    for name, data in disks.items():
        write(f"{folder}/{name}.img", (0, data), len(data))
    far = [(0, b"a"), (255 * MIB, rng.randbytes(2 * MIB)), (16384 * MIB - 1, b"bc")]
    write(f"{folder}/far.img", *far, 16641 * MIB + 5)
    write(f"{folder}/wide.img", (300 * MIB + 123, rng.randbytes(99999)), 700 * MIB)


def run(*command, expect=0):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != expect:
        sys.exit(f"{command}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def data_of(path):
    """The size, and what is not zero: pieces of 64 KiB with their offsets. Holes are not read."""
    found, end = [], os.path.getsize(path)
    with open(path, "rb") as file:
        at = 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // 65536 * 65536
            except OSError:
                break
            piece = os.pread(file.fileno(), 65536, at)
            found += [(at, piece)] if piece.strip(b"\0") else []
            at += 65536
    return end, found


def same(folder, restored):
    for name in os.listdir(restored):
        if data_of(f"{restored}/{name}") != data_of(f"{folder}/{name}"):
            sys.exit(f"{restored}/{name} differs")
    count = len(os.listdir(restored))
    shutil.rmtree(restored)
    return count


def damage(path, seed):
    rng, size = random.Random(seed), os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(rng.randrange(size - 3))
        file.write(b"\xff\0\xff")


def read_damaged(vault, work, latest, restores):
    """Each damage must be seen; what needs nothing of it must still restore."""
    def remove(pattern):
        return lambda at: [os.remove(path) for path in glob.glob(f"{at}/{pattern}")]
    def flip(pattern, seed):
        return lambda at: damage(sorted(glob.glob(f"{at}/{pattern}"))[seed % 2 - 1], seed)
    def cut_off(at):
        pack = max(glob.glob(f"{at}/packs/*"), key=os.path.getsize)
        os.truncate(pack, os.path.getsize(pack) - 1)
    # What is done, the exit codes of check and of restore (None: not tried).
    cases = [(remove("index/*"), 0, 0), (remove("vault"), 0, 0), (remove("points/*.1"), 1, 0),
             (cut_off, 1, 1)]
    cases += [(flip(folder + "/*", seed), 1, None)
              for folder in ("points", "index", "packs", "outcomes") for seed in range(2)]
    for harm, checked, restored in cases:
        at = work + "/damaged"
        shutil.copytree(vault, at)
        harm(at)
        run(READER, "check", at, expect=checked)
        if restored is not None:
            run(READER, "restore", at, latest, at + ".out", expect=restored)
            same(restores, at + ".out")
        shutil.rmtree(at)
    return len(cases)


def heal(program, vault, work, latest, day):
    """Damage to records: verify records it, the next backup stores what is lost again."""
    at = work + "/healed"
    shutil.copytree(vault, at)
    pack = max(glob.glob(f"{at}/packs/*"), key=os.path.getsize)
    with open(pack, "r+b") as file:
        for place in range(100, os.path.getsize(pack) // 2, 300000):
            file.seek(place)
            file.write(b"\xff\0\xff")
    run(program, "verify", "--vault", at, expect=65)
    report = run(READER, "check", at, expect=1)
    if "damaged records" not in report or "a finding is not true" in report:
        sys.exit(report)
    run(program, "backup", "--vault", at, "--vm", "m", *sorted(glob.glob(day + "/*")))
    run(program, "verify", "--point", latest, "--vault", at)
    run(READER, "restore", at, latest, at + ".out")
    same(day, at + ".out")
    shutil.rmtree(at)
    print("damage is recorded and healed")


def collect(program, vault, work, first, latest, day):
    """Deletes a point and frees its space: what is left is whole for the reader too."""
    at = work + "/collected"
    shutil.copytree(vault, at)
    run(program, "point", "delete", first, "--now", "--yes", "--vault", at)
    run(program, "collect", "--max-dead", "0", "--vault", at)
    report = run(READER, "check", at)
    if first in report or not os.listdir(at + "/epochs"):
        sys.exit(report)
    run(READER, "restore", at, latest, at + ".out")
    same(day, at + ".out")
    run(program, "point", "pin", latest, "--vault", at)
    run(READER, "check", at)
    run(program, "point", "unpin", latest, "--vault", at)
    run(program, "point", "delete", latest, "--vault", at)
    if f"{latest} m 2 deleted" not in run(READER, "check", at):
        sys.exit("the reader does not see a deleted point")
    shutil.rmtree(at)
    print("a collected vault is whole")


def assign(program, vault, work, day):
    """Policies and machines: the reader sees what holds, and each damage to a change."""
    at, disks = work + "/assigned", sorted(glob.glob(day + "/pieces*"))
    shutil.copytree(vault, at)
    def policy(*words):
        run(program, "policy", *words, "--vault", at)
    policy("set", "gold-1.a", "--schedule", "weekly sun,wed 2:30", "--keep-daily", "7")
    policy("set", "gold-1.a", "--time-zone", "Europe/Berlin", "--soft-delete", "36h")
    policy("set", "old", "--keep-last", "1")
    policy("remove", "old")
    policy("assign", "gold-1.a", "--vm", "m", "--os-disk", disks[0], "--data-disk", "b=" + disks[1])
    policy("assign", "gold-1.a", "--vm", "other", "--data-disk", disks[2])
    policy("unassign", "--vm", "other")
    run(program, "backup", "--vm", "m", "--vault", at)
    for _ in range(70):  # jobs, so many that they are folded
        run(program, "verify", "--point", "latest", "--vm", "small", "--vault", at)
    if not any(name.startswith("fold-") for name in os.listdir(at + "/jobs")):
        sys.exit("jobs were not folded")
    report = run(READER, "check", at)
    first = os.path.basename(disks[0])[:-4]
    def here(path):
        return os.path.join(os.getcwd(), path)
    for line in ("policy gold-1.a weekly wed,sun 02:30, Europe/Berlin, keeps [0, 7, 0, 0, 0], 129600 s",
                 "policy old removed", "machine other removed",
                 f"machine m gold-1.a {first}={here(disks[0])} b={here(disks[1])}"):
        if line not in report.splitlines():
            sys.exit(f"{line} is not in:\n{report}")
    for path in sorted(sum((glob.glob(f"{at}/{name}/*") for name in ("policies", "machines", "jobs")), [])):
        kept = open(path, "rb").read()
        damage(path, 1)
        run(READER, "check", at, expect=1)
        run(program, "verify", "--vault", at, "--quick", expect=65)
        open(path, "wb").write(kept)
    run(READER, "check", at)
    shutil.rmtree(at)
    print("policies and machines are read")


def main(program, work):
    check_vectors()
    day1, day2 = work + "/day1", work + "/day2"
    make_disks(day1)
    shutil.copytree(day1, day2, ignore=shutil.ignore_patterns("far.img", "wide.img"))
    for path in glob.glob(day2 + "/pieces*") + [day2 + "/noise.img"]:
        damage(path, path[-5:])
    for number, kind in enumerate(KINDS):
        vault = f"{work}/vault{number}"
        run(program, "vault", "create", vault, *kind)
        for day in (day1, day2):
            run(program, "backup", "--vault", vault, "--vm", "m", *sorted(glob.glob(day + "/*")))
        for seed in range(8):  # a segment each, so that they are merged
            write(f"{work}/small.img", (0, random.Random(seed).randbytes(9999)), 9999)
            run(program, "backup", "--vault", vault, "--vm", "small", f"{work}/small.img")
        if len(os.listdir(vault + "/index")) > 7:
            sys.exit("index segments were not merged")
        print(f"--- {vault} {' '.join(kind)}")
        report = run(READER, "check", vault)
        print(report, end="")
        points = [line.split()[0] for line in report.splitlines()[1:3]]
        for point, day in zip(points, (day1, day2)):
            run(READER, "restore", vault, point, work + "/out")
            print(same(day, work + "/out"), "disks of", point, "restored: equal")
        run(program, "verify", "--vault", vault)
        print(read_damaged(vault, work, points[-1], day2), "kinds of damage seen")
        heal(program, vault, work, points[-1], day2)
        collect(program, vault, work, points[0], points[-1], day2)
        assign(program, vault, work, day2)


if __name__ == "__main__":
    main(*sys.argv[1:])
