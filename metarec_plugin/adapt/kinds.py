"""What differs between kinds of bundles: from a support to scores on the learner's own scale, in numpy.

Working arrays are float32 and reused in place: at 10,000 products a kind takes a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]
BLOCK = 4096  # products at a time in the inner loop: 1 MB of vectors at 64 dimensions


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

    The step's gradient is V'(softmax(V u + bias) - t), t uniform over the support (MAML, Finn et al. 2017,
    eq. 1, with a step size per dimension). Its softmax term at the start is the same for every subject, so
    the bundle brings it, and one step costs one product with V instead of three.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._vectors = arrays["vectors"]  # (N, d)
        self._bias = arrays["bias"]  # (N,)
        self._start = arrays["start"]  # (d,)
        self._step_sizes = arrays["step_sizes"]  # (T, d)
        self._start_gradient = arrays["start_gradient"]  # (d,)
        self._blocks = [
            (self._vectors[first : first + BLOCK], self._bias[first : first + BLOCK])
            for first in range(0, len(self._bias), BLOCK)
        ]

    def __call__(self, support: np.ndarray) -> np.ndarray:
        target = self._vectors[support].mean(axis=0)  # (d,), V't
        expected = self._start_gradient  # (d,), V'softmax
        state = self._start.copy()
        for step, step_size in enumerate(self._step_sizes):
            if step:
                expected = self._expected(state)
            state -= step_size * (expected - target)
        logits = self._vectors @ state
        logits += self._bias
        return logits

    def _expected(self, state: np.ndarray) -> np.ndarray:
        """V'softmax(V u + bias), (d,), in one pass over V: each block is used twice while the cache holds it."""
        summed, total, top = np.zeros_like(state), np.float32(0), np.float32(-np.inf)
        for vectors, bias in self._blocks:
            weights = vectors @ state
            weights += bias
            peak = weights.max()
            if peak > top:  # what was summed so far was relative to a lower peak
                shrink = np.exp(top - peak)
                summed, total, top = summed * shrink, total * shrink, peak
            weights -= top
            np.exp(weights, out=weights)
            summed += weights @ vectors
            total += weights.sum()
        return summed / total


def _no_adaptation(support: np.ndarray) -> np.ndarray:
    raise AssertionError("the popularity kind is answered from the prior")


KINDS: Mapping[str, Callable[[Arrays], RawScores]] = {
    "popularity": lambda arrays: _no_adaptation,
    "linear": LinearMap,
    "gradient": InnerLoop,
}
