#!/usr/bin/env python3
"""A second reader of snapstore vaults, written from docs/format.md alone.

reader.py check VAULT                  every checksum, ID, fingerprint, index entry, filter and cut
reader.py restore VAULT POINT OUTDIR   the disks as OUTDIR/NAME.img; the index is not asked

Needs the standard library, libxxhash.so.0, liblz4.so.1, libzstd.so.1. Exit 0: all is well; 1: something is not.
"""
import ctypes, hashlib, hmac, mmap, os, re, stat, struct, sys
from collections import Counter, defaultdict, namedtuple
from types import SimpleNamespace

BLOCK, EXTENT, CHUNK, MINIMUM, SMALL = 4096, 4 << 20, 256 << 10, 16 << 10, 64 << 20
STORED = CHUNK + 4096
VAULT, PACK, TRAILER, SEGMENT, POINT, SESSION, OUTCOME, DAMAGE, VERIFICATION, EPOCH, TOMBSTONE, \
    POLICY, MACHINE, PIN, REVIEW, JOBS = range(1, 17)
NAME, POINTID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}"
NUMBER = r"(?:[0-9a-f]{8}|[1-9a-f][0-9a-f]{8,15})"
SERIAL = "[0-9a-f]{32}-" + NUMBER
TIME, DAYS = r"([01]\d|2[0-3]):[0-5]\d", ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = f"({'|'.join(DAYS)})"
SCHEDULE = (rf"|hourly :[0-5]\d|daily {TIME}(,{TIME})*|weekly {DAY}(,{DAY})* {TIME}"
            rf"|monthly ([1-9]|[12]\d|3[01]) {TIME}")
COMPRESSIONS = (1, *range(2 + 256, 2 + 256 * 20, 256))  # lz4, zstd of each level
Record = namedtuple("Record", "id offset raw stored kind codec")
Disk = namedtuple("Disk", "name size root")


class Bad(Exception):
    """Bytes that are damaged, or newer than this reader."""


def need(condition, problem):
    if not condition:
        raise Bad(problem)


# Hashes and codecs

class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XXH, LZ4 = ctypes.CDLL("libxxhash.so.0"), ctypes.CDLL("liblz4.so.1")
ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
PLAIN = [ctypes.c_char_p, ctypes.c_size_t]
XXH.XXH3_64bits.argtypes, XXH.XXH3_64bits.restype = PLAIN, ctypes.c_uint64
XXH.XXH3_64bits_withSecret.argtypes = XXH.XXH3_128bits_withSecret.argtypes = PLAIN * 2
XXH.XXH3_64bits_withSecret.restype, XXH.XXH3_128bits_withSecret.restype = ctypes.c_uint64, Hash128


def checksum(data):
    return XXH.XXH3_64bits(data, len(data))


def xxh128(data, secret):
    value = XXH.XXH3_128bits_withSecret(data, len(data), secret, len(secret))
    return struct.pack(">QQ", value.high, value.low)


def hkdf(seed, purpose):
    key, block, output = hmac.digest(bytes(32), seed, "sha256"), b"", b""
    for counter in range(1, 7):
        block = hmac.digest(key, block + b"snapstore %s 1%c" % (purpose, counter), "sha256")
        output += block
    return output


def id_of(vault, content, kind):
    length = struct.pack("<Q", len(content))
    if kind == 1 and vault.hash == 2:
        return xxh128(content, vault.id_secret) + b"snapstor" + length
    tag = b"snapstore chunk\0" if kind == 1 else b"snapstore map\0\0\0"
    pieces = (content[at:at + 16384] for at in range(0, len(content), 16384))
    digests = (hashlib.sha256(piece).digest() for piece in pieces)
    return hashlib.sha256(tag + bytes(32) + length + b"".join(digests)).digest()


# Values and the frame of objects

