"""A shop with planted complements and substitutes: what is bought in one order, and what in one life."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from metarec_plugin.preprocess.dataset import build_dataset
from metarec_plugin.preprocess.files import distinct
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.preprocess.splits import split_shuffled

FAMILIES, PER_FAMILY = 8, 6
START = datetime(2024, 1, 1)


def main_of(family: int, i: int) -> str:
    return f"main{family}-{i}"


def side_of(family: int, i: int) -> str:
    """The complement of a main product: of the next family's number, so that no shopper's taste explains it."""
    return f"side{(family + 1 + i) % FAMILIES}-{i}"


def substitutes(family: int, i: int) -> set[str]:
    return {main_of(family, other) for other in range(PER_FAMILY) if other != i}


def planted_events(shoppers: int = 320, seed: int = 0) -> pl.DataFrame:
    """Shoppers of one family buy nearly all of its products, each in an order of its own: they are substitutes.

    One time in three the complement of the product is in the order too, and now and then anything at all.
    """
    rng = np.random.default_rng(seed)
    everything = [
        make(f, i) for f in range(FAMILIES) for i in range(PER_FAMILY) for make in (main_of, side_of)
    ]
    rows = []
    for shopper in range(shoppers):
        family = shopper % FAMILIES
        for visit, i in enumerate(rng.permutation(PER_FAMILY)[: rng.integers(5, PER_FAMILY + 1)].tolist()):
            lines = [main_of(family, i)]
            if rng.random() < 1 / 3:
                lines.append(side_of(family, i))
            if rng.random() < 0.3:
                lines.append(everything[rng.integers(len(everything))])
            at = START + timedelta(days=10 * visit + shopper % 9)
            rows += [(f"s{shopper:03d}", line, at, f"o{shopper}-{visit}") for line in dict.fromkeys(lines)]
    return pl.DataFrame(
        rows,
        schema={"subject": pl.String, "product": pl.String, "at": pl.Datetime, "order": pl.String},
        orient="row",
    )


def planted_dataset(events: pl.DataFrame, seed: int = 0) -> Dataset:
    kept = distinct(events)
    return build_dataset(kept, split_shuffled(kept, seed))
