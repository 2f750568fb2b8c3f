"""What differs between kinds of bundles: from a support to scores on the learner's own scale, in numpy.

Working arrays are float32 and reused in place: at 10,000 products a kind takes a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from metarec_plugin.adapt.amortised import Amortised
from metarec_plugin.adapt.descent import ONE, InnerLoop
from metarec_plugin.adapt.mixture import Mixture
from metarec_plugin.adapt.passes import Said
from metarec_plugin.adapt.speaking import Explain, Parts, entries_of

Arrays = Mapping[str, np.ndarray]


class RawScores(Protocol):
    """A kind's scores, prepared once from the arrays of a bundle.

    experts: their names, in the order of what explains a score; empty where the learner of the bundle is the only one.
    """

    experts: tuple[str, ...]

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        """(k,) products, oldest first, and epoch seconds -> (N,) float32 that the caller may overwrite."""
        ...

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> tuple[Said, Explain]:
        """Return the scores, not yet written out, and what explains those of a few products.

        weights: (k,) with mean 1, how much each product of the support counts; None: all the same.
        """
        ...


class LinearMap:
    """raw(S) = offset + |S|^-power * the sum of the support's rows of a product-product map, kept sparse."""

    experts: tuple[str, ...] = ()

    def __init__(self, arrays: Arrays) -> None:
        self._mean = np.float32(arrays["offset"].mean(dtype=np.float64))
        self._offset = (arrays["offset"] - self._mean)[None]  # (1, N), so that no digits are lost to the mean
        self._row_products = arrays["row_products"]  # (N, n)
        self._row_values = arrays["row_values"]  # (N, n)
        self._power = float(arrays["power"])

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        return self.answer(support, now)[0].whole()

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> tuple[Said, Explain]:
        columns = self._row_products[support].ravel()  # (k * n,)
        rows = self._row_values[support]  # (k, n)
        if weights is not None:
            rows *= weights[:, None]
        values = rows.ravel()
        values *= np.float32(len(support) ** -self._power)
        said = Said(((self._offset, ONE),), columns=columns, values=values, constant=float(self._mean))
        return said, lambda products: self._parts(support, products, weights)

    def _parts(self, support: np.ndarray, products: np.ndarray, weights: np.ndarray | None) -> Parts:
        m, k = len(products), len(support)
        places, rows, at = entries_of(products, self._row_products[support], self._offset.shape[1])
        values = self._row_values[support[rows], at] * k**-self._power
        if weights is not None:
            values = values * weights[rows]
        return Parts(np.bincount(places * k + rows, values, minlength=m * k).reshape(m, 1, k))


class NoAdaptation:
    """The popularity kind, which is answered from the prior."""

    experts: tuple[str, ...] = ()

    def __init__(self, arrays: Arrays) -> None:
        pass

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        raise AssertionError("the popularity kind is answered from the prior")

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> tuple[Said, Explain]:
        raise AssertionError("the popularity kind is answered from the prior")


KINDS: Mapping[str, Callable[[Arrays], RawScores]] = {
    "popularity": NoAdaptation,
    "linear": LinearMap,
    "gradient": InnerLoop,
    "network": InnerLoop,  # its head: the network beside it is for workers (adapt/batch.py)
    "amortised": Amortised,
    "mixture": Mixture,
}