class Fields:
    """Reads values one behind the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size, allowed=range(1 << 64)):
        value = int.from_bytes(self.take(size), "little")
        need(value in allowed, f"{value} is not allowed here")
        return value

    def text(self, pattern=".*"):
        value = self.take(self.number(8, range(65537))).decode()
        need(re.fullmatch(pattern, value, re.DOTALL), f"{value!r} is not allowed here")
        return value

    def time(self):
        seconds, nanoseconds = struct.unpack("<qI", self.take(12))
        need(nanoseconds < 10**9 and -62135596800 <= seconds <= 253402300799, "is no time")
        return seconds

    def reference(self):
        """None for a hole, else the ID and the number of bytes below that are in chunks."""
        return (self.take(32), self.number(8, range(1, 1 << 64))) if self.number(1, (0, 1)) else None

    def end(self):
        need(self.at == len(self.data), "is longer than expected")


def frame(data, kind, known, may=()):
    """The sections of an object, or of a pack's trailer: type to (offset, length)."""
    need(len(data) >= 64, "is too short")
    at = len(data) - 64 if kind == TRAILER else 0
    *fixed, _, length, count, check, zero = struct.unpack("<8sIIQQQQQQ", data[at:at + 64])
    need(fixed == [b"SNAPSTOR", kind, 1, 0] and zero == 0,
         f"begins with {fixed}: another kind or version, new features, or damaged")
    need(length == (0 if kind == PACK else len(data)) and count <= 1024, "a length is wrong")
    table_at = at - 40 * count if kind == TRAILER else 64
    end, ceiling = (64, table_at) if kind == TRAILER else (64 + 40 * count, len(data))
    need(end <= ceiling, "the section table is cut off")
    table = data[table_at:table_at + 40 * count]
    need(checksum(data[at:at + 48] + table) == check, "the checksum of the table is wrong")
    sections = {}
    for type_, flags, offset, size, check, zero in struct.iter_unpack("<IIQQQQ", table):
        need(zero == 0 and end <= offset and offset + size <= ceiling, "a section lies outside")
        need(type_ in known or type_ in may or not flags & 1, f"has a new section {type_}")
        end = offset + size
        need(flags & 2 or checksum(data[offset:end]) == check, f"section {type_}: bad checksum")
        sections.setdefault(type_, (offset, size))
    need(set(known) <= set(sections), "a section is missing")
    return sections


def body(data, sections, type_):
    offset, size = sections[type_]
    return data[offset:offset + size]


def small(data, kind, *wanted, may=()):
    """The wanted sections of a small object as Fields, and those that it has of what it may have."""
    sections, end = frame(data, kind, wanted, may), 64 + 40 * data[40]
    for offset, size in [*sorted(sections.values()), (len(data), 0)]:
        need(offset % 8 == 0 and not any(data[end:offset]), "what should be zero is not")
        end = offset + size
    wanted += tuple(type_ for type_ in may if type_ in sections)
    return [Fields(body(data, sections, type_)) for type_ in wanted]


def read_descriptor(data):
    identity, secret, algorithms = small(data, VAULT, 1, 2, 3)
    id_, created, seed = identity.take(16), identity.time(), secret.take(32)
    hash_, _, kind, fixed, _ = (algorithms.number(size, allowed) for size, allowed in (
        (4, (1, 2)), (4, COMPRESSIONS), (4, (1, 2)), (8, range(0, CHUNK + 1, BLOCK)), (4, (0,))))
    need(EXTENT % fixed == 0 if kind == 2 and fixed else kind == 1, f"cuts fixed:{fixed}")
    for fields in (identity, secret, algorithms):
        fields.end()
    cut, print_, id_secret = (hkdf(seed, name) for name in (b"cut", b"fingerprint", b"id"))
    return SimpleNamespace(id=id_, created=created, hash=hash_, fixed=fixed * (kind == 2),
                           cut=cut, print=print_, id_secret=id_secret)


