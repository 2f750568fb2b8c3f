"""EASE: the closed-form linear autoencoder with a zero diagonal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from metarec_plugin.evaluate.widening import Strength
from metarec_plugin.preprocess.histories import Dataset

RIDGES = (300.0, 3000.0, 20000.0)
MAX_PRODUCTS = 13_000  # a square of floats beyond this does not belong on a shop's worker


class Ease:
    """Sums of rows of B = I - P diag(1 / P), P = (X'X + ridge I)^-1. Source: Steck 2019, equations 6 to 8."""

    def __init__(self, gram: np.ndarray, ridge: float) -> None:
        """gram: X'X, (N, N) float32, left as it is."""
        weights = np.array(gram, dtype=np.float32)
        weights[np.diag_indices_from(weights)] += np.float32(ridge)
        weights = scipy.linalg.inv(weights, overwrite_a=True, check_finite=False, assume_a="pos")
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        self._weights = np.ascontiguousarray(weights)

    def raws(self, support: np.ndarray, strengths: Sequence[Strength]) -> list[np.ndarray]:
        """Return, in a list of one, the (B, N) float32 sums of the rows of the (B, k) support."""
        b, k = support.shape
        pick = sp.csr_matrix(
            (np.ones(b * k, np.float32), support.ravel(), np.arange(0, b * k + 1, k)),
            shape=(b, len(self._weights)),
        )
        return [pick @ self._weights]


def gram(dataset: Dataset) -> np.ndarray:
    """Return X'X of the training histories, (N, N) float32."""
    bought = dataset.train.matrix(dataset.n_products)
    return (bought.T @ bought).toarray()
