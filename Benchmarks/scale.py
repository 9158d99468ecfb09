#!/usr/bin/env python3
"""What a vault of very many chunks costs: made through the real writer from disks that lie nowhere.

    scale.py --snapstore .build/release/snapstore --tool .build/scale/release/SnapStoreScale \\
             --work /var/tmp/scale [--chunks 1000000] [--chunk-bytes 4096] [--memory 256M]

Backs up sixteen synthetic disks, on a first day and with 1 % of other content on a second; then, with
the program itself: `points`, `vault info`, `verify --quick`, and `restore` of one disk. Looks up IDs
in the index on one thread. And lists the points of a vault that has 1,000 of them.

Every chunk compresses to some tens of bytes: a million of 4 KiB need 0.3 GB of vault, and one disk
in sixteen is restored, 0.25 GB. Nothing is begun that would leave less than --spare GB free.
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

from accounting import MIB, HarnessError, run
from measuring import scratch
from reporting import host

DISKS = 16
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--snapstore", metavar="BINARY", required=True)
    add("--tool", metavar="BINARY", required=True)
    add("--work", metavar="DIR", type=Path, required=True)
    add("--chunks", metavar="N", type=int, default=1_000_000)
    add("--chunk-bytes", metavar="N", type=int, default=4096)
    add("--memory", metavar="SIZE", default="256M")
    add("--lookups", metavar="N", type=int, default=200_000)
    add("--points", metavar="N", type=int, default=1000, help="of the vault of points; 0: none")
    add("--spare", metavar="GB", type=float, default=20)
    add("--json", metavar="OUT", type=Path)
    return parser.parse_args()


class Scale:
    """Runs the works one after the other and keeps their figures."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.vault = work / "vault"
        self.rows = []

    def run(self, name, command):
        """Runs a command as one row; returns what it printed as its last line, if that is JSON."""
        log = self.work / "log"
        usage = run(command, log)
        row = {
            "work": name,
            "seconds": usage.wall_seconds,
            "cpu_seconds": usage.cpu_seconds,
            "peak_bytes": usage.peak_bytes,
        }
        lines = log.read_text(errors="replace").splitlines()
        try:
            row["result"] = json.loads(lines[-1]) if lines else None
        except ValueError:
            row["result"] = None
        self.rows.append(row)
        print(f"{name}: {usage.wall_seconds:.2f} s", file=sys.stderr, flush=True)
        return row["result"]

    def tool(self, name, work, last):
        """A work of the tool."""
        o = self.options
        memory = int(o.memory[:-1]) * UNITS[o.memory[-1]]
        sizes = [o.chunks // DISKS * DISKS, o.chunk_bytes, DISKS, memory]
        return self.run(name, [o.tool, work, self.vault, *sizes, last])

    def program(self, name, *words):
        """A command of snapstore on the vault."""
        return self.run(name, [self.options.snapstore, *words, "--vault", self.vault, "--json"])

    def all(self):
        """Everything, in order."""
        o = self.options
        limits = ["--memory", o.memory]
        self.tool("first backup", "backup", 0)
        self.tool("second day, 1 % other", "backup", 1)
        self.tool("unchanged", "backup", 1)
        self.tool("lookups", "lookups", o.lookups)
        self.program("points", "points")
        self.program("vault info", "vault", "info")
        self.program("verify --quick", "verify", "--quick", *limits)
        self.program("collect --dry-run", "collect", "--dry-run", *limits)
        target = self.work / "restored"
        words = ["--point", "latest", "--disk", "disk-0", "--to", target, *limits]
        self.program("restore of one disk", "restore", *words)
        shutil.rmtree(target)
        if o.points:
            self.vault = self.work / "points"
            self.run(f"{o.points} backups", [o.tool, "points", self.vault, o.points])
            for _ in range(5):
                self.program(f"points of {o.points}", "points")


def needed_bytes(options):
    """A guess at the most that is on disk at once: the vault, and a restored disk."""
    return options.chunks * (400 + options.chunk_bytes / DISKS) + options.points * 20_000


def table(rows):
    """The rows as Markdown."""
    lines = ["| work | seconds | CPU seconds | peak memory | |", "|---|---|---|---|---|"]
    for row in rows:
        result = row["result"] if isinstance(row["result"], dict) else {}
        notes = [
            f"{key} {value:,.0f}" if value >= 1 else f"{key} {value:.3f}"
            for key, value in result.items()
            if isinstance(value, (int, float)) and key != "seconds"
        ]
        lines.append(
            f"| {row['work']} | {row['seconds']:.2f} | {row['cpu_seconds']:.2f} | "
            f"{row['peak_bytes'] / MIB:.0f} MiB | {', '.join(notes)} |"
        )
    return "\n".join(lines)


def main():
    """Exit codes: 0 measured, 1 a command failed, 74 no space."""
    options = parse_arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(options.work).free
    if free - needed_bytes(options) < options.spare * 1e9:
        print(f"scale.py: error: only {free / 1e9:.0f} GB are free", file=sys.stderr)
        return 74
    with scratch(options.work.resolve() / f"scale-{os.getpid()}") as work:
        scale = Scale(options, work)
        try:
            scale.all()
        except HarnessError as error:
            print(f"scale.py: error: {error}", file=sys.stderr)
            return 1
        finally:
            print(table(scale.rows))
    if options.json:
        document = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host": host(),
            "chunks": options.chunks,
            "chunk_bytes": options.chunk_bytes,
            "memory": options.memory,
            "rows": scale.rows,
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
