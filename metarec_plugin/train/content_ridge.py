"""Predict what products do from what they are: ridge regression of vectors and priors on features.

A product with few buyers has an uncertain vector, so it counts with weight n / (n + 20). Strengths and the scales of
feature groups are chosen by leaving out each product in turn, which is to pretend that it is new (for a ridge this
needs no second fit: Hastie, Tibshirani and Friedman 2009, eq. 7.64).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from metarec_plugin.features.matrix import FeatureMatrix

RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SCALES = (0.0, 0.5, 2.0)  # of a group, beside 1
PATIENCE = 20.0  # buyers that make a product count half
SAMPLE = 1000  # products that the choice is made on
MIN_GAIN = 0.002  # of explained variance, for a scale other than 1
MAX_SQUARE = 5000  # products up to which the products x products system is solved
ROUNDS, TOLERANCE = 100, 1e-3  # of conjugate gradients above that


@dataclass(frozen=True)
class RidgeChoice:
    """scales: of the groups. vector_ridge, prior_ridge: strengths. explained: variance of left-out products."""

    scales: Mapping[str, float]
    vector_ridge: float
    prior_ridge: float
    explained: tuple[float, float]  # of vectors, of log priors


def precision(buyers: np.ndarray) -> np.ndarray:
    """Return (N,) weights in (0, 1) from (N,) numbers of buyers."""
    return ((buyers + 1) / (buyers + 1 + PATIENCE)).astype(np.float32)


def choose_ridge(
    features: FeatureMatrix,
    vectors: np.ndarray,
    log_prior: np.ndarray,
    weights: np.ndarray,
    rng: np.random.Generator,
    *,
    sample: int = SAMPLE,
    scales: Mapping[str, float] | None = None,
) -> RidgeChoice:
    """Choose strengths, then the scale of one group after the other, by the variance explained of left-out products.

    vectors: (N, d); log_prior and weights: (N,). Scales that are given are kept.
    """
    n = len(vectors)
    rows = np.sort(rng.choice(n, sample, replace=False)) if n > sample else np.arange(n)
    kernels = _kernels(features.rows(rows))
    vectors, log_prior, weights = vectors[rows], log_prior[rows], weights[rows]
    prior = log_prior - np.average(log_prior, weights=weights)

    def explained(scales: Mapping[str, float], ridge: float) -> tuple[float, float]:
        kernel = np.zeros((len(rows), len(rows)), dtype=np.float32)
        for name, part in kernels.items():
            if scale := scales.get(name, 1.0):
                kernel += np.float32(scale * scale) * part
        error = left_out_errors(kernel, ridge / weights, np.column_stack([vectors, prior]))
        return (
            _explained(error[:, :-1], vectors, weights),
            _explained(error[:, -1:], prior[:, None], weights),
        )

    chosen = dict(scales or {})
    grid = {ridge: explained(chosen, ridge) for ridge in RIDGES}
    for_vectors = max(grid, key=lambda ridge: grid[ridge][0])
    for_prior = max(grid, key=lambda ridge: grid[ridge][1])
    best = sum(grid[for_vectors])
    for name in kernels if scales is None else ():
        for scale in SCALES:
            tried = chosen | {name: scale}
            if not any(tried.get(other, 1.0) for other in kernels):
                continue
            found = sum(explained(tried, for_vectors))
            if found > best + MIN_GAIN:
                best, chosen = found, tried
    at_choice = explained(chosen, for_vectors)[0], explained(chosen, for_prior)[1]
    return RidgeChoice(chosen, for_vectors, for_prior, at_choice)


def left_out_errors(kernel: np.ndarray, noise: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (n, p) errors at each product of the kernel ridge fitted without it.

    kernel: (n, n); noise: (n,), the ridge over each product's weight; targets: (n, p).
    """
    system = kernel.astype(np.float64)
    system[np.diag_indices(len(system))] += noise
    factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    solved = scipy.linalg.cho_solve(factor, targets, check_finite=False)
    halves, _ = scipy.linalg.lapack.dtrtri(factor[0], lower=1)
    diagonal = (np.tril(halves) ** 2).sum(axis=0)  # of the inverse: the factor's inverse times itself
    return solved / diagonal[:, None]


def solve_ridge(cells: sp.csr_matrix, targets: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Return the (F, p) coefficients that minimise sum_i weight_i |target_i - cells_i W|^2 + ridge |W|^2.

    Solved exactly through products x products up to 5,000 products, else by conjugate gradients to a residual of 0.1 %.
    """
    targets = np.ascontiguousarray(targets, dtype=np.float32)
    if cells.shape[0] <= MAX_SQUARE:
        system = (cells @ cells.T).toarray()
        system[np.diag_indices(len(system))] += ridge / weights
        factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        return np.asarray(cells.T @ scipy.linalg.cho_solve(factor, targets, check_finite=False))
    weighed = sp.diags_array(weights) @ cells
    return _conjugate_gradients(cells.T.tocsr(), weighed.tocsr(), np.asarray(weighed.T @ targets), ridge)


def _conjugate_gradients(
    transposed: sp.csr_matrix, weighed: sp.csr_matrix, right: np.ndarray, ridge: float
) -> np.ndarray:
    """Solve (F' D F + ridge) W = right, all columns at once (Hestenes and Stiefel 1952)."""
    solution = np.zeros_like(right)
    residual, direction = right.copy(), right.copy()
    square = (residual**2).sum(axis=0)
    goal = TOLERANCE**2 * square
    for _ in range(ROUNDS):
        if (square <= goal).all():
            break
        moved = transposed @ (weighed @ direction) + np.float32(ridge) * direction
        curvature = (direction * moved).sum(axis=0)
        step = np.divide(square, curvature, out=np.zeros_like(square), where=curvature > 0)
        solution += step * direction
        residual -= step * moved
        before, square = square, (residual**2).sum(axis=0)
        direction *= np.divide(square, before, out=np.zeros_like(square), where=before > 0)
        direction += residual
    return solution


def _kernels(features: FeatureMatrix) -> dict[str, np.ndarray]:
    """The (n, n) inner products of each group that has any."""
    found = {}
    for place, name in enumerate(features.groups):
        part = features.cells[:, features.token_groups == place]
        if part.nnz:
            found[name] = (part @ part.T).toarray()
    return found


def _explained(error: np.ndarray, target: np.ndarray, weights: np.ndarray) -> float:
    total = float((weights[:, None] * target**2).sum())
    return 1 - float((weights[:, None] * error**2).sum()) / total if total > 0 else 0.0
