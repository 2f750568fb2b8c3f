"""What differs between kinds of bundles: from a support to scores on the learner's own scale, in numpy.

Working arrays are float32 and reused in place: at 10,000 products a kind takes a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from metarec_plugin.adapt.amortised import Amortised
from metarec_plugin.adapt.descent import InnerLoop
from metarec_plugin.adapt.mixture import Mixture

Arrays = Mapping[str, np.ndarray]


class RawScores(Protocol):
    """A kind's scores, prepared once from the arrays of a bundle."""

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        """(k,) products, oldest first, and epoch seconds -> (N,) float32 that the caller may overwrite."""
        ...


class LinearMap:
    """raw(S) = offset + |S|^-power * the sum of the support's rows of a product-product map, kept sparse."""

    def __init__(self, arrays: Arrays) -> None:
        self._offset = arrays["offset"]  # (N,)
        self._row_products = arrays["row_products"]  # (N, n)
        self._row_values = arrays["row_values"]  # (N, n)
        self._power = float(arrays["power"])

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        columns = self._row_products[support].ravel()  # (k * n,)
        values = self._row_values[support].ravel()
        # bincount sums in double precision, whatever the order and the repeats of the columns.
        summed = np.bincount(columns, values, minlength=len(self._offset))  # (N,)
        summed *= len(support) ** -self._power
        return np.add(summed, self._offset, dtype=np.float32, casting="same_kind")


def _no_adaptation(support: np.ndarray, now: float | None = None) -> np.ndarray:
    raise AssertionError("the popularity kind is answered from the prior")


KINDS: Mapping[str, Callable[[Arrays], RawScores]] = {
    "popularity": lambda arrays: _no_adaptation,
    "linear": LinearMap,
    "gradient": InnerLoop,
    "network": InnerLoop,  # its head: the network beside it is for workers (adapt/batch.py)
    "amortised": Amortised,
    "mixture": Mixture,
}
