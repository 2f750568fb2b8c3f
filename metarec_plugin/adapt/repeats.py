"""Buy again, in the request: a shopper's own past among the products that a model ranks, or ranked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from metarec_plugin.evaluate.repeats import PREFIX, RepeatParams, Repeats, own_distribution, with_repeats

# How a past is ranked by itself: what was bought often, of a kind that is bought again, and is due. Within the year
# that two shops' logs span, validation shoppers preferred no fading at all, by up to 2 %; beyond a year it is not
# known, so what was bought fades slowly (tests/bench/again.py).
ALONE = RepeatParams(1.0, half_life=365.0, power=1.0)
# A product comes back as its shopper's own time between two purchases passes, half of the way in a quarter of it. Right
# after a purchase it keeps half of its weight: some buy the same thing the next day, and whoever bought everything
# today is to have a list too. On validation shoppers of both logs this finds as much as without it, or more.
USUAL_INTERVAL = 30.0  # days, of a product bought once: a month, until a second purchase tells
KEPT, PART = 0.5, 0.25


class Past(NamedTuple):
    """What one shopper bought so far: n catalogue products, -1 where the catalogue lacks one."""

    products: np.ndarray  # (n,) int64
    counts: np.ndarray  # (n,) times that each was bought
    ages: np.ndarray  # (n,) days since the last of them
    first_ages: np.ndarray | None = None  # (n,) days since the first; None where unknown


def due(counts: np.ndarray, ages: np.ndarray, first_ages: np.ndarray | None = None) -> np.ndarray:
    """Return how far each product is due again, from 0.5 right after it was bought to 1, in the shape of the counts.

    The time between two purchases is the mean of the shopper's own and one usual interval.
    """
    spans = np.zeros_like(ages) if first_ages is None else np.maximum(first_ages - ages, 0)
    own = np.zeros_like(ages) if first_ages is None else np.maximum(counts - 1, 0)
    interval = (spans + USUAL_INTERVAL) / (own + 1)
    return KEPT + (1 - KEPT) * (1 - np.exp2(-ages / (PART * interval)))


class BuyAgain:
    """The repeat term of a bundle; `known` says whether it has one that counts at any size of a past."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._repeats = Repeats.from_arrays(arrays) if f"{PREFIX}k" in arrays else None
        shares = self._repeats.params.values() if self._repeats else ()
        self.known = any(params.share > 0 for params in shares)

    def mixed(self, scores: np.ndarray, past: Past) -> np.ndarray:
        """Return (N,) log probabilities with the past in them, from those of a model."""
        if self._repeats is None or not (past.products >= 0).any():
            return scores
        inside = past.products >= 0
        products = past.products[inside][None]
        return with_repeats(
            scores[None],
            products,
            past.counts[inside][None],
            past.ages[inside][None],
            self._repeats.propensity[products],
            self._repeats.at(len(past.products)),
        )[0]

    def own(self, past: Past) -> np.ndarray:
        """Return the (n,) probabilities of the past's products among themselves; they sum to 1.

        What is due comes before what was bought just now. A product that the bundle does not know is as usual in how
        often it is bought again.
        """
        propensity = np.ones(len(past.products))
        if self._repeats is not None:
            known = self._repeats.propensity[np.maximum(past.products, 0)]
            propensity = np.where(past.products >= 0, known, self._repeats.propensity.mean())
        counts = past.counts * due(past.counts, past.ages, past.first_ages)
        return own_distribution(counts[None], past.ages[None], propensity[None], ALONE)[0]