def read_point(data, name):
    identity, consistency, disks, chain, descriptor = small(data, POINT, 1, 2, 3, 4, 5)
    point = SimpleNamespace(
        id=identity.text(POINTID), machine=identity.text(NAME), session=identity.take(16),
        sequence=identity.number(8), time=identity.time(), data=data,
        consistency=consistency.number(4, (1, 2, 3, 4)), evidence=consistency.text(),
        disks=[read_disk(disks) for _ in range(disks.number(8, range(4097)))],
        parent=chain.text(f"({POINTID})?"), hash=hashlib.sha256(data).digest(),
        previous={chain.take(32) for _ in range(chain.number(8, range(65537)))},
        vault=read_descriptor(descriptor.data), suspicion=0)
    for fields in (identity, consistency, disks, chain):
        fields.end()
    sections = frame(data, POINT, (1, 2, 3, 4, 5))
    if 7 in sections:
        clock = Fields(body(data, sections, 7))
        clock.time()
        point.suspicion = clock.number(4, (0, 1, 2))
        clock.end()
    if 8 in sections:
        signals = Fields(body(data, sections, 8))
        signals.take(6 * 8)
        rules = [signals.number(4, range(1, 1 << 32)) for _ in range(signals.number(8, range(65)))]
        need(rules == sorted(set(rules)), "its signals are not in order")
        signals.end()
    need(point.id == name[:-2], f"is point {point.id}")
    need(len({disk.name for disk in point.disks}) == len(point.disks), "two disks of one name")
    return point


def read_disk(disks):
    fields = Fields(disks.take(disks.number(8, range(65537))))  # what is left of it is newer
    name, _, _ = fields.text(NAME), fields.number(4, (1, 2)), fields.number(4, (1,))
    size, _, level = fields.number(8, range(1 << 63)), fields.text(), fields.number(8)
    need(level == root_level(size), "the map's level does not fit the disk's size")
    disk = Disk(name, size, fields.reference())
    fields.take(5 * 8)
    return disk


def is_committed(data, session):
    outcome, = small(data, OUTCOME, 1)
    need(outcome.take(16) == session, "is of another session")
    verdict = outcome.number(4, (1, 2))
    outcome.end()
    return verdict == 1


def check_session(data, name):
    identity, points, host = small(data, SESSION, 1, 2, 3)
    need(identity.take(16).hex() == name, "is of another session")
    identity.number(4, (1, 2, 3)), identity.number(8), identity.time(), host.text()
    [points.text(POINTID) for _ in range(points.number(8, range(1025)))]
    identity.end(), points.end()


def read_epoch(data, name):
    identity, *lists = small(data, EPOCH, 1, 2, 3)
    number, _, _ = identity.number(8, range(1, 1 << 64)), identity.take(16), identity.time()
    need(f"{number:08x}" == name.removesuffix(".2"), "has another name")
    def packs(fields, has_since):
        for _ in range(fields.number(8, range((1 << 20) + 1))):
            yield f"{fields.take(16).hex()}-{fields.number(8):016x}"
            has_since and fields.number(8, range(number + 1))
    condemned, doomed = (list(packs(fields, fields is lists[0])) for fields in lists)
    for fields in (identity, *lists):
        fields.end()
    need(all(names == sorted(set(names)) for names in (condemned, doomed))
         and not set(condemned) & set(doomed), "its packs are not in order")
    def short(name):
        return f"{name[:32]}-{int(name[33:], 16):08x}"
    return SimpleNamespace(number=number, data=data, condemned={short(name) for name in condemned},
                           doomed={short(name) for name in doomed})


def check_mark(data, name, kind):
    identity, = small(data, kind, 1)
    need(identity.text(POINTID) == name, "has another name")
    identity.time(), identity.end()


def check_jobs(data, name):
    fields, = small(data, JOBS, 1)
    ids = [read_job(fields) for _ in range(fields.number(8, range(4097)))]
    fields.end()
    need(name[:5] == "fold-" or ids == [name[:-6]], "holds other jobs")


def read_job(fields):
    id_, _, _ = fields.text(POINTID), fields.number(4, range(1, 7)), fields.text()
    fields.time()
    for form in (NAME, POINTID):
        fields.text(f"({form})?")
    if fields.number(4, (0, 1)):
        fields.time(), fields.number(4)
        texts = [fields.text(), fields.text()]
        warnings = [fields.text() for _ in range(fields.number(8, range(9)))]
        need(all(warnings) and all(len(one.encode()) <= 1024 for one in texts + warnings),
             "a text of a job is too long, or a warning empty")
        figures = [(fields.number(4), fields.number(8))[0]
                   for _ in range(fields.number(8, range(65)))]
        need(figures == sorted(set(figures)), "the figures of a job are not in order")
    return id_


