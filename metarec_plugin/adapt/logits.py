"""Mean and deviation over the catalogue of the logits V u + bias, without making them: from moments of V and bias."""

from __future__ import annotations

import math

import numpy as np

BLOCK = 4096  # products at a time: 1 MB of vectors at 64 dimensions
ROUNDING = (
    1e-12  # of the sum of squares that a variance is the remainder of: below it all logits are the same
)


class Moments:
    """First and second moments of (vector, bias) over N products: one pass over V, when a bundle is loaded."""

    def __init__(self, vectors: np.ndarray, bias: np.ndarray) -> None:
        n, d = vectors.shape
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found when scores are made
            self._mean = np.append(vectors.mean(axis=0, dtype=np.float64), bias.mean(dtype=np.float64))
            centred = np.empty((min(BLOCK, n), d + 1), dtype=np.float32)
            square = np.zeros((d + 1, d + 1))
            for first in range(0, n, BLOCK):
                part = centred[: len(bias[first : first + BLOCK])]
                part[:, :d], part[:, d] = vectors[first : first + BLOCK], bias[first : first + BLOCK]
                part -= self._mean.astype(np.float32)
                square += part.T @ part
        self._covariance = square / n  # (d + 1, d + 1)

    def of(self, state: np.ndarray) -> tuple[float, float]:
        """(d,) u -> mean and deviation over the catalogue of V u + bias; 0 where all logits are the same."""
        whole = np.append(state, 1.0)  # (d + 1,), float64
        terms = whole * (self._covariance @ whole)
        variance, mean = float(terms.sum()), float(self._mean @ whole)
        same = variance <= ROUNDING * (float(np.abs(terms).sum()) + mean * mean)
        return mean, 0.0 if same else math.sqrt(variance)
