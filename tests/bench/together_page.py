"""Section of docs/benchmarks.md on the rest of a basket: what is bought together, similar or popular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.sets import TITLES
from tests.bench.table_page import interval, table

Figures = Mapping[str, Any]
LISTS = ("together", "together, then popular", "similar", "popular")
ASKED = {"one": "one product", "all_but_one": "all but one"}


def together(found: Figures) -> str:
    """NDCG@10 of each list by data set and by what of the basket is known; found: tests.bench.together."""
    ranks, chosen = [], []
    for name, measured in found.items():
        title = TITLES.get(name, name)
        said = measured["validation"]
        chosen.append(
            f"{title}: {said['formula']}, from {said['training_baskets']:,} baskets; the similar list is "
            f"`{measured['learner']}`'s at a lift of {measured['similar_lift']:g}"
        )
        for task, asked in ASKED.items():
            each = measured[task]
            ranks.append(
                [
                    title, asked, f"{each['baskets']:,}", f"{each['shoppers']:,}",
                    *(interval(each["ndcg10"][listed], ".4f") for listed in LISTS),
                    interval(each["together above"]["similar"]),
                ]
            )  # fmt: skip
    return (
        "The rest of test shoppers' baskets: NDCG@10 given one product of a basket, and of its last given the others, "
        "one vote a shopper, with the 95 % interval by shopper; at the end the difference between together and "
        "similar. The formula of what is bought together and the lift of the similar list are chosen on validation "
        "shoppers' baskets.\n\n"
        + table(
            ["data set", "known", "baskets", "shoppers", *LISTS, "together above similar"],
            ranks,
        )
        + f"\n{'; '.join(chosen)}.\n"
    )
