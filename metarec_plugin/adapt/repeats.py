"""Buy again, in the request: a shopper's own past among the products that a model ranks, or ranked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from metarec_plugin.evaluate.repeats import PREFIX, RepeatParams, Repeats, own_distribution, with_repeats

# How a past is ranked by itself: what was bought often, of a kind that is bought again. Within the year that two shops'
# logs span, validation shoppers preferred no fading at all, by up to 2 %; beyond a year it is not known, so what was
# bought fades slowly (tests/bench/again.py).
ALONE = RepeatParams(1.0, half_life=365.0, power=1.0)


class Past(NamedTuple):
    """What one shopper bought so far: n catalogue products, -1 where the catalogue lacks one."""

    products: np.ndarray  # (n,) int64
    counts: np.ndarray  # (n,) times that each was bought
    ages: np.ndarray  # (n,) days since the last of them


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

        A product that the bundle does not know is as usual in how often it is bought again.
        """
        propensity = np.ones(len(past.products))
        if self._repeats is not None:
            known = self._repeats.propensity[np.maximum(past.products, 0)]
            propensity = np.where(past.products >= 0, known, self._repeats.propensity.mean())
        return own_distribution(past.counts[None], past.ages[None], propensity[None], ALONE)[0]