def read_tombstone(data, name):
    """The state: 1 deleted, 2 undeleted, 3 final; and the hash of the point."""
    identity, = small(data, TOMBSTONE, 1)
    need(f"{identity.text(POINTID)}-{identity.number(8, range(1, 1 << 64)):08x}" == name,
         "has another name")
    state, _, seconds = identity.number(4, (1, 2, 3)), identity.time(), identity.number(8)
    need(state == 1 or seconds == 0, "has seconds")
    identity.end()
    sections = frame(data, TOMBSTONE, (1,))
    hash_ = None
    if 2 in sections:
        subject = Fields(body(data, sections, 2))
        subject.text(NAME), subject.number(8, range(1, 1 << 63))
        hash_ = subject.take(32)
        subject.end()
    return state, hash_


def read_change(data, name, kind):
    """What a change of a policy or machine says, as a text."""
    identity, *rest = small(data, kind, 1, may=(2,))
    need(f"{identity.text(NAME)}-{identity.number(8, range(1, 1 << 63)):08x}" == name[:-2],
         "has another name")
    state, _ = identity.number(4, (1, 2)), identity.time()
    identity.end()
    need(len(rest) == (state == 1), "its state does not fit its sections")
    if state == 2:
        return "removed"
    said = (read_settings if kind == POLICY else read_assignment)(*rest)
    rest[0].end()
    return said


def read_settings(fields):
    schedule, zone = fields.text(SCHEDULE), fields.text(r"[\w+-]+(/[\w+-]+)*")
    need(zone.isascii() and len(zone) <= 64, "its time zone can't be one")
    for part in schedule.split(" ")[1:]:
        values = [DAYS.index(one) if one in DAYS else one for one in part.split(",")]
        need(values == sorted(set(values)), "its schedule is not in order")
    seconds, keep = fields.number(8, range(36500 * 86400 + 1)), [fields.number(4) for _ in range(5)]
    need(any(keep), "keeps nothing")
    return f"{schedule or 'by hand'}, {zone}, keeps {keep}, {seconds} s"


def read_assignment(fields):
    policy, disks = fields.text(NAME), []
    for _ in range(fields.number(8, range(4097))):
        name, _, source = fields.text(NAME), fields.number(4, (1, 2)), fields.text()
        need(source[:1] == "/" and "\0" not in source, "a source is no path")
        disks.append((name, source))
    need(len(dict(disks)) == len(disks), "two disks of one name")
    return " ".join([policy] + [f"{name}={source}" for name, source in disks])


def check_verification(data, name, count):
    identity, points, *lossy = small(data, VERIFICATION, 1, 2, may=(3,))
    need(identity.take(16).hex() == name, "is of another session")
    identity.time()
    for kind, fields, least in [("verified", points, 0)] + [("lossy", fields, 1) for fields in lossy]:
        count[kind + " points"] += len(
            [fields.text(POINTID) for _ in range(fields.number(8, range(least, (1 << 20) + 1)))])
        fields.end()
    identity.end()


def check_damage(data, name, packs, count):
    """What it says must be true: the copy is damaged, or there is no copy in a directory."""
    identity, findings = small(data, DAMAGE, 1, 2)
    need(f"{identity.take(16).hex()}-{identity.number(8):08x}" == name, "has another name")
    identity.time()
    for _ in range(findings.number(8, range(65537))):
        id_, kind, has_place = findings.take(32), findings.number(1, (1, 2)), findings.number(1, (0, 1))
        need(not any(findings.take(6)), "reserved bytes are set")
        place = findings.take(32)
        pack = f"{place[:16].hex()}-{int.from_bytes(place[16:24], 'little'):08x}"
        if has_place and pack in packs:
            there = record_at(packs[pack].data, int.from_bytes(place[24:], "little"))
            need(there is None or (there.id, there.kind) != (id_, kind), "a finding is not true")
        need(has_place or not any(place), "a finding without a place has one")
        count["damaged records"] += 1
    findings.end()


# Packs

def record_at(data, at):
    """The record whose head is at `at`, head and stored bytes checked; else None."""
    head = data[at:at + 80]
    if head[:4] != b"SREC" or len(head) < 80:
        return None
    kind, codec, key, raw, stored, nonce, zero, id_, check, head_check = struct.unpack(
        "<BBHQQH6s32sQQ", head[4:])
    bytes_ = data[at + 80:at + 80 + min(stored, STORED)]
    is_good = (checksum(head[:72]) == head_check and 0 < raw <= CHUNK and len(bytes_) == stored
               and kind in (1, 2) and codec in (0, 1, 2) and not any((key, nonce, *zero))
               and checksum(bytes_) == check)
    return Record(id_, at, raw, stored, kind, codec) if is_good else None


