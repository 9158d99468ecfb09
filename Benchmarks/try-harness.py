#!/usr/bin/env python3
"""Runs the harness in small, so that it does not rot: images whose shares are known, every workload,
the JSON and the charts.

    try-harness.py .build/release/snapstore DIR

Peers are those that are installed. Takes seconds; the figures mean nothing.
"""

import json
import shutil
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

from accounting import WORKLOADS
from synthesize import parse_arguments, synthesize

HERE = Path(__file__).parent
MIB = 1 << 20


def check(holds, what):
    """Ends the trial where something is not as it must be."""
    if not holds:
        sys.exit(f"try-harness.py: {what}")


def check_shares(document):
    """What was made has the shares that were asked for, and they add up."""
    options = document["options"]
    images = list(document["images"].values())
    size = sum(image["size_bytes"] for image in images)
    for image in images:
        parts = [value for key, value in image.items() if key not in ("size_bytes", "changed_bytes")]
        check(sum(parts) == image["size_bytes"], f"the shares of an image don't add up: {image}")
    hole = 100 * sum(image["hole_bytes"] for image in images) / size
    check(abs(hole - options["hole"]) < 5, f"{hole:.1f} % holes instead of {options['hole']}")
    data = sum(i["size_bytes"] - i["hole_bytes"] - i["zero_bytes"] for i in images)
    changed = 100 * sum(image["changed_bytes"] for image in document["day2"].values()) / data
    check(options["churn"] / 2 < changed < 4 * options["churn"], f"{changed:.1f} % churn")


def check_figures(figures, shares):
    """Every workload was measured, and snapstore found what the images hold."""
    rows = {(row["workload"], row["peer"]): row for row in figures["medians"]}
    for workload in WORKLOADS:
        check((workload, "snapstore") in rows, f"no figures of {workload}")
        row = rows[workload, "snapstore"]
        check(row["wall_seconds"] > 0 and row["peak_bytes"] > MIB, f"{workload}: {row}")
    check(rows["W4", "snapstore"]["verified"], "what was restored was not compared")
    for left_out, reason in figures["left_out"].items():
        check(reason, f"{left_out} was left out without a reason")
    images = shares["images"].values()
    summary = next(m["summary"] for m in figures["measurements"] if m["workload"] == "W1")
    holes = sum(image["hole_bytes"] for image in images)
    check(summary["hole_bytes"] == holes, f"{summary['hole_bytes']} bytes of holes, not {holes}")
    unique = sum(i["unique_compressible_bytes"] + i["unique_noise_bytes"] for i in images)
    duplicate = sum(image["duplicate_bytes"] for image in images)
    new = summary["new_bytes"]
    # Pieces don't begin and end where chunks do.
    check(unique <= new < unique + duplicate, f"{new} new bytes of {unique} unique ones")
    check(rows["W2", "snapstore"]["added_bytes"] < MIB, "unchanged disks were stored again")


def check_curve(figures):
    """What a new point stores follows what was overwritten, though the disk has 4 TiB."""
    first, *_, last = figures["churn"]
    least, most = first["stored_bytes"] * 3, first["stored_bytes"] * 16
    check(least < last["stored_bytes"] < most, f"stored by churn: {first} … {last}")


def check_charts(work, figures):
    """The charts are XML, and show each peer's bar."""
    text = (work / "chart.svg").read_text()
    xml.dom.minidom.parseString(text)
    for row in figures["medians"]:
        check(f">{row['peer']}<" in text, f"{row['peer']} has no bar")
    xml.dom.minidom.parse(str(work / "curve.svg"))


def main():
    """Exit code 0 where all is as it must be."""
    snapstore, work = sys.argv[1], Path(sys.argv[2])
    shutil.rmtree(work, ignore_errors=True)
    options = parse_arguments([str(work / "images"), "--images", "2", "--mib", "24"])
    images, second_day, shares = synthesize(work / "images", options)
    check_shares(shares)
    again, _, _ = synthesize(work / "again", options)
    check(again[0].read_bytes() == images[0].read_bytes(), "the same seed made another image")

    command = [HERE / "compare.py", "--snapstore", snapstore, "--work", work / "runs"]
    command += ["--images", *images, "--second-day", *second_day, "--sixteen", "--runs", "1"]
    command += ["--json", work / "figures.json", "--chart", work / "chart.svg"]
    subprocess.run(command, check=True)
    command = [HERE / "curve.py", "--snapstore", snapstore, "--work", work / "runs"]
    command += ["--mib", "4", "--runs", "1", "--json", work / "curve.json"]
    subprocess.run([*command, "--chart", work / "curve.svg"], check=True)

    figures = json.loads((work / "figures.json").read_text())
    check_figures(figures, shares)
    check_charts(work, figures)
    check_curve(json.loads((work / "curve.json").read_text()))
    check(not list((work / "runs").iterdir()), "something was left behind")
    shutil.rmtree(work)
    print("The harness works.")


if __name__ == "__main__":
    main()
