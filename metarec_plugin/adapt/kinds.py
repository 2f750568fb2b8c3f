"""What differs between kinds of bundles: from a support to scores on the learner's own scale, in numpy.

Working arrays are float32 and reused in place: at 10,000 products a kind takes a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from metarec_plugin.adapt.amortised import Amortised
from metarec_plugin.adapt.descent import Descent

Arrays = Mapping[str, np.ndarray]


class RawScores(Protocol):
    """A kind's scores, prepared once from the arrays of a bundle."""

    def __call__(self, support: np.ndarray) -> np.ndarray:
        """(k,) products, k >= 1 -> (N,) float32 that the caller may overwrite."""
        ...


class LinearMap:
    """raw(S) = offset + |S|^-power * the sum of the support's rows of a product-product map, kept sparse."""

    def __init__(self, arrays: Arrays) -> None:
        self._offset = arrays["offset"]  # (N,)
        self._row_products = arrays["row_products"]  # (N, n)
        self._row_values = arrays["row_values"]  # (N, n)
        self._power = float(arrays["power"])

    def __call__(self, support: np.ndarray) -> np.ndarray:
        columns = self._row_products[support].ravel()  # (k * n,)
        values = self._row_values[support].ravel()
        # bincount sums in double precision, whatever the order and the repeats of the columns.
        summed = np.bincount(columns, values, minlength=len(self._offset))  # (N,)
        summed *= len(support) ** -self._power
        return np.add(summed, self._offset, dtype=np.float32, casting="same_kind")


class InnerLoop:
    """raw(S) = V u + bias after T gradient steps of u on the support's cross-entropy under a full softmax.

    The softmax term of the first step is the same for every subject, so the bundle brings it, and one step costs
    one product with V instead of three.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._start = arrays["start"]  # (d,)
        self._start_gradient = arrays["start_gradient"]  # (d,)
        self._descent = Descent(arrays)

    def __call__(self, support: np.ndarray) -> np.ndarray:
        return self._descent.logits(self._descent(self._start.copy(), support, self._start_gradient))


def _no_adaptation(support: np.ndarray) -> np.ndarray:
    raise AssertionError("the popularity kind is answered from the prior")


KINDS: Mapping[str, Callable[[Arrays], RawScores]] = {
    "popularity": lambda arrays: _no_adaptation,
    "linear": LinearMap,
    "gradient": InnerLoop,
    "network": InnerLoop,  # its head: the network beside it is for workers (adapt/batch.py)
    "amortised": Amortised,
}
