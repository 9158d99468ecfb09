#!/usr/bin/env python3
"""Times snapstore beside its peers on real disk images, interleaved, several times.

    compare.py --snapstore .build/release/snapstore --images web.img db.img data.img \\
             --second-day day2/web.img day2/db.img day2/data.img --work /var/tmp/peers --runs 5

W1  first backup of the images into an empty repository
W2  the same images again, copied to other paths with other file times
W3  the images of a second day (one for each image, in the same order)
W4  restore of the last backup to new files, compared with what was backed up
W5  a check of all data that is stored
S1  first backup of the largest image alone, and
S16 of the same bytes cut into sixteen disks (--sixteen; only of who takes several disks at once)

In each run every peer does W1, then every peer W2, and so on; who goes first rotates. A ratio (×)
is the median over the runs of a peer's seconds until all is durable divided by the reference's in
the same run, so a machine that gets slower during the measurement does not shift it. The reference
is the first of --peers that could be run; that of S16 is S1.

Before each measurement what is going to be read is read until the page cache has it (--caches cold:
the caches are dropped) and everything written before is synced. The clock runs for the peer's command alone;
`sync s` is what a `sync -f` of its output takes after it, for peers that return before their output
is durable: both together are the seconds of ratios and chart. The floor, `cp --sparse=always`,
includes its `sync -f`.

CPU seconds and peak memory are the kernel's account of the command and the processes it waited for.
Peak memory can't be told below the harness's own, which a new process inherits: printed as `<N`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from accounting import DROP_CACHES, HarnessError, allocated_bytes
from chart import comparison
from images import copies_of, split
from measuring import Plan, measure_all, scratch
from peers import PEERS
from reporting import as_document, describe, print_progress, summarize, table, version

def parse_arguments():
    """The options, unchecked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--snapstore", metavar="BINARY", help="the snapstore to measure")
    add("--images", metavar="FILE", type=Path, nargs="+", required=True)
    add("--second-day", metavar="FILE", type=Path, nargs="+", help="one for each image, in order")
    add("--work", metavar="DIR", type=Path, required=True, help="for repositories and copies")
    add("--runs", metavar="N", type=int, default=3)
    add("--peers", metavar="LIST", default=",".join(PEERS), help="default: %(default)s")
    add("--json", metavar="OUT", type=Path, help="where to write all figures")
    add("--chart", metavar="OUT", type=Path, help="where to draw the medians, as SVG")
    add("--sixteen", action="store_true", help="measure one disk against sixteen too")
    add(
        "--caches",
        nargs="+",
        choices=("warm", "cold"),
        default=["warm"],
        help="the state of the caches before each measurement; cold needs root",
    )
    return parser.parse_args()


def find_peers(options):
    """Which of the wanted peers can be run: binaries by name, and reasons by name."""
    binaries, left_out = {}, {}
    for name in dict.fromkeys(options.peers.split(",")):
        if name not in PEERS:
            raise HarnessError(f"{name} is none of: {', '.join(PEERS)}")
        wanted = options.snapstore if name == "snapstore" else PEERS[name].program or name
        found = shutil.which(wanted) if wanted else None
        if found:
            binaries[name] = os.path.abspath(found)
        else:
            left_out[name] = "no --snapstore given" if not wanted else f"{wanted} not found"
    if not binaries:
        raise HarnessError("none of the peers can be run")
    return binaries, left_out


def check(options):
    """Refuses options that can't work, before anything is written."""
    second_day = options.second_day or options.images
    stems = [image.stem for image in options.images]
    for image in [*options.images, *second_day]:
        if not image.is_file():
            raise HarnessError(f"{image}: no such file")
    if len(set(stems)) < len(stems):
        raise HarnessError("two images of one name")
    if len(second_day) != len(options.images):
        raise HarnessError("--second-day needs one file for each of --images")
    if options.runs < 1:
        raise HarnessError("--runs must be 1 or more")
    if "cold" in options.caches and not os.access(DROP_CACHES, os.W_OK):
        raise HarnessError("--caches cold needs root")


def make_plan(options, binaries, work):
    """The plan for these options; makes the copies for W2."""
    images = [image.resolve() for image in options.images]
    backups = {"W1": images, "W2": copies_of(images, work / "copies")}
    if options.second_day:
        backups["W3"] = [image.resolve() for image in options.second_day]
    names = [image.stem for image in images]
    pieces = []
    if options.sixteen:
        largest = max(images, key=allocated_bytes)
        pieces = [("S1", [largest]), ("S16", split(largest, 16, work / "pieces"))]
    return Plan(backups, names, work, options.runs, options.caches, binaries, pieces)


def measure_and_report(options):
    """Does what the options ask for. Returns whether every measurement succeeded."""
    check(options)
    binaries, left_out = find_peers(options)
    versions = {name: version(binary) for name, binary in binaries.items()}
    options.work.mkdir(parents=True, exist_ok=True)
    with scratch(options.work.resolve() / f"peers-{os.getpid()}") as work:
        plan = make_plan(options, binaries, work)
        measurements = measure_all(plan, print_progress)
        reference, rows = summarize(measurements, list(binaries))
        print(describe(plan, left_out, versions))
    print(f"ratios to: {reference}\n\n{table(rows)}")
    failures = [m for m in measurements if m.error]
    for failed in failures:
        print(f"failed: run {failed.run} {failed.workload} {failed.peer}: {failed.error}")
    document = as_document(plan, measurements, reference, rows, left_out, versions)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.chart:
        options.chart.write_text(comparison(document))
    return not failures


def main():
    """Exit codes: 0 measured, 1 a peer failed or restored wrong data, 64 wrong usage, 74 no space
    and the like."""
    try:
        return 0 if measure_and_report(parse_arguments()) else 1
    except HarnessError as error:
        print(f"compare.py: error: {error}", file=sys.stderr)
        return 64
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"compare.py: error: {error}", file=sys.stderr)
        return 74


if __name__ == "__main__":
    sys.exit(main())
