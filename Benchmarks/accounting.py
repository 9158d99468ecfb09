"""Runs commands and accounts for what they cost; looks at files and caches."""

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
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


def read_file(path):
    """Reads the allocated parts of a file, so that they are in the page cache."""
    buffer = bytearray(MIB)
    with open(path, "rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size
        position = 0
        while position < end:
            try:
                start = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return
            position = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            os.lseek(file.fileno(), start, os.SEEK_SET)
            for _ in range(start, position, len(buffer)):
                file.readinto(buffer)


def settle(paths, caches):
    """Brings the machine to the state every measurement starts from: `warm` or `cold` caches."""
    os.sync()
    if caches == "cold":
        DROP_CACHES.write_text("3\n")
        return
    for path in paths:
        for file in files_under(path):
            read_file(file)


def same_content(left, right):
    """Whether two files are equal, byte for byte."""
    return subprocess.run(["cmp", "--silent", left, right], check=False).returncode == 0
