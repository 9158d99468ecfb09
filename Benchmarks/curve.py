#!/usr/bin/env python3
"""What more data and more disks cost snapstore.

    curve.py --snapstore .build/release/snapstore --work /var/tmp/curve [--mib 512] [--runs 3]

Synthetic disks of 1, 2, 4 and 8 times --mib, each backed up, backed up again unchanged, restored and
verified; then the bytes of the largest as 1, 2, 4, 8 and 16 disks of one machine. Warm caches,
everything once in each run, medians. Seconds in proportion to the data, and the same for any number
of disks, are what is promised.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from accounting import MIB, HarnessError, allocated_bytes
from chart import curve
from images import split
from measuring import Plan, measure_run, scratch
from reporting import host, print_progress
from synthesize import parse_arguments as parse_image_options
from synthesize import synthesize

WORKS = {"W1": "first backup", "W2": "unchanged", "W4": "restore", "W5": "verify"}
AMOUNTS = (1, 2, 4, 8)
DISKS = (1, 2, 4, 8, 16)


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