def content(data, record):
    """The decoded content of a record; None if it does not decode."""
    stored = data[record.offset + 80:record.offset + 80 + record.stored]
    if record.codec == 0:
        return stored if record.stored == record.raw else None
    target = ctypes.create_string_buffer(record.raw)
    if record.codec == 1:
        length = LZ4.LZ4_decompress_safe(stored, target, record.stored, record.raw)
    else:
        length = ZSTD.ZSTD_decompress(target, record.raw, stored, record.stored)
    return target.raw if length == record.raw else None


def scan(vault, data):
    """Every record that proves itself by its ID, found without the directory."""
    at = data.find(b"SREC", 64)
    while at >= 0:
        record = record_at(data, at)
        found = record and content(data, record)
        is_proved = found and id_of(vault, found, record.kind) == record.id
        if is_proved:
            yield record
        at = data.find(b"SREC", at + 80 + record.stored if is_proved else at + 1)


def directory(data, vault, name):
    need(128 <= len(data) <= 1 << 28, "has an impossible length")
    frame(data[:64], PACK, ())
    sections = frame(data, TRAILER, (1, 2))
    session, number = name.split("-")
    identity = vault.id + bytes.fromhex(session) + struct.pack("<Q", int(number, 16))
    need(body(data, sections, 1) == identity, "is another pack")
    rows, end, records = body(data, sections, 2), 64, []
    need(len(rows) % 64 == 0, "the directory has half an entry")
    need(len(rows) <= 64 << 19, "the directory has too many entries")
    for *place, zero in struct.iter_unpack("<32sQQQBB6s", rows):
        record = Record(*place)
        need(record.kind in (1, 2) and record.codec in (0, 1, 2), "has a new kind or codec")
        need(record.raw <= CHUNK and record.stored <= STORED and not any(zero), "an entry is wrong")
        need(end <= record.offset <= sections[1][0] - 80 - record.stored, "a record lies outside")
        end = record.offset + 80 + record.stored
        records.append(record)
    return records


# Index segments

def pages(data, used):
    """The used bytes of pages that check themselves, joined."""
    for at in range(0, len(data), 4096):
        check = data[at + 4088:at + 4096]
        need(struct.pack("<Q", checksum(data[at:at + 4088])) == check, "a page is damaged")
    return b"".join(data[at:at + used] for at in range(0, len(data), 4096))


