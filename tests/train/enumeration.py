"""All few-shot episodes of a few small shoppers, written out: what the moments sum up without drawing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class Enumerated(NamedTuple):
    """One row for each subset of each shopper; the rows of a shopper and k weigh 1 together."""

    inputs: np.ndarray  # (E, N): k^-power on the support
    targets: np.ndarray  # (E, N): 1 on what the shopper has besides
    weights: np.ndarray  # (E,)
    columns: np.ndarray  # (E,): which k


def shoppers(lengths: Sequence[int], n_products: int, seed: int = 0) -> sp.csr_matrix:
    """(U, N) float32: shoppers with so many products, drawn from all."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((len(lengths), n_products), dtype=np.float32)
    for row, length in zip(dense, lengths):
        row[rng.choice(n_products, length, replace=False)] = 1
    return sp.csr_matrix(dense)


def enumerate_episodes(x: sp.csr_matrix, sizes: Sequence[int], power: float) -> Enumerated:
    inputs, targets, weights, columns = [], [], [], []
    for row in x.toarray().astype(np.float64):
        products = np.flatnonzero(row)
        for column, k in enumerate(sizes):
            if len(products) <= k:
                continue
            subsets = list(combinations(products, k))
            for subset in subsets:
                given = np.zeros_like(row)
                given[list(subset)] = 1
                inputs.append(given * k**-power)
                targets.append(row - given)
                weights.append(1 / len(subsets))
                columns.append(column)
    return Enumerated(*map(np.array, (inputs, targets, weights, columns)))


def covariances(e: Enumerated) -> tuple[np.ndarray, np.ndarray]:
    """(N, N) of input with input and of input with target, about the means of each k, summed over k."""
    inner = cross = np.zeros((e.inputs.shape[1],) * 2)
    for column in np.unique(e.columns):
        own = e.columns == column
        weights = e.weights[own, None]
        x, y = (part[own] - np.average(part[own], axis=0, weights=e.weights[own]) for part in e[:2])
        inner, cross = inner + x.T @ (weights * x), cross + x.T @ (weights * y)
    return inner, cross


def ridge_solution(e: Enumerated, ridge: np.ndarray) -> np.ndarray:
    """(N, N) least-squares map from inputs to targets: a free intercept for each k, `ridge` on each input's row."""
    n_products, n_sizes = e.inputs.shape[1], e.columns.max() + 1
    intercepts = np.eye(n_sizes)[e.columns]
    root = np.sqrt(e.weights)[:, None]
    penalty = np.hstack([np.diag(np.sqrt(ridge)), np.zeros((n_products, n_sizes))])
    left = np.vstack([root * np.hstack([e.inputs, intercepts]), penalty])
    right = np.vstack([root * e.targets, np.zeros((n_products, n_products))])
    return np.linalg.lstsq(left, right, rcond=None)[0][:n_products]
