"""The section of docs/benchmarks.md on products that nobody in training bought."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.sets import TITLES
from tests.bench.table_page import Figures, interval, table, within

PARTS = {"among_new": "among new products only", "overall": "among all products"}


def new_products(found: Figures) -> str:
    """found: tests.bench.new_products by data set."""
    parts = [
        "A fifth of the products is taken out of training and ranked by what is known of each: title, category, brand, "
        "price. NDCG@20 of shoppers never seen whose next products hold one of the new, mean over k = 1, 2, 3, 5, 10, "
        "with its 95 % interval over shoppers; differences are paired by shopper. `transfer` is what is served; with n "
        "buyers, so many training shoppers of each new product are known, too. What known products lose is in per cent "
        "of their NDCG@20 without the new ones.\n"
    ]
    for name, measured in found.items():
        parts += [
            f"**{_title(name)}**, seed {measured['seed']}: {measured['products']:,} known and "
            f"{measured['new_products']:,} new products, {measured['shoppers']:,} test shoppers; scores of "
            f"`{measured.get('learner', 'the learner')}`.\n",
            _table(measured["rows"]),
            _differences(measured["rows"]),
        ]
        if ablation := measured.get("ablation"):
            parts += [
                "Among new products, without one feature and all else as chosen:\n",
                _ablation(ablation),
            ]
    return "\n".join(parts)


def _title(name: str) -> str:
    data_set, comma, seed = name.partition(",")
    return TITLES.get(data_set, data_set) + comma + seed


def _table(rows: Mapping[str, Figures]) -> str:
    return table(
        ("row", *PARTS.values(), "known products lose", "new ones' share of lists"),
        [
            [
                name,
                *(within(row[part]["mean"], row[part]["low"], row[part]["high"]) for part in PARTS),
                interval(row["warm_loss"], "+.1%"),
                f"{row['share_of_lists']:.1%}",
            ]
            for name, row in rows.items()
        ],
    )


def _differences(rows: Mapping[str, Figures]) -> str:
    """Each row beside those that it was paired with, by shopper."""
    return table(
        ("row", "against", *PARTS.values()),
        [
            [name, rival.removeprefix("above "), *(interval(row[part].get(rival)) for part in PARTS)]
            for name, row in rows.items()
            for rival in row["among_new"]
            if rival.startswith("above ")
        ],
    )


def _ablation(ablation: Mapping[str, Figures]) -> str:
    return table(
        ("without", "NDCG@20", "difference"),
        [
            [
                feature,
                within(each["mean"], each["low"], each["high"]),
                interval(each.get("above all features")),
            ]
            for feature, each in ablation.items()
        ],
    )
