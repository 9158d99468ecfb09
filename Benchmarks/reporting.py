"""Medians, ratios, the table for people and the JSON."""

import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from accounting import MIB, WORKLOADS, allocated_bytes, apparent_bytes
from peers import PEERS


def summarize(measurements, peers):
    """Medians and ratios: a list of rows, one for each kind of caches, workload and peer."""
    by_key = {(m.run, m.caches, m.workload, m.peer): m for m in measurements if not m.error}
    reference = next((p for p in peers if any(key[3] == p for key in by_key)), None)
    rows = []
    for caches in dict.fromkeys(m.caches for m in measurements):
        for workload in WORKLOADS:
            for peer in peers:
                wanted = (caches, workload, peer)
                good = [m for m in by_key.values() if (m.caches, m.workload, m.peer) == wanted]
                if good:
                    pairs = [(m, by_key.get(counterpart(m, reference))) for m in good]
                    rows.append(row(*wanted, good, [pair for pair in pairs if pair[1]]))
    return reference, rows


def counterpart(measurement, reference):
    """What a measurement is compared with: the reference's in the same run; for sixteen disks, the
    same peer's with one."""
    if measurement.workload == "S16":
        return (measurement.run, measurement.caches, "S1", measurement.peer)
    return (measurement.run, measurement.caches, measurement.workload, reference)


def row(caches, workload, peer, good, pairs):
    """The medians of one peer's measurements of one workload, and its ratios to the reference."""

    def median(value):
        return statistics.median(value(m) for m in good)

    def ratio(value):
        if not pairs:
            return None
        return statistics.median(value(m) / max(value(r), 1e-9) for m, r in pairs)

    def wall(m):
        return m.usage.wall_seconds

    def durable(m):
        return m.usage.wall_seconds + m.sync_seconds

    def cpu(m):
        return m.usage.cpu_seconds

    return {
        "caches": caches,
        "workload": workload,
        "peer": peer,
        "runs": len(good),
        "wall_seconds": median(wall),
        "wall_seconds_least": min(map(wall, good)),
        "wall_seconds_most": max(map(wall, good)),
        "durable_seconds": median(durable),
        "ratio": ratio(durable),
        "ratios": [durable(m) / max(durable(r), 1e-9) for m, r in pairs],
        "cpu_seconds": median(cpu),
        "cpu_ratio": ratio(cpu),
        "sync_seconds": median(lambda m: m.sync_seconds),
        "peak_bytes": median(lambda m: m.usage.peak_bytes),
        "peak_bytes_is_a_bound": any(m.usage.peak_bytes <= m.floor_bytes for m in good),
        "added_bytes": median(lambda m: m.added_bytes),
        "repository_bytes": median(lambda m: m.repository_bytes_after),
        "restored_allocated_bytes": median(lambda m: m.restored_allocated_bytes),
        "verified": all(m.verified for m in good) if workload == "W4" else None,
    }


HEADINGS = ["", "", "peer", "wall s", "least", "most", "sync s", "×", "CPU s", "× CPU", "peak MiB"]
HEADINGS += ["added MiB", "repository MiB", "on disk MiB", "restored"]


def cells(figures):
    """One row of the table as text."""
    restore = figures["workload"] == "W4"
    stores = figures["workload"] not in ("W4", "W5") and not PEERS[figures["peer"]].stores_whole_files
    mark = "<" if figures["peak_bytes_is_a_bound"] else ""
    seconds = ["wall_seconds", "wall_seconds_least", "wall_seconds_most", "sync_seconds", "ratio"]
    seconds += ["cpu_seconds", "cpu_ratio"]
    return [
        figures["caches"],
        figures["workload"],
        figures["peer"],
        *("" if figures[key] is None else f"{figures[key]:.2f}" for key in seconds),
        f"{mark}{figures['peak_bytes'] / MIB:.0f}",
        f"{figures['added_bytes'] / MIB:,.1f}" if stores else "",
        f"{figures['repository_bytes'] / MIB:,.1f}" if stores else "",
        f"{figures['restored_allocated_bytes'] / MIB:,.1f}" if restore else "",
        "same" if figures["verified"] else "",
    ]


def table(rows):
    """Rows of medians as an aligned table."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = []
    for index, line in enumerate(lines):
        if index > 1 and line[:2] != lines[index - 1][:2]:
            text.append("")
        left = [cell.ljust(width) for cell, width in zip(line[:3], widths)]
        right = [cell.rjust(width) for cell, width in zip(line[3:], widths[3:])]
        text.append("  ".join(left + right).rstrip())
    return "\n".join(text)


def describe(plan, left_out, versions):
    """The lines above the table: what was measured, on what."""
    lines = [f"{workload}  {meaning}" for workload, meaning in WORKLOADS.items()]
    for workload, images in plan.backups.items():
        apparent, allocated = sum(map(apparent_bytes, images)), sum(map(allocated_bytes, images))
        lines.append(
            f"{workload}: {len(images)} images, {apparent / MIB:,.0f} MiB apparent, "
            f"{allocated / MIB:,.0f} MiB allocated"
        )
    lines.append(f"{plan.runs} runs, {' and '.join(plan.caches)} caches; medians")
    lines.append(", ".join(f"{key}: {value}" for key, value in host().items()))
    lines.extend(f"{name}: {version}" for name, version in versions.items())
    lines.extend(f"left out: {name} ({why})" for name, why in left_out.items())
    return "\n".join(lines)


def host():
    """The machine, as far as it matters for the figures."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB,
        "processor": processor(),
        "kernel": platform.release(),
    }


def processor():
    """The processor's name, or its architecture where the kernel does not tell."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def version(binary):
    """The first line a tool prints about its version."""
    for argument in ("--version", "version"):
        done = subprocess.run([binary, argument], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.splitlines()[0]
    return "unknown version"


def print_progress(measurement):
    """One line on standard error for each measurement."""
    usage = measurement.usage
    what = f"{measurement.caches} {measurement.workload} {measurement.peer}"
    figures = f"{usage.wall_seconds:.2f} s, {usage.cpu_seconds:.2f} CPU s"
    outcome = measurement.error or figures
    print(
        f"run {measurement.run} {what}: {outcome}",
        file=sys.stderr,
        flush=True,
    )


def as_document(plan, measurements, reference, rows, left_out, versions):
    """Everything that was measured, for JSON."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": host(),
        "runs": plan.runs,
        "images": {
            workload: {
                "count": len(images),
                "apparent_bytes": sum(map(apparent_bytes, images)),
                "allocated_bytes": sum(map(allocated_bytes, images)),
            }
            for workload, images in plan.backups.items()
        },
        "versions": versions,
        "left_out": left_out,
        "disks": plan.names,
        "reference": reference,
        "medians": rows,
        "measurements": [asdict(m) | {"added_bytes": m.added_bytes} for m in measurements],
    }
