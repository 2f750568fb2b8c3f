"""How time and memory grow with events, users and products, and what the estimated loss of a large catalogue costs.

usage: python -m tests.bench.growth [--events 100000,1000000] [--users ...] [--products ...] [--json OUT]
Each figure is of a process of its own: wall seconds of the work, and the peak of its resident memory. Stores come
from tests.bench.stores. A slope is the exponent of a power law through the measured points. What lies beyond them is
a projection from the last two: by a power law or by a straight line, whichever is the larger. A fixed cost bends a
power law flat, and a straight line misses what grows faster.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tests.bench.growth_work import WORK
from tests.bench.sets import ROOT

# What stays as it is along each axis: shoppers need some ten events to learn from, products five buyers.
BASES = {
    "events": {"events": 0, "users": 20_000, "products": 5_000},
    "users": {"events": 5_000_000, "users": 0, "products": 5_000},
    "products": {"events": 10_000_000, "users": 100_000, "products": 0},
}
CURVES = {
    "events": (100_000, 1_000_000, 10_000_000),
    "users": (10_000, 100_000, 1_000_000),
    "products": (5_000, 100_000, 300_000),
}
TARGETS = {"events": 100_000_000, "users": 10_000_000, "products": 1_000_000}
SECONDS = 900  # a work that takes longer is stopped, and said so

Row = dict[str, Any]


def in_child(work: str, store: Mapping[str, int], folder: Path) -> Row:
    """Run one piece of work in a process of its own and return its figures, or why there are none."""
    command = [sys.executable, "-m", "tests.bench.growth_work", work, json.dumps(dict(store)), str(folder)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped after {SECONDS} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def measure(axis: str, sizes: Sequence[int], folder: Path) -> list[Row]:
    rows = []
    for asked in sizes:
        size, store = asked, BASES[axis] | {axis: asked}
        place = folder / "-".join(map(str, store.values()))
        for work in WORK:
            row = {"axis": axis, "size": size, "work": work, **store, **in_child(work, store, place)}
            if axis == "products" and work == "read_clean":
                size = row.get("notes", {}).get("products", size)  # later work sees products with buyers only
            rows.append(row)
            print(line(row), flush=True)
        shutil.rmtree(place, ignore_errors=True)
    return rows


def line(row: Row) -> str:
    head = f"{row['axis']:<8} {row['size']:>11,}  {row['work']:<12}"
    if "failed" in row:
        return f"{head} {row['failed']}"
    note = "  ".join(f"{name} {value}" for name, value in row.get("notes", {}).items())
    return f"{head} {row['seconds']:10.3f} s {row['peak_mb']:8,.0f} MB  {note}"


def slopes(rows: Sequence[Row]) -> list[Row]:
    """Fit each curve of time and of memory, and project it to the largest store that the plan names."""
    found = []
    for axis, work in dict.fromkeys((row["axis"], row["work"]) for row in rows):
        points = [row for row in rows if (row["axis"], row["work"]) == (axis, work) and "failed" not in row]
        if len(points) < 2:
            continue
        entry: Row = {"axis": axis, "work": work, "measured_to": points[-1]["size"], "to": TARGETS[axis]}
        for figure in ("seconds", "peak_mb"):
            x = [math.log(row["size"]) for row in points]
            y = [math.log(max(row[figure], 1e-9)) for row in points]
            entry[f"{figure}_slope"] = _slope(x, y)
            entry[f"{figure}_projected"] = project(
                *((row["size"], max(row[figure], 1e-9)) for row in points[-2:]), TARGETS[axis]
            )
        found.append(entry)
    return found


def project(before: tuple[float, float], last: tuple[float, float], to: float) -> float:
    """Return the figure at size `to` from the last two (size, figure): the larger of a power law and a line."""
    (x, y), (x_last, y_last) = before, last
    power = math.log(y_last / y) / math.log(x_last / x)
    line = y_last + (y_last - y) / (x_last - x) * (to - x_last)
    return max(y_last * (to / x_last) ** power, line)


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    across = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / across


def table(fits: Sequence[Row]) -> str:
    lines = [f"{'axis':<9}{'work':<14}{'time ~':>8}{'memory ~':>10}   projected, not measured"]
    for fit in fits:
        lines.append(
            f"{fit['axis']:<9}{fit['work']:<14}{fit['seconds_slope']:>8.2f}{fit['peak_mb_slope']:>10.2f}   "
            f"{fit['to']:,}: {fit['seconds_projected']:,.0f} s, {fit['peak_mb_projected']:,.0f} MB "
            f"(measured to {fit['measured_to']:,})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for axis, sizes in CURVES.items():
        parser.add_argument(f"--{axis}", default=",".join(map(str, sizes)), help="sizes; empty for none")
    parser.add_argument("--loss", default="100000", help="products of the estimated loss; empty for none")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "growth.json")
    options = parser.parse_args()
    command = shlex.join(["python", "-m", "tests.bench.growth", *sys.argv[1:]])
    figures: Row = {"date": date.today().isoformat(), "command": command, "rows": []}
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for axis in CURVES:
            sizes = [int(float(size)) for size in getattr(options, axis).split(",") if size]
            figures["rows"] += measure(axis, sizes, Path(folder))
        figures["slopes"] = slopes(figures["rows"])
        print(table(figures["slopes"]))
        if options.loss:
            figures["loss"] = in_child("loss", {"products": int(float(options.loss))}, Path(folder))
            for row in figures["loss"].get("rows", [figures["loss"]]):
                print(row)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
