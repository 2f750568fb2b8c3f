"""docs/benchmarks.md as text, from the figures of a run; nothing on it is typed by hand."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import date
from typing import Any

from tests.bench.quality_page import quality, shown
from tests.bench.sets import SETS

Figures = Mapping[str, Any]
INTRO = """# Benchmarks

Written by `make bench DATA=folder` on {day} ({cores} cores, {machine}, Python {python}); nothing here is edited by
hand. Each shopper of the test side was never seen in training. The first k distinct products are the support, the
next 20 the query, and the whole catalogue is ranked. NDCG@20, with the 95 % bootstrap interval over shoppers. Every
baseline is tuned on validation shoppers for each k separately; a learner is one model for all k. Ties go to the lower
catalogue index. Coverage and calibration error are no means over shoppers and have no interval.
"""


def render(figures: Figures) -> str:
    parts = [
        INTRO.format(
            day=date.today().isoformat(),
            cores=_cores(),
            machine=platform.machine(),
            python=platform.python_version(),
        )
    ]
    for data_set in SETS:
        if report := figures.get(f"quality-{data_set.name}"):
            parts.append(quality(data_set.title, report, figures.get(f"yardstick-{data_set.name}")))
    runs = figures.get("runs", {})
    if adaptation := figures.get("adaptation"):
        parts += [_adaptation(adaptation), _made(runs.get("adaptation"))]
    if speed := figures.get("speed"):
        parts += [_speed(speed), _made(runs.get("speed"))]
    return "\n".join(filter(None, parts))


def _made(run: Figures | None) -> str:
    """Return how and when a part was measured, or nothing where no one wrote it down."""
    return f"`{shown(run['command'])}`, {run['date']}.\n" if run else ""


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _adaptation(found: Figures) -> str:
    lines = [
        "## Two clicks on the demo store\n",
        f"{found['draws']} seeded draws of a department with at least {found['min_products']} products and two of its "
        "products, by popularity within it; share of the department among the first ten, before and after, at the "
        "lift that the home placement would use. No category filter or boost is active. The loss is that of mean "
        "NDCG@20 over k = 1, 2, 3, 5, 10 on validation shoppers.\n",
        "| learner | lift | NDCG@20 lost | share before | share after | rise in points | two lists' common share |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {row['learner']} | {row['lift']:.3g} | {row['loss']:.1%} | {row['before']:.1%} | {row['after']:.1%} | "
            f"{100 * row['rise']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}] | {row['common']:.1%} |"
        )
    for row in found["rows"]:
        points = row["curve"]
        lines += [
            f"\nOver the lift, {row['learner']}:\n",
            "| lift | " + " | ".join(f"{p['lift']:.1f}" for p in points) + " |",
            "|---|" + "---|" * len(points),
            "| NDCG@20 | " + " | ".join(f"{p['ndcg']:.4f}" for p in points) + " |",
            "| coverage@20 | " + " | ".join(f"{p['coverage']:.1%}" for p in points) + " |",
            "| rise in points | " + " | ".join(f"{100 * p['rise']:+.1f}" for p in points) + " |",
        ]
    return "\n".join(lines) + "\n"


def _speed(speed: Figures) -> str:
    supports = list(next(iter(speed.values())))
    if any(not name.isdigit() for name in supports):
        return "The request times are of an older version: run `python -m tests.bench.speed` again.\n"
    lines = [
        "## Adapting and ranking one shopper\n",
        "In process, the best twenty of the whole catalogue, d = 64, one BLAS thread; median milliseconds of up to "
        "201 calls that take turns, by how many products the support holds, and the ratio to `implicit`'s "
        "`recommend(recalculate_user=True)` in the same run. `python -m tests.bench.speed`.\n",
        "| products | learner | " + " | ".join(f"k = {k}" for k in supports) + " |",
        "|---|---|" + "---|" * len(supports),
    ]
    for n_products, by_support in speed.items():
        for name in by_support[supports[0]]:
            cells = [
                f"{medians[name]:.3f} ({medians[name] / medians['implicit ALS fold-in']:.2f} x)"
                for medians in by_support.values()
            ]
            lines.append(f"| {int(n_products):,} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