def segment(data):
    """The packs with their sizes, the entries as (record, row), the filter's blocks as numbers."""
    sections = frame(data, SEGMENT, (1, 2, 3, 4))
    count, blocks = struct.unpack("<QQ", body(data, sections, 1))
    packs = [(f"{session.hex()}-{number:08x}", size) for session, number, size
             in struct.iter_unpack("<16sQQ", body(data, sections, 2))]
    need(sections[3][1] == -(-count // 73) * 4096 and sections[4][1] == -(-blocks // 63) * 4096
         and blocks and sections[3][0] % 4096 == sections[4][0] % 4096 == 0, "counts do not fit")
    need(not any(data[sum(sections[2]):sections[3][0]]), "the fill is not zero")
    rows, bits = pages(body(data, sections, 3), 4088), pages(body(data, sections, 4), 4032)
    need(not any(rows[56 * count:]) and not any(bits[64 * blocks:]), "a page's end is not zero")
    entries = [(Record(id_, offset, raw, stored, kind, codec), row)
               for id_, offset, raw, stored, row, kind, codec, zero
               in struct.iter_unpack("<32sQIIIBBH", rows[:56 * count])]
    return packs, entries, [int.from_bytes(bits[64 * n:64 * n + 64], "little")
                            for n in range(blocks)]


def filter_place(id_, blocks):
    """The block of an ID in a filter, and its bits there."""
    word0, word1 = struct.unpack(">QQ", id_[:16])
    bits = 0
    for probe in range(7):
        bits |= 1 << (word1 >> 9 * probe) % 512
    return word0 * blocks >> 64, bits


def check_segment(data, vault, packs, count, doomed):
    """Compares a segment with the directories of its packs, and its filter with one made anew."""
    covered, entries, blocks = segment(data)
    for name, size in covered:
        need(name in doomed or name in packs and len(packs[name].data) == size,
             f"covers {name}, not there")
    keys = [(record.id, covered[row][0], record) for record, row in entries]
    need([key[0] for key in keys] == sorted(key[0] for key in keys), "is not sorted")
    need(sorted(key for key in keys if key[1] in packs) == sorted(
        (record.id, name, record) for name, _ in covered if name in packs
        for record in packs[name].records), "is not what the packs hold")
    rebuilt = [0] * max(1, -(-12 * len(entries) // 512))
    for record, _ in entries:
        block, bits = filter_place(record.id, len(rebuilt))
        rebuilt[block] |= bits
    need(rebuilt == blocks, "the filter is not that of the entries")
    for n in range(10000):
        block, bits = filter_place(id_of(vault, b"%d" % n * (n % 999 + 1), 1), len(blocks))
        count["false filter answers in 10000"] += blocks[block] & bits == bits
    count["index entries"] += len(entries)


# Disk maps and cutting

def root_level(size):
    nodes, level = -(-size // EXTENT), 0
    while nodes > 1:
        nodes, level = -(-nodes // 64), level + 1
    return level


def span_node(data, level, count):
    fields = Fields(data)
    need(fields.number(8) == level and fields.number(8) == count, "is not the node of this place")
    children = [fields.reference() for _ in range(count)]
    fields.end()
    need(any(children), "is all hole")
    return children, sum(child[1] for child in children if child)


def extent_node(data, size):
    """The ranges of an extent: (length, None) for zeros, (length, (ID, fingerprint)) else."""
    fields, position, ranges = Fields(data), 0, []
    fields.number(8, (0,))
    for _ in range(fields.number(8, range(1025))):
        tag = fields.number(1, (0, 1))
        length = fields.number(8, range(1, (CHUNK if tag else EXTENT) + 1))
        ranges.append((length, (fields.take(32), fields.take(16)) if tag else None))
        position += length
        need(position % BLOCK == 0 or position == size, "a range ends inside of a block")
    fields.end()
    need(position == size, "the ranges do not fill the extent")
    return ranges, sum(length for length, chunk in ranges if chunk)


def cut(vault, data):
    """The pieces of an extent by the rules: (length, whether it is a chunk)."""
    sizes = ([min(vault.fixed, len(data) - at) for at in range(0, len(data), vault.fixed)]
             if vault.fixed else aligned_sizes(data, vault.cut))
    pieces, at = [], 0
    for size in filter(None, sizes):
        is_chunk = data[at:at + size].strip(b"\0") != b""
        at += size
        if not is_chunk and pieces and not pieces[-1][1]:
            size += pieces.pop()[0]
        pieces.append((size, is_chunk))
    return pieces


def aligned_sizes(data, secret, zeros=re.compile(rb"\0*")):
    sizes, start, at = [], 0, 0
    while at < len(data):
        end = zeros.match(data, at).end()
        end -= end % BLOCK if end < len(data) else 0
        if end - at >= MINIMUM:
            sizes += [at - start, end - at]
            start = at = end
            continue
        block = data[at:at + BLOCK]
        at += len(block)
        if at - start >= MINIMUM and (at - start == CHUNK or XXH.XXH3_64bits_withSecret(
                block, len(block), secret, len(secret)) % 16 == 0):
            sizes.append(at - start)
            start = at
    return sizes + [at - start]


# A vault

class Vault:
    """An open vault. What is wrong with an object is said in `problems`; the rest is read."""

    def __init__(self, path):
        self.path, self.problems, self.packs, self.places = path, [], {}, defaultdict(list)
        copies = [self.attempt("points/" + name, read_point, name)
                  for name in reversed(self.names("points", POINTID + r"\.[12]"))]
        copies = [point for point in copies if point]
        self.descriptor = self.attempt("vault", read_descriptor) or copies[0].vault
        steps = {}  # the newest tombstone of each point
        for name in self.names("tombstones", f"{POINTID}-{NUMBER}"):
            if steps.get(name[:23], (0,))[0] < int(name[24:], 16):
                steps[name[:23]] = int(name[24:], 16), self.attempt(
                    "tombstones/" + name, read_tombstone, name) or (1, None)
        self.states = {point: step[0] for point, (_, step) in steps.items()}
        self.followed = {hash_ for point in copies for hash_ in point.previous}
        self.points = {point.id: point for point in copies  # copy 1 comes last
                       if point.vault.id == self.descriptor.id and self.exists(point)
                       and self.states.get(point.id) != 3}
        newest = max(self.names("epochs", NUMBER), key=lambda name: int(name, 16), default=None)
        epoch = newest and (self.attempt("epochs/" + newest, read_epoch, newest)
                            or self.attempt(f"epochs/{newest}.2", read_epoch, newest))
        self.doomed = epoch.doomed if epoch else set()
        for name in self.names("packs", SERIAL):
            data = self.attempt("packs/" + name, lambda data: data)
            records = data and self.attempt("packs/" + name, directory, self.descriptor, name)
            if data:
                records = list(scan(self.descriptor, data)) if records is None else records
                self.packs[name] = SimpleNamespace(data=data, records=records)
                for record in records:
                    self.places[record.id].append((data, record))

    def exists(self, point):
        """What the outcome says, else its copy; where both are lost or damaged, whether another point follows."""
        name = "outcomes/" + point.session.hex()
        verdicts = [self.attempt(name + end, is_committed, point.session) for end in ("", ".2")]
        return next((said for said in verdicts if said is not None), point.hash in self.followed)

    def names(self, folder, pattern):
        folder = os.path.join(self.path, folder)
        return sorted(name for name in os.listdir(folder) if re.fullmatch(pattern, name)
                      ) if os.path.isdir(folder) else []

    def attempt(self, name, function, *arguments):
        """`function` of an object's bytes; None, and a problem, where the object is not right."""
        try:
            folder = os.path.join(self.path, os.path.dirname(name), "")
            need("/" not in name or not os.path.islink(folder[:-1]), "its folder is a link")
            file = os.open(os.path.join(self.path, name), os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(file, "rb") as opened:
                status, is_small = os.fstat(file), name[:5] not in ("packs", "index")
                need(stat.S_ISREG(status.st_mode) and status.st_size > 0, "is no object")
                need(not is_small or status.st_size <= SMALL, "is too long")
                return function(opened.read() if is_small else mmap.mmap(
                    file, 0, access=mmap.ACCESS_READ), *arguments)
        except FileNotFoundError:
            return None
        except (Bad, OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}: {error}")

    def read(self, id_, kind, is_right):
        """The first good copy of a chunk or node."""
        for data, place in self.places[id_]:
            found = record_at(data, place.offset) == place and content(data, place)
            if found and place.kind == kind and is_right(found):
                return found
        raise Bad(f"no good copy of {id_.hex()} is left")

    def node(self, reference, decode, *arguments):
        id_, announced = reference
        node, below = decode(self.read(
            id_, 2, lambda found: id_of(self.descriptor, found, 2) == id_), *arguments)
        need(below == announced, f"{announced} bytes announced, {below} found")
        return node

    def extents(self, disk):
        """The extents that are not all zero, in order: (offset, size, reference)."""
        def walk(reference, level, number):
            if reference and level == 0:
                yield number * EXTENT, min(EXTENT, disk.size - number * EXTENT), reference
            elif reference:
                count = min(64, -(-disk.size // (EXTENT << 6 * (level - 1))) - 64 * number)
                for n, child in enumerate(self.node(reference, span_node, level, count)):
                    yield from walk(child, level - 1, 64 * number + n)
        return walk(disk.root, root_level(disk.size), 0)

    def extent(self, reference, size):
        """The ranges of an extent and its bytes, each chunk proved by its fingerprint."""
        ranges, data = self.node(reference, extent_node, size), b""
        for length, chunk in ranges:
            data += self.read(chunk[0], 1, lambda found: len(found) == length and xxh128(
                found, self.descriptor.print) == chunk[1]) if chunk else bytes(length)
        return ranges, data


# Commands

def check(vault):
    seen, count, own = set(), Counter(), vault.descriptor
    print(f"vault {own.id.hex()}, hash {own.hash}, "
          + (f"fixed:{own.fixed}" if own.fixed else "aligned"))
    for name, pack in vault.packs.items():
        if list(scan(own, pack.data)) != pack.records:
            vault.problems.append(f"packs/{name}: the directory is not what a scan finds")
        count.update({"records": len(pack.records), "packs": 1})
    for name in vault.names("index", SERIAL):
        vault.attempt("index/" + name, check_segment, own, vault.packs, count, vault.doomed)
    for name in vault.names("sessions", "[0-9a-f]{32}"):
        vault.attempt("sessions/" + name, check_session, name)
    for name in vault.names("pins", POINTID):
        vault.attempt("pins/" + name, check_mark, name, PIN)
    for name in vault.names("reviews", POINTID):
        vault.attempt("reviews/" + name, check_mark, name, REVIEW)
    for name in vault.names("jobs", rf"{POINTID}\.(begun|ended)|fold-[0-9a-f]{{16}}"):
        vault.attempt("jobs/" + name, check_jobs, name)
    for name in vault.names("damage", SERIAL):
        vault.attempt("damage/" + name, check_damage, name, vault.packs, count)
    for name in vault.names("verifications", "[0-9a-f]{32}"):
        vault.attempt("verifications/" + name, check_verification, name, count)
    for kind, folder in ((POLICY, "policies"), (MACHINE, "machines")):
        changes = defaultdict(dict)
        for copy in vault.names(folder, NAME + "-" + NUMBER + r"\.[12]"):
            said = vault.attempt(f"{folder}/{copy}", read_change, copy, kind)
            subject, number = copy[:-2].rsplit("-", 1)
            first = changes[subject].setdefault(int(number, 16), said)  # copy 1, if it is there
            changes[subject][int(number, 16)] = said if first is None else first
            if copy.endswith(".2") and said != first:
                vault.problems.append(f"{folder}/{copy}: its copies differ, or one is missing")
        for subject, steps in sorted(changes.items()):
            if len(steps) < max(steps):
                vault.problems.append(f"{folder}/{subject}: a change is missing")
            print("policy" if kind == POLICY else "machine", subject, steps[max(steps)])
    for point in sorted(vault.points.values(), key=lambda point: (point.machine, point.sequence)):
        deleted = ["deleted"] if vault.states.get(point.id) == 1 else []
        print(f"{point.id} {point.machine} {point.sequence}", *deleted,
              *(f"{disk.name}={disk.size}" for disk in point.disks))
        for copy in "12":
            if vault.attempt(f"points/{point.id}.{copy}", lambda data: data) != point.data:
                vault.problems.append(f"points/{point.id}.{copy} is missing or differs")
        for disk in point.disks:
            check_disk(vault, point, disk, seen, count)
    print(", ".join(f"{number} {what}" for what, number in count.items()))


def check_disk(vault, point, disk, seen, count):
    """Reads each extent that no other disk had, and cuts it again."""
    try:
        for offset, size, reference in vault.extents(disk):
            if (reference, size) in seen:
                continue
            seen.add((reference, size))
            ranges, data = vault.extent(reference, size)
            need(cut(vault.descriptor, data) == [(length, bool(chunk)) for length, chunk in ranges],
                 f"is not cut by the rules at {offset}")
            count.update({"extents": 1, "bytes": size, "ranges": len(ranges)})
    except Bad as error:
        vault.problems.append(f"{point.id} {disk.name}: {error}")


def restore(vault, point, target):
    newest = max((point for point in vault.points.values() if vault.states.get(point.id) != 1),
                 key=lambda point: (point.sequence, point.time, point.id))
    point = newest if point == "latest" else vault.points[point]
    os.makedirs(target)
    for disk in point.disks:
        with open(os.path.join(target, disk.name + ".img"), "xb") as file:
            file.truncate(disk.size)
            for offset, size, reference in vault.extents(disk):
                file.seek(offset)
                file.write(vault.extent(reference, size)[1])


def main(command, path, *arguments):
    vault = Vault(path)
    {"check": check, "restore": restore}[command](vault, *arguments)
    for problem in vault.problems:
        print("PROBLEM", problem)
    return 1 if vault.problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
