"""The twenty best of a full catalogue, and what they are worth."""

from __future__ import annotations

import numpy as np

from metarec_plugin.exceptions import InvalidData

CUT = 20  # length of the measured list
_DISCOUNT = 1 / np.log2(np.arange(CUT) + 2)
_IDEAL = np.concatenate([[np.nan], np.cumsum(_DISCOUNT)])  # by number of relevant products
_GROUPS = 256


def top_products(scores: np.ndarray, n: int = CUT) -> np.ndarray:
    """Return the (B, n) int32 columns of the highest (B, N) scores, best first, equals by the lower column.

    A score of -inf is never listed: the row ends in -1 where fewer than n are left.
    Raises InvalidData on NaN.

    One pass finds the best of each of 256 groups of columns; the n-th best of those is a bar that the n best
    columns reach and few others do, so that only a handful is sorted.
    """
    b, size = scores.shape
    groups = min(_GROUPS, size)
    whole = size - size % groups
    best = scores[:, :whole].reshape(b, -1, groups).max(axis=1)  # (B, groups)
    best[:, : size - whole] = np.maximum(best[:, : size - whole], scores[:, whole:])
    if np.isnan(best).any():
        raise InvalidData("Scores must be numbers; found NaN. The learner did not converge: train it again.")
    if groups <= n:
        bar = np.full(b, -np.inf, dtype=scores.dtype)
    else:
        bar = np.partition(best, groups - n, axis=1)[:, groups - n]  # (B,)
    passed = scores >= bar[:, None]
    for row in np.flatnonzero(np.count_nonzero(passed, axis=1) > 8 * n + size // 32):
        # Very many equals at the bar: the first n of them are enough.
        above = scores[row] > bar[row]
        equal = np.flatnonzero(scores[row] == bar[row])
        above[equal[: max(0, n - np.count_nonzero(above))]] = True
        passed[row] = above
    rows, columns = np.nonzero(passed)
    values = scores[rows, columns]
    order = np.lexsort((-values, rows))  # stable, so that equals stay in the order of their columns
    rows, columns, values = rows[order], columns[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, np.arange(b))[rows]
    listed = (place < n) & (values > -np.inf)
    top = np.full((b, n), -1, dtype=np.int32)
    top[rows[listed], place[listed]] = columns[listed]
    return top


def hits(top: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return (B, n) bool: is the listed product in the row's query? Both are padded with -1."""
    found = (top[:, :, None] == query[:, None, :]).any(axis=2)
    return found & (top >= 0)


def relevant(query: np.ndarray) -> np.ndarray:
    """Return the (B,) numbers of products in each query."""
    return np.count_nonzero(query >= 0, axis=1)


def ndcg(found: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return (B,) NDCG@20 with binary gain; the ideal list holds min(20, relevant) hits."""
    return (found * _DISCOUNT).sum(axis=1) / _IDEAL[np.minimum(CUT, n_relevant)]


def precision(found: np.ndarray) -> np.ndarray:
    """Return (B,) hits / 20."""
    return found.sum(axis=1) / CUT


def recall(found: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return (B,) hits / min(20, relevant): 1 is always within reach."""
    return found.sum(axis=1) / np.minimum(CUT, n_relevant)


def recall_plain(found: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return (B,) hits / relevant. Equal to `recall` as long as a query holds at most 20 products."""
    return found.sum(axis=1) / n_relevant


def reciprocal_rank(found: np.ndarray) -> np.ndarray:
    """Return (B,) 1 / place of the first hit, 0 without one: its mean is MRR@20. Source: Voorhees 1999."""
    first = found.argmax(axis=1)
    return np.where(found.any(axis=1), 1 / (first + 1.0), 0.0)
