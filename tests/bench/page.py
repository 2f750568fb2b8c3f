"""docs/benchmarks.md as text, from the figures of a run; nothing on it is typed by hand."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import date
from typing import Any

from tests.bench.sets import SETS

Figures = Mapping[str, Any]
ANCHORS = ("popularity", "decayed_popularity", "item_knn", "ease")
LEARNERS = ("closed_form", "maml")
INTRO = """# Benchmarks

Written by `make bench DATA=folder` on {day} ({cores} cores, {machine}, Python {python}); nothing here is edited by
hand. Each shopper of the test side was never seen in training. The first k distinct products are the support, the
next 20 the query, and the whole catalogue is ranked. NDCG@20, with 1.96 standard errors. Every baseline is tuned on
validation shoppers for each k separately; a learner is one model for all k. Ties go to the lower catalogue index.
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
            parts.append(_quality(data_set.title, data_set.name, report, figures))
    if adaptation := figures.get("adaptation"):
        parts.append(_adaptation(adaptation))
    if speed := figures.get("speed"):
        parts.append(_speed(speed))
    return "\n".join(parts)


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _quality(title: str, name: str, report: Figures, figures: Figures) -> str:
    rows = {(row["learner"], row["k"]): row for row in report["rows"] if row.get("ndcg20") is not None}
    not_run = report.get("not_run", {})
    learners = [*dict.fromkeys(row["learner"] for row in report["rows"]), *not_run]
    ks = sorted({k for _, k in rows})
    data = report["data"]
    lines = [
        f"## {title}\n",
        f"Seed {report['protocol'].get('seed', 0)}; {data['products']:,} products, {data['train_users']:,} training "
        f"and {data['test_users']:,} test shoppers, data hash `{data['hash'][:12]}`.\n",
        "| learner | " + " | ".join(f"k = {k}" for k in ks) + " |",
        "|---|" + "---|" * len(ks),
    ]
    for learner in learners:
        cells = [_cell(rows.get((learner, k))) for k in ks]
        if learner in not_run:
            cells = [not_run[learner]] + [""] * (len(ks) - 1)
        lines.append(f"| {learner} | " + " | ".join(cells) + " |")
    lines.append(
        "| test shoppers | "
        + " | ".join(str(max(rows[name_, k]["users"] for name_, j in rows if j == k)) for k in ks)
        + " |"
    )
    anchors = {k: max(rows[a, k]["ndcg20"] for a in ANCHORS if (a, k) in rows) for k in ks}
    lines.append("\nAgainst the best baseline of each column:\n")
    lines += ["| learner | " + " | ".join(f"k = {k}" for k in ks) + " |", "|---|" + "---|" * len(ks)]
    for learner in learners:
        if learner in LEARNERS:
            ratios = [
                f"{rows[learner, k]['ndcg20'] / anchors[k] - 1:+.1%}" if (learner, k) in rows else "–"
                for k in ks
            ]
            lines.append(f"| {learner} | " + " | ".join(ratios) + " |")
    seconds = report["seconds"]
    trained = ", ".join(f"{learner} {spent:.1f} s" for learner, spent in seconds["train"].items())
    lines.append(
        f"\nLoading {seconds['load']:.1f} s; training or tuning: {trained}; evaluating {seconds['evaluate']:.1f} s."
    )
    if yardstick := figures.get(f"yardstick-{name}"):
        lines.append(_parity(yardstick, rows))
    return "\n".join(lines) + "\n"


def _parity(yardstick: Figures, rows: Mapping[tuple[str, int], Figures]) -> str:
    """The largest difference to the reference implementation, by family."""
    found = []
    for family, learner in (("popularity", "popularity"), ("itemknn", "item_knn"), ("ease", "ease")):
        gaps = [
            abs(reference["ndcg20"] - rows[learner, int(key.split("@")[1])]["ndcg20"])
            for key, reference in yardstick.items()
            if key.startswith(f"{family}@") and (learner, int(key.split("@")[1])) in rows
        ]
        if gaps:
            found.append(f"{learner} {max(gaps):.1e}")
    ials = {
        int(key.split("@")[1]): row["ndcg20"] for key, row in yardstick.items() if key.startswith("ials@")
    }
    line = f"\nLargest difference to the reference implementation's tuned rows: {', '.join(found)}."
    if ials:
        line += " Its iALS fold-in: " + ", ".join(f"{ials[k]:.4f} (k = {k})" for k in sorted(ials)) + "."
    return line


def _cell(row: Figures | None) -> str:
    if row is None or row.get("ndcg20") is None:
        return "–"
    return f"{row['ndcg20']:.4f} ± {1.96 * row['se']:.4f}"


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
    lines = [
        "## Adapting and ranking one shopper\n",
        "In process, ten products as support, the best twenty of the whole catalogue, d = 64, one BLAS thread; medians "
        "of 201 calls that take turns, and the ratio to `implicit`'s `recommend(recalculate_user=True)` in the same "
        "run. `python -m tests.bench.speed`.\n",
        "| products | learner | ms | against implicit |",
        "|---|---|---|---|",
    ]
    for n_products, medians in speed.items():
        reference = medians["implicit ALS fold-in"]
        for name, ms in medians.items():
            lines.append(f"| {int(n_products):,} | {name} | {ms:.3f} | {ms / reference:.2f} x |")
    return "\n".join(lines) + "\n"
