#!/usr/bin/env python3
"""What more data and more disks cost snapstore.

    curve.py --snapstore .build/release/snapstore --work /var/tmp/curve [--mib 512] [--runs 3]

Synthetic disks of 1, 2, 4 and 8 times --mib, each backed up, backed up again unchanged, restored and
verified; then the bytes of the largest as 1, 2, 4, 8 and 16 disks of one machine; then these bytes
scattered over a sparse disk of 4 TiB, of which 1, 2, 4 and 8 percent are overwritten before each
backup, in pieces of 256 KiB. Warm caches, everything once in each run, medians. Promised are seconds in
proportion to the data, the same for any number of disks, and a new point that costs what changed,
besides reading the data once.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

from accounting import MIB, HarnessError, allocated_bytes, settle
from chart import curve
from images import EXTENT, copy, split
from measuring import Plan, make_peer, measure_run, scratch
from reporting import host, print_progress
from synthesize import parse_arguments as parse_image_options
from synthesize import synthesize

WORKS = {"W1": "first backup", "W2": "unchanged", "W4": "restore", "W5": "verify"}
AMOUNTS = (1, 2, 4, 8)
DISKS = (1, 2, 4, 8, 16)
CHURN_PERCENTS = (1, 2, 4, 8)
CHURN_PIECE = 256 * 1024
LARGE_DISK = 4 << 40


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--snapstore", metavar="BINARY", required=True)
    add("--work", metavar="DIR", type=Path, required=True)
    add("--mib", metavar="N", type=int, default=512, help="size of the smallest disk")
    add("--runs", metavar="N", type=int, default=3)
    add("--json", metavar="OUT", type=Path)
    add("--chart", metavar="OUT", type=Path)
    return parser.parse_args()


def make_cases(options, work):
    """Plans by what they are: ("amounts" or "disks", times)."""
    cases = {}
    for times in AMOUNTS:
        mib = times * options.mib
        chosen = [str(work / f"amount-{times}"), "--images", "1", "--mib", str(mib)]
        images, _, _ = synthesize(work / f"amount-{times}", parse_image_options(chosen))
        cases["amounts", times] = images
    largest = cases["amounts", AMOUNTS[-1]][0]
    for times in DISKS:
        cases["disks", times] = split(largest, times, work / f"disks-{times}")
    binaries = {"snapstore": os.path.abspath(options.snapstore)}
    return {
        case: Plan(
            {"W1": images, "W2": images}, [i.stem for i in images], work, 1, ["warm"], binaries, []
        )
        for case, images in cases.items()
    }


def measure(options, work):
    """All measurements by case."""
    cases = make_cases(options, work)
    measurements = {case: [] for case in cases}
    for number in range(1, options.runs + 1):
        for case, plan in cases.items():
            with scratch(work / "run") as directory:
                for measurement in measure_run(plan, number, "warm", directory):
                    print(case[1], case[0], end=": ", file=sys.stderr)
                    print_progress(measurement)
                    if measurement.error:
                        raise HarnessError(measurement.error)
                    measurements[case].append(measurement)
    return cases, measurements


def scatter(image, disk):
    """Writes the extents of an image to a sparse disk, as far apart as they can be; returns where."""
    count = image.stat().st_size // EXTENT
    places = [number * (LARGE_DISK // count // EXTENT) * EXTENT for number in range(count)]
    with open(image, "rb", buffering=0) as source, open(disk, "wb", buffering=0) as target:
        target.truncate(LARGE_DISK)
        for number, place in enumerate(places):
            start = number * EXTENT
            copy(source, target, range(start, start + EXTENT), start - place)
    return places


def overwrite(disk, places, percent, seed):
    """Writes noise over so much of the disk's data."""
    source = random.Random(seed)
    blocks = (EXTENT - CHURN_PIECE) // 4096
    with open(disk, "r+b", buffering=0) as file:
        for _ in range(max(1, len(places) * EXTENT * percent // 100 // CHURN_PIECE)):
            offset = source.choice(places) + 4096 * source.randrange(blocks + 1)
            os.pwrite(file.fileno(), source.randbytes(CHURN_PIECE), offset)


def measure_churn(options, image, work):
    """What new points of a disk of 4 TiB cost, by how much of its data was overwritten: medians."""
    disk = work / "large.img"
    places = scatter(image, disk)
    binaries = {"snapstore": os.path.abspath(options.snapstore)}
    plan = Plan({}, ["large"], work, 1, ["warm"], binaries, [])
    figures = {percent: [] for percent in CHURN_PERCENTS}
    with scratch(work / "churn") as directory:
        peer = make_peer("snapstore", plan, plan.names, directory / "snapstore")
        peer.create()
        peer.backup("first", [disk])
        for number in range(options.runs):
            for percent in CHURN_PERCENTS:
                overwrite(disk, places, percent, f"{number} {percent}")
                settle([disk], "warm")
                usage = peer.backup("churn", [disk])
                summary = peer.summary()
                print(f"{percent} % churn: {usage.wall_seconds:.2f} s", file=sys.stderr, flush=True)
                figures[percent].append(
                    {
                        "seconds": usage.wall_seconds,
                        "cpu_seconds": usage.cpu_seconds,
                        "peak_bytes": usage.peak_bytes,
                        "new_bytes": summary["new_bytes"],
                        "stored_bytes": summary["stored_bytes"],
                    }
                )
    return [
        {"percent": percent, "data_bytes": allocated_bytes(disk)}
        | {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for percent, rows in figures.items()
    ]


def points(kind, cases, measurements):
    """The medians of one kind of case, for chart and table."""
    result = []
    for case, plan in cases.items():
        if case[0] != kind:
            continue
        point = {"times": case[1], "seconds": {}, "cpu_seconds": {}, "peak_bytes": {}}
        point["data_bytes"] = sum(map(allocated_bytes, plan.backups["W1"]))
        for workload in WORKS:
            chosen = [m for m in measurements[case] if m.workload == workload]
            for name, value in (
                ("seconds", lambda m: m.usage.wall_seconds),
                ("cpu_seconds", lambda m: m.usage.cpu_seconds),
                ("peak_bytes", lambda m: m.usage.peak_bytes),
            ):
                point[name][workload] = statistics.median(map(value, chosen))
        result.append(point)
    return result


def table(document):
    """Seconds and peak memory as Markdown."""
    lines = []
    for kind, title in (("amounts", "times the data"), ("disks", "disks")):
        lines.append(f"| {title} | data | " + " | ".join(WORKS.values()) + " | peak memory |")
        lines.append("|---" * (len(WORKS) + 3) + "|")
        for point in document[kind]:
            cells = [str(point["times"]), f"{point['data_bytes'] / MIB:,.0f} MiB"]
            cells += [f"{point['seconds'][work]:.2f} s" for work in WORKS]
            cells.append(f"{max(point['peak_bytes'].values()) / MIB:.0f} MiB")
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines.append("| overwritten of a disk of 4 TiB | data | seconds | CPU seconds | new | stored |")
    lines.append("|---" * 6 + "|")
    for row in document["churn"]:
        lines.append(
            f"| {row['percent']} % | {row['data_bytes'] / MIB:,.0f} MiB | {row['seconds']:.2f} s | "
            f"{row['cpu_seconds']:.2f} s | {row['new_bytes'] / MIB:.0f} MiB | "
            f"{row['stored_bytes'] / MIB:.0f} MiB |"
        )
    return "\n".join(lines)


def main():
    """Exit codes as those of compare.py."""
    options = parse_arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(options.work.resolve() / f"curve-{os.getpid()}") as work:
            cases, measurements = measure(options, work)
            document = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "host": host(),
                "runs": options.runs,
                "works": WORKS,
                "amounts": points("amounts", cases, measurements),
                "disks": points("disks", cases, measurements),
                "churn": measure_churn(options, cases["disks", 1].backups["W1"][0], work),
            }
    except HarnessError as error:
        print(f"curve.py: error: {error}", file=sys.stderr)
        return 1
    print(table(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.chart:
        options.chart.write_text(curve(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
