#!/usr/bin/env python3
"""Draws figures as SVG, with Python alone: readable on light and on dark pages.

    chart.py figures.json chart.svg [cold]   what compare.py --json wrote
    chart.py curve.json chart.svg            what curve.py --json wrote
"""

import json
import sys
from html import escape
from pathlib import Path

from accounting import MIB, WORKLOADS

WIDTH = 920
LABEL = 112
BAR = 18
ROW = 24
STYLE = """
  .page { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e }
  .own { fill: #0a7d5c } .peer { fill: #8c959f } .floor { fill: #c9d1d9 }
  .ideal { stroke: #8c959f; fill: none; stroke-dasharray: 4 4 } .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 }
    .own { fill: #3fb68b } .peer { fill: #6e7681 } .floor { fill: #3d444d }
    .ideal { stroke: #6e7681 } .axis { stroke: #3d444d }
  }
  text { font: 13px system-ui, "DejaVu Sans", sans-serif }
  .title { font-size: 15px; font-weight: 600 }
"""


class Drawing:
    """An SVG that grows downwards."""

    def __init__(self, title):
        self.title = title
        self.parts = []
        self.height = 16

    def text(self, x, y, text, kind="text", anchor="start"):
        self.parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def box(self, x, y, width, height, kind):
        self.parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
            f'height="{height:.1f}" rx="2"/>'
        )

    def path(self, points, kind):
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" points="{steps}"/>')

    def heading(self, text, left=16):
        self.height += 22
        self.text(left, self.height, text, "text title")
        self.height += 10

    def remark(self, text):
        self.height += 18
        self.text(16, self.height, text, "faint")

    def svg(self):
        height = self.height + 16
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label="{escape(self.title)}">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect class="page" width="100%" height="100%" rx="6"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def seconds(value):
    """Seconds as on the bars."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def comparison(document, caches=None):
    """Bars by workload and peer, each workload with a scale of its own, in two columns."""
    rows = document["medians"]
    caches = caches or rows[0]["caches"]
    drawing = Drawing("Seconds by workload and program; shorter is better")
    panels = []
    for workload in [name for name in WORKLOADS if name.startswith("W")]:
        chosen = [r for r in rows if (r["caches"], r["workload"]) == (caches, workload)]
        if chosen:
            panels.append((WORKLOADS[workload].capitalize(), chosen))
    for first in range(0, len(panels), 2):
        top, bottom = drawing.height, drawing.height
        for column, (title, chosen) in enumerate(panels[first : first + 2]):
            drawing.height = top
            left = 16 + column * (WIDTH - 16) / 2
            drawing.heading(title, left)
            bars(drawing, chosen, document["reference"], left)
            bottom = max(bottom, drawing.height)
        drawing.height = bottom + 6
    runs = "one run" if document["runs"] == 1 else f"medians of {document['runs']} runs"
    drawing.remark(
        f"Seconds until all is durable, {caches} caches, {runs}; "
        f"× is to {document['reference']}, run by run."
    )
    disks = document["images"]["W1"]
    drawing.remark(
        f"{disks['count']} disks with {disks['allocated_bytes'] / 2**30:.1f} GiB of data; "
        + machine(document)
    )
    return drawing.svg()


def bars(drawing, rows, reference, left):
    """One bar for each program."""
    longest = max(row["durable_seconds"] for row in rows)
    room = (WIDTH - 16) / 2 - LABEL - 116
    for row in rows:
        kind = "own" if row["peer"] == reference else "floor" if row["peer"] == "cp" else "peer"
        y = drawing.height
        width = room * row["durable_seconds"] / longest
        drawing.text(left + LABEL - 8, y + 14, row["peer"], "text", "end")
        drawing.box(left + LABEL, y, width, BAR, kind)
        ratio = row["ratio"]
        times = f" · {ratio:.1f} ×" if ratio and row["peer"] != reference else ""
        label = seconds(row["durable_seconds"]) + times
        drawing.text(left + LABEL + max(width, 1) + 8, y + 14, label)
        drawing.height += ROW


def machine(document):
    """What was measured on, in a line."""
    host = document["host"]
    day = document["time"][:10]
    return f"{host['cores']} cores, {host['memory_mib'] // 1024} GiB, {host['processor']}; {day}"


def curve(document):
    """Seconds by amount of data and by number of disks, beside what is in proportion."""
    drawing = Drawing("What more data and more disks cost")
    for title, unit, points in (
        ("Amounts of data", "×", document["amounts"]),
        ("The same bytes as several disks", " disks", document["disks"]),
    ):
        if not points:
            continue
        drawing.heading(title)
        works = document["works"]
        width = (WIDTH - 32) / len(works)
        for number, (work, name) in enumerate(works.items()):
            values = [(point["times"], point["seconds"][work]) for point in points]
            is_amount = unit == "×"
            panel(drawing, 16 + number * width, width - 12, name, values, unit, is_amount)
        drawing.height += 190
    drawing.heading("A new point of a disk of 4 TiB, by how much of its data was overwritten")
    figures = (
        ("seconds", "seconds", 1), ("CPU seconds", "cpu_seconds", 1),
        ("MiB stored", "stored_bytes", MIB),
    )  # fmt: skip
    for number, (title, key, unit) in enumerate(figures):
        values = [(row["percent"], row[key] / unit) for row in document["churn"]]
        width = (WIDTH - 32) / 4
        panel(drawing, 16 + number * width, width - 12, title, values, " %", key == "stored_bytes")
    drawing.height += 190
    drawing.remark("Medians, in seconds where nothing else is said. Dashed: in proportion to the first.")
    drawing.remark(machine(document))
    return drawing.svg()


def panel(drawing, left, width, title, values, unit, grows):
    """A column of seconds for each number of times, and a mark where it would be in proportion."""
    top, height = drawing.height + 44, 110
    bottom = top + height
    ideal = [values[0][1] * (times / values[0][0] if grows else 1) for times, _ in values]
    most = max(ideal + [value for _, value in values])
    step = (width - 16) / len(values)
    drawing.text(left + width / 2, drawing.height + 16, title, "text", "middle")
    for number, ((times, value), expected) in enumerate(zip(values, ideal)):
        x = left + 8 + number * step
        y = bottom - height * value / most
        drawing.box(x + 4, y, step - 8, bottom - y, "own")
        mark = bottom - height * expected / most
        drawing.path([(x, mark), (x + step, mark)], "ideal")
        label = f"{value:.1f}" if value >= 1 else f"{value:.2f}"
        above = mark if 0 < y - mark < 20 else y
        drawing.text(x + step / 2, above - 6, label, "faint", "middle")
        sign = "" if unit == " disks" else unit
        drawing.text(x + step / 2, bottom + 17, f"{times}{sign}", "faint", "middle")
    drawing.path([(left + 4, bottom), (left + width - 4, bottom)], "axis")


def main():
    """Draws whichever kind of document it is given."""
    if len(sys.argv) not in (3, 4):
        print("usage: chart.py FIGURES.json CHART.svg [warm|cold]", file=sys.stderr)
        return 64
    document = json.loads(Path(sys.argv[1]).read_text())
    drawn = curve(document) if "amounts" in document else comparison(document, *sys.argv[3:])
    Path(sys.argv[2]).write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
