"""Predict what products do from what they are: ridge regression of vectors and priors on features.

A product with few buyers has an uncertain vector, so it counts with weight n / (n + 20). The strength and the scales
of feature groups are chosen by leaving out a quarter of the products at a time, which is to pretend that they are new,
and ranking these for validation shoppers. Leaving out one at a time would need no second fit, but turns the order of
like products round: what sells most is missed most where it is left out. The variance explained of the vectors decides
what the ranking cannot; alone it favours strengths that smooth over what tells two products of one shelf apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from metarec_plugin.features.matrix import FeatureMatrix

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SCALES = (0.0, 2.0)  # of a group, beside 1
PATIENCE = 20.0  # buyers that make a product count half
SAMPLE = 2000  # products that the choice is made on: those with the most buyers, which say most of a ranking
MIN_GAIN = 0.002  # of explained variance, for a scale other than 1 where the ranking cannot tell
PARTS = 4  # that take their turn as new products
FULL = 4  # a column with more than one product in so many is no sparse one
MAX_SQUARE = 5000  # products up to which the products x products system is solved
MOST = 4000  # products that vectors are learned from in larger catalogues: those with the most buyers
ROUNDS, TOLERANCE = 100, 1e-3  # of conjugate gradients above that


@dataclass(frozen=True)
class RidgeChoice:
    """scales: of the groups. vector_ridge, prior_ridge: strengths. ndcg: of the ranking of
    left-out products. explained: their variance."""

    scales: Mapping[str, float]
    vector_ridge: float
    prior_ridge: float
    ndcg: float
    explained: tuple[float, float]  # of vectors, of log priors


def precision(buyers: np.ndarray) -> np.ndarray:
    """Return (N,) weights in (0, 1) from (N,) numbers of buyers."""
    return ((buyers + 1) / (buyers + 1 + PATIENCE)).astype(np.float32)


# (n,) products -> the NDCG@20 of E episodes, (E,), under (n, d) vectors predicted for them; None without episodes.
Quality = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray] | None]


@dataclass(frozen=True, eq=False)
class _Tried:
    """One setting: (E,) NDCG@20 of the ranking of left-out products, and the variance explained of these."""

    ranking: np.ndarray
    vectors: float
    log_prior: float

    def above(self, other: _Tried) -> int:
        """1 or -1 where the mean of the paired differences is more than its standard error from 0, else 0."""
        if not len(self.ranking):
            return 0
        apart = self.ranking - other.ranking
        error = apart.std() / np.sqrt(len(apart))
        return int(np.sign(apart.mean())) if abs(apart.mean()) > error else 0


def choose_ridge(
    features: FeatureMatrix,
    vectors: np.ndarray,
    log_prior: np.ndarray,
    weights: np.ndarray,
    quality_among: Quality,
    rng: np.random.Generator,
    *,
    sample: int = SAMPLE,
    scales: Mapping[str, float] | None = None,
) -> RidgeChoice:
    """Choose the strength, then the scale of one group after the other, by the ranking of left-out products.

    vectors: (N, d); log_prior and weights: (N,). Scales that are given are kept. Between settings that the
    ranking does not tell apart, by a standard error, the variance explained decides.
    """
    rows = most_bought(weights, sample)
    kernels = _kernels(features.rows(rows))
    drawn = np.array_split(rng.permutation(len(rows)), min(PARTS, len(rows)))
    parts = [np.sort(each) for each in drawn]
    qualities = [quality_among(rows[part]) for part in parts]
    vectors, log_prior, weights = vectors[rows], log_prior[rows], weights[rows]
    prior = log_prior - np.average(log_prior, weights=weights)

    def left_out(scales: Mapping[str, float], ridge: float) -> _Tried:
        kernel = np.zeros((len(rows), len(rows)), dtype=np.float32)
        for name, part in kernels.items():
            if scale := scales.get(name, 1.0):
                kernel += np.float32(scale * scale) * part
        targets = np.column_stack([vectors, prior])
        predicted = predict_parts(kernel, ridge / weights, targets, parts)
        error = targets - predicted
        rankings = [
            quality(predicted[part, :-1].astype(np.float32))
            for part, quality in zip(parts, qualities)
            if quality is not None
        ]
        found = np.concatenate([np.empty(0), *rankings])
        by_prior = _explained(error[:, -1:], prior[:, None], weights)
        return _Tried(found, _explained(error[:, :-1], vectors, weights), by_prior)

    chosen = dict(scales or {})
    grid = {ridge: left_out(chosen, ridge) for ridge in RIDGES}
    best = max(grid.values(), key=lambda each: each.ranking.mean() if len(each.ranking) else 0.0)
    near = [ridge for ridge in RIDGES if best.above(grid[ridge]) <= 0]
    for_vectors = max(near, key=lambda ridge: grid[ridge].vectors)
    best = grid[for_vectors]
    for name in kernels if scales is None else ():
        for scale in SCALES:
            tried = chosen | {name: scale}
            if not any(tried.get(other, 1.0) for other in kernels):
                continue
            found = left_out(tried, for_vectors)
            above = found.above(best)
            if above > 0 or (above == 0 and found.vectors > best.vectors + MIN_GAIN):
                best, chosen = found, tried
    for_prior = max(grid, key=lambda ridge: grid[ridge].log_prior)
    ndcg = float(best.ranking.mean()) if len(best.ranking) else 0.0
    return RidgeChoice(chosen, for_vectors, for_prior, ndcg, (best.vectors, grid[for_prior].log_prior))


def most_bought(weights: np.ndarray, most: int) -> np.ndarray:
    """Return the places, ascending, of the highest (N,) weights, the first of equals."""
    return np.sort(np.argsort(-weights, kind="stable")[:most])


def predict_parts(
    kernel: np.ndarray, noise: np.ndarray, targets: np.ndarray, parts: Sequence[np.ndarray]
) -> np.ndarray:
    """Return (n, p) predictions of the kernel ridge for each part of the products, fitted without this part.

    kernel: (n, n); noise: (n,), the ridge over each product's weight; targets: (n, p).
    """
    predicted = np.zeros(targets.shape)
    for part in parts:
        rest = np.setdiff1d(np.arange(len(kernel)), part)
        system = kernel[np.ix_(rest, rest)].astype(np.float64)
        system[np.diag_indices(len(system))] += noise[rest]
        factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        solved = scipy.linalg.cho_solve(factor, targets[rest], check_finite=False)
        predicted[part] = kernel[np.ix_(part, rest)] @ solved
    return predicted


def solve_ridge(cells: sp.csr_matrix, targets: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Return the (F, p) coefficients that minimise sum_i weight_i |target_i - cells_i W|^2 + ridge |W|^2.

    Solved exactly through products x products up to 5,000 products, else by conjugate gradients to a residual of 0.1 %.
    """
    targets = np.ascontiguousarray(targets, dtype=np.float32)
    if cells.shape[0] <= MAX_SQUARE:
        system = _inner_products(cells)
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
            found[name] = _inner_products(part)
    return found


def _inner_products(cells: sp.csr_matrix) -> np.ndarray:
    """Return the (n, n) products of the rows; of the dimensions of an embedding in full, which is far faster."""
    full = np.bincount(cells.indices, minlength=cells.shape[1]) * FULL > cells.shape[0]
    dense, rest = cells[:, full].toarray(), cells[:, ~full]
    return np.asarray((rest @ rest.T).toarray() + dense @ dense.T)


def _explained(error: np.ndarray, target: np.ndarray, weights: np.ndarray) -> float:
    total = float((weights[:, None] * target**2).sum())
    return 1 - float((weights[:, None] * error**2).sum()) / total if total > 0 else 0.0
