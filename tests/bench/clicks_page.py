"""The section of docs/benchmarks.md on two clicks: how far a department's share of the list rises, and at what cost."""

from __future__ import annotations

from tests.bench.table_page import Figures, table, within


def adaptation(found: Figures) -> str:
    """found: tests.bench.adaptation, a row a learner with its curve over the lift."""
    seed = f" (seed {found['seed']})" if "seed" in found else ""
    parts = [
        f"{found['draws']} seeded draws{seed} of a department with at least {found['min_products']} products and two "
        "of its products, by popularity within it; share of the department among the first ten, before and after, at "
        "the lift that the home placement would use. No category filter or boost is active. The loss is that of mean "
        "NDCG@20 over k = 1, 2, 3, 5, 10 on validation shoppers; the rise has its 95 % interval over draws.\n",
        table(
            (
                "learner", "lift", "NDCG@20 lost", "share before", "share after", "rise in points",
                "two lists' common share",
            ),
            map(_row, found["rows"]),
        ),
    ]  # fmt: skip
    for row in found["rows"]:
        points = row["curve"]
        parts += [
            f"Over the lift, {row['learner']}:\n",
            table(
                ["lift", *(f"{p['lift']:.1f}" for p in points)],
                [
                    ["NDCG@20", *(f"{p['ndcg']:.4f}" for p in points)],
                    ["coverage@20", *(f"{p['coverage']:.1%}" for p in points)],
                    ["rise in points", *(f"{100 * p['rise']:+.1f}" for p in points)],
                ],
            ),
        ]
    return "\n".join(parts)


def _row(row: Figures) -> list[str]:
    return [
        row["learner"],
        f"{row['lift']:.3g}",
        f"{row['loss']:.1%}",
        f"{row['before']:.1%}",
        f"{row['after']:.1%}",
        within(100 * row["rise"], 100 * row["low"], 100 * row["high"], "+.1f"),
        f"{row['common']:.1%}",
    ]
