"""Few-shot ratings: what a subject gave to k products, what is asked of the others, and the bias model's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metarec_plugin.exceptions import InvalidData

RATING_KS = (1, 2, 3, 5, 10)
MIN_ASKED = 5  # a subject takes part at k with k + 5 ratings


@dataclass(frozen=True, eq=False)
class Ratings:
    """Values that each subject gave, as one ragged array: subject u has places indptr[u] to indptr[u + 1]."""

    indptr: np.ndarray  # (U + 1,) int64
    products: np.ndarray  # (nnz,) int32 catalogue indices
    values: np.ndarray  # (nnz,) float32

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def lengths(self) -> np.ndarray:
        """Return the (U,) numbers of ratings."""
        return np.diff(self.indptr)

    def subjects(self) -> np.ndarray:
        """Return the (nnz,) subject of each rating."""
        return np.repeat(np.arange(len(self)), self.lengths())


class RatingBatch(NamedTuple):
    """Episodes of B subjects with k support ratings each, and q asked ones, padded with product -1."""

    support: np.ndarray  # (B, k) int64
    given: np.ndarray  # (B, k) float32
    query: np.ndarray  # (B, q) int64
    asked: np.ndarray  # (B, q) float32


def rating_episodes(ratings: Ratings, k: int, asked: int | None = None) -> RatingBatch:
    """Return the episodes of all subjects with k + 5 ratings: the first k are the support, all others are asked.

    asked: only so many of them, for a quick look.
    """
    rows = np.flatnonzero(ratings.lengths() >= k + MIN_ASKED)
    start, lengths = ratings.indptr[rows], ratings.lengths()[rows]
    most = int(lengths.max(initial=k + 1)) - k
    return _cut(ratings, start, lengths, k, most if asked is None else min(most, asked))


class RatingSampler:
    """Draws training episodes: subjects alike, their ratings in random order, k log-uniform."""

    def __init__(
        self, ratings: Ratings, rng: np.random.Generator, max_support: int = 20, asked: int = 50
    ) -> None:
        self._ratings, self._rng, self._asked = ratings, rng, asked
        self._rows = np.flatnonzero(ratings.lengths() >= 1 + MIN_ASKED)
        if not len(self._rows):
            raise InvalidData(
                f"No training subject gave {1 + MIN_ASKED} ratings; the longest gave "
                f"{int(ratings.lengths().max(initial=0))}. Collect more of them."
            )
        self._max_support = min(max_support, int(ratings.lengths().max()) - MIN_ASKED)

    def draw(self, size: int) -> RatingBatch:
        """Return `size` episodes of one k, each with at most `asked` ratings to predict."""
        rng, ratings = self._rng, self._ratings
        k = int(np.exp(rng.uniform(0, np.log(self._max_support + 1))))
        lengths = ratings.lengths()[self._rows]
        rows = rng.choice(self._rows[lengths >= k + MIN_ASKED], size)
        drawn = [
            rng.permutation(ratings.indptr[row + 1] - ratings.indptr[row])[: k + self._asked]
            + ratings.indptr[row]
            for row in rows
        ]
        indptr = np.concatenate([[0], np.cumsum([len(each) for each in drawn])])
        take = np.concatenate(drawn)
        shuffled = Ratings(indptr, ratings.products[take], ratings.values[take])
        return _cut(shuffled, indptr[:-1], np.diff(indptr), k, self._asked)


def _cut(ratings: Ratings, start: np.ndarray, lengths: np.ndarray, k: int, most: int) -> RatingBatch:
    support = start[:, None] + np.arange(k)
    ahead = k + np.arange(most)
    inside = ahead < lengths[:, None]
    query = np.minimum(start[:, None] + ahead, max(len(ratings.products) - 1, 0))
    return RatingBatch(
        ratings.products[support].astype(np.int64),
        ratings.values[support],
        np.where(inside, ratings.products[query], -1).astype(np.int64),
        np.where(inside, ratings.values[query], 0).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class BiasModel:
    """mean + product's bias + subject's bias, both shrunk towards 0 (Koren 2010, section 2.1)."""

    mean: float
    product_bias: np.ndarray  # (N,) float32
    subject_shrinkage: float  # ratings that a new subject's bias is pulled to 0 by

    def predict(self, batch: RatingBatch) -> np.ndarray:
        """Return the (B, q) expected values of the asked products."""
        left = batch.given - self.mean - self.product_bias[batch.support]  # (B, k)
        bias = left.sum(axis=1, keepdims=True) / (left.shape[1] + self.subject_shrinkage)
        return self.mean + self.product_bias[batch.query.clip(0)] + bias


def fit_bias_model(
    ratings: Ratings,
    n_products: int,
    *,
    shrinkage: float = 5.0,
    subject_shrinkage: float = 3.0,
    rounds: int = 10,
) -> BiasModel:
    """Fit the biases to the training ratings by turns; shrinkage: ratings that pull a product's bias to 0."""
    mean = float(ratings.values.mean())
    subjects, left = ratings.subjects(), ratings.values - mean
    per_product = np.bincount(ratings.products, minlength=n_products) + shrinkage
    per_subject = ratings.lengths() + subject_shrinkage
    of_product, of_subject = np.zeros(n_products), np.zeros(len(ratings))
    for _ in range(rounds):
        own = left - of_subject[subjects]
        of_product = np.bincount(ratings.products, own, minlength=n_products) / per_product
        own = left - of_product[ratings.products]
        of_subject = np.bincount(subjects, own, minlength=len(ratings)) / per_subject
    return BiasModel(mean, of_product.astype(np.float32), subject_shrinkage)


def errors(predicted: np.ndarray, batch: RatingBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return each subject's mean absolute and mean squared error, (B,) each."""
    asked = batch.query >= 0
    off = np.where(asked, predicted - batch.asked, 0)
    n = asked.sum(axis=1)
    return np.abs(off).sum(axis=1) / n, (off * off).sum(axis=1) / n


def rmse(predicted: np.ndarray, batch: RatingBatch) -> float:
    """Return the root of the mean over subjects of their mean squared error."""
    return float(np.sqrt(errors(predicted, batch)[1].mean()))
