"""Exact expectations over all few-shot episodes of the training shoppers, as sums over shoppers.

Of a shopper with n products, an episode draws k as the support, all subsets alike; the other n - k are the
query. The input is k^-power on the support, the target 1 on the query. Over the draws a pair of distinct
products is in the support together with chance k(k-1)/(n(n-1)), and one is in the support while the other is
in the query with chance k(n-k)/(n(n-1)), so second moments are weighted sums of x x' and nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

SUPPORT_SIZES = (1, 2, 3, 5, 10, 20, 50)  # each counts alike: one map has to serve them all
POWER = 0.5


@dataclass(frozen=True, eq=False)
class Moments:
    """Weights of U shoppers, pooled over k, under which the covariances of input and target are

    A = X' diag(pairs) X with diagonal X' inputs, less the intercepts' (X' g_k)(X' g_k)';
    C = X' diag(crosses) X with diagonal 0, less the intercepts' (X' g_k)(X' h_k)'.
    """

    shoppers: sp.csr_matrix  # X, (U, N), 1 where a shopper has a product
    pairs: np.ndarray  # (U,)
    inputs: np.ndarray  # (U,)
    crosses: np.ndarray  # (U,)
    mean_inputs: np.ndarray  # (U, K): the columns g_k, over the root of the number of shoppers
    mean_targets: np.ndarray  # (U, K): the columns h_k

    @property
    def diagonal(self) -> np.ndarray:
        """The (N,) diagonal of A before centring: how often a product is an input."""
        return self.shoppers.T @ self.inputs

    def shopper_forms(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (U, U) forms S and T: A = X' S X + a diagonal, C = X' T X - a diagonal."""
        inner = np.diag(self.pairs) - self.mean_inputs @ self.mean_inputs.T
        cross = np.diag(self.crosses) - self.mean_inputs @ self.mean_targets.T
        return inner, cross


def episode_moments(
    shoppers: sp.csr_matrix,
    sizes: Sequence[int] = SUPPORT_SIZES,
    power: float = POWER,
    dtype: type[np.floating] = np.float32,
) -> Moments:
    """Sum over k in `sizes` and every shopper with more than k products; X is (U, N) of ones."""
    n = np.diff(shoppers.indptr).astype(np.float64)  # (U,)
    pairs, inputs, crosses = np.zeros((3, len(n)))
    mean_inputs, mean_targets = np.zeros((2, len(n), len(sizes)))
    for column, k in enumerate(sizes):
        takes_part = n > k
        if not takes_part.any():
            continue
        scale = k**-power
        drawn = np.where(takes_part, k / np.maximum(n, 1), 0.0)  # chance of being in the support
        others = np.maximum(n - 1, 1)
        pairs += scale**2 * drawn * (k - 1) / others
        inputs += scale**2 * drawn
        crosses += scale * drawn * (n - k) / others
        count = np.sqrt(takes_part.sum())
        mean_inputs[:, column] = scale * drawn / count
        mean_targets[:, column] = np.where(takes_part, 1 - drawn, 0.0) / count
    return Moments(
        shoppers.astype(dtype),
        *(a.astype(dtype) for a in (pairs, inputs, crosses, mean_inputs, mean_targets)),
    )
