"""Held-out baskets with a part hidden: how well a list finds the rest, one vote a shopper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metarec_plugin.preprocess.baskets import Baskets

LISTED = 10
ONE, ALL_BUT_ONE = "one", "all_but_one"  # what of a basket is known
TASKS = (ONE, ALL_BUT_ONE)
_DISCOUNT = 1 / np.log2(np.arange(LISTED) + 2)
_IDEAL = np.concatenate([[np.nan], np.cumsum(_DISCOUNT)])  # by number of relevant products

# (c,) context products -> products without them, best first; ten are looked at.
Lister = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class BasketCases:
    """One known and one hidden part a basket, and whose basket it is."""

    known: Sequence[np.ndarray]
    hidden: Sequence[np.ndarray]
    subjects: np.ndarray  # (B,) str

    def __len__(self) -> int:
        return len(self.subjects)


def basket_cases(baskets: Baskets, task: str, most: int = 2_000, seed: int = 0) -> BasketCases:
    """Hide all but one product of each basket, or one; of very many baskets a sample is taken."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(baskets), min(len(baskets), most), replace=False))
    known, hidden = [], []
    for row in rows.tolist():
        products = rng.permutation(baskets[row])
        cut = 1 if task == ONE else len(products) - 1
        known.append(products[:cut])
        hidden.append(products[cut:])
    return BasketCases(known, hidden, baskets.subjects[rows])


def ndcg_by_shopper(lister: Lister, cases: BasketCases) -> np.ndarray:
    """Return the (S,) mean NDCG@10 of each shopper's baskets, shoppers ascending; equal cases, equal shoppers."""
    values = np.zeros(len(cases))
    for i, (known, hidden) in enumerate(zip(cases.known, cases.hidden)):
        listed = lister(known)[:LISTED]
        found = np.isin(listed, hidden)
        values[i] = (found * _DISCOUNT[: len(found)]).sum() / _IDEAL[min(LISTED, len(hidden))]
    _, owner = np.unique(cases.subjects, return_inverse=True)
    baskets = np.bincount(owner)
    return np.bincount(owner, weights=values) / np.maximum(baskets, 1)


def most_bought(popularity: np.ndarray) -> Lister:
    """List the same for everybody: the (N,) most popular products, less the known ones."""
    order = np.lexsort((np.arange(len(popularity)), -popularity))

    def listed(known: np.ndarray) -> np.ndarray:
        first = order[: LISTED + len(known)]
        return first[~np.isin(first, known)]

    return listed
