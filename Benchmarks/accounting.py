"""Runs commands and accounts for what they cost; looks at files and caches."""

import ctypes
import mmap
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
LIBC.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
WORKLOADS = {
    "W1": "first backup",
    "W2": "the same disks, copied",
    "W3": "a day later",
    "W4": "restore to new files",
    "W5": "verify all data",
    "S1": "first backup of one disk",
    "S16": "the same bytes as sixteen disks",
}


class HarnessError(Exception):
    """Options that can't work, or a peer's command that failed."""


@dataclass
class Usage:
    """What one or several commands, one after the other, cost."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def add(self, other):
        """Adds a command that ran after this one."""
        self.wall_seconds += other.wall_seconds
        self.cpu_seconds += other.cpu_seconds
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def run(command, log, cwd=None, env=None):
    """Runs a command with its output in the file `log`, and returns its `Usage`."""
    command = [str(word) for word in command]
    with open(log, "wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = " | ".join(Path(log).read_text(errors="replace").split("\n")[-4:]).strip(" |")
        raise HarnessError(f"{' '.join(command[:3])} …: exit {process.returncode}: {tail}")
    return Usage(wall_seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def own_peak_bytes():
    """The harness's own peak: what peak memory of a command can't be told below."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def files_under(path):
    """All regular files at or below a path."""
    if path.is_file():
        return [path]
    return [Path(top, name) for top, _, names in os.walk(path) for name in names]


def apparent_bytes(path):
    """The sizes of all files below a path, summed, holes included."""
    return sum(file.lstat().st_size for file in files_under(path))


def allocated_bytes(path):
    """What the files below a path take on disk."""
    return sum(file.lstat().st_blocks * 512 for file in files_under(path))


def data_ranges(file, position, end):
    """Where a part of a file has data."""
    while position < end:
        try:
            start = os.lseek(file.fileno(), position, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        position = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), end)
        if start < end:
            yield range(start, position)


def parts_of(file):
    """The data of a file in parts of a MiB: offset, and a buffer for it."""
    buffer = memoryview(bytearray(MIB))
    for data in data_ranges(file, 0, os.fstat(file.fileno()).st_size):
        for offset in range(data.start, data.stop, MIB):
            yield offset, buffer[: data.stop - offset]


def read_file(path):
    """Reads the data of a file, so that it is in the page cache."""
    with open(path, "rb", buffering=0) as file:
        for offset, part in parts_of(file):
            os.preadv(file.fileno(), [part], offset)


def uncached_bytes(path):
    """How much of a file's data is not in the page cache. Reads nothing: to try by RWF_NOWAIT would
    start reading ahead."""
    missing = 0
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return 0
        start = LIBC.mmap(None, size, 0, mmap.MAP_SHARED, file.fileno(), 0)
        if start == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap", str(path))
        pages = (ctypes.c_ubyte * (MIB // mmap.PAGESIZE + 1))()
        for offset, part in parts_of(file):
            first = offset // mmap.PAGESIZE * mmap.PAGESIZE
            length = offset + len(part) - first
            if LIBC.mincore(start + first, length, pages) != 0:
                raise OSError(ctypes.get_errno(), "mincore", str(path))
            count = -(-length // mmap.PAGESIZE)
            missing += mmap.PAGESIZE * bytes(pages[:count]).count(0)
        LIBC.munmap(start, size)
    return missing


# Where the cache is full of other things, what is read pushes out what was read just before it: it
# takes some passes until the kernel keeps all.
WARMING_PASSES = 6
COLD_SHARE = 0.01


def settle(paths, caches):
    """Brings the machine to the state every measurement starts from: `warm` or `cold` caches."""
    os.sync()
    if caches == "cold":
        DROP_CACHES.write_text("3\n")
        return
    files = [file for path in paths for file in files_under(path)]
    enough = COLD_SHARE * sum(map(allocated_bytes, paths))
    for _ in range(WARMING_PASSES):
        for file in files:
            read_file(file)
        if sum(map(uncached_bytes, files)) <= enough:
            return
    raise HarnessError("what is to be read does not stay in the page cache: measure less at once")


def same_content(left, right):
    """Whether two files are equal, byte for byte."""
    return subprocess.run(["cmp", "--silent", left, right], check=False).returncode == 0
