"""The frozen arrays that every later stage reads: shoppers' histories and the dataset of three sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

# A shop's prior is made of first steps: what came later in a long history says little about a new shopper.
EARLY = 30
MIN_QUERY = 5  # products that a shopper must have beyond the support, to be measured or trained on


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Every event of each subject in time order, the second and third with a product too, as one ragged array.

    Subject u has the events indptr[u] to indptr[u + 1]; event e is with the subject's `places[e]`-th product.
    """

    indptr: np.ndarray  # (U + 1,) int64
    places: np.ndarray  # (n,) int32, from 0: the place among the subject's distinct products
    at: np.ndarray | None  # (n,) float64 epoch seconds, NaN where unknown; None where nothing has a time

    @cached_property
    def before(self) -> np.ndarray:
        """The (n,) event at which the subject met the product last before; -1 at the first meeting."""
        subjects = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        order = np.lexsort((self.places, subjects))  # stable, so events of a product stay in time order
        same = (subjects[order][1:] == subjects[order][:-1]) & (
            self.places[order][1:] == self.places[order][:-1]
        )
        before = np.full(len(order), -1, dtype=np.int64)
        before[order[1:][same]] = order[:-1][same]
        return before

    def select(self, rows: np.ndarray) -> Occurrences:
        """Return the events of the given subjects, in the given order."""
        indptr, take = taken(self.indptr, rows)
        return Occurrences(indptr, self.places[take], None if self.at is None else self.at[take])


@dataclass(frozen=True, eq=False)
class Histories:
    """Distinct catalogue products of each subject in time order, as one ragged array.

    Subject u has `products[indptr[u]:indptr[u + 1]]`. Where it counts that people buy again, `occurrences` has
    every event besides.
    """

    subjects: np.ndarray  # (U,) str, ascending
    indptr: np.ndarray  # (U + 1,) int64
    products: np.ndarray  # (nnz,) int32 catalogue indices
    at: np.ndarray | None  # (nnz,) float64 epoch seconds, NaN where unknown; None where nothing has a time
    occurrences: Occurrences | None = None
    min_query: int = MIN_QUERY  # 1 in a log of short sessions, where next to nobody has 5 more

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, subject: int) -> np.ndarray:
        return self.products[self.indptr[subject] : self.indptr[subject + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[u] for u in range(len(self)))

    def lengths(self) -> np.ndarray:
        """Return the (U,) numbers of distinct products."""
        return np.diff(self.indptr)

    def positions(self) -> np.ndarray:
        """Return the (nnz,) place of each product in its subject's history, from 0."""
        return np.arange(len(self.products)) - np.repeat(self.indptr[:-1], self.lengths())

    def matrix(self, n_products: int) -> sp.csr_matrix:
        """Return the (U, n_products) float32 matrix with 1 where a subject has a product."""
        ones = np.ones(len(self.products), dtype=np.float32)
        return sp.csr_matrix((ones, self.products, self.indptr), shape=(len(self), n_products))

    def select(self, rows: np.ndarray) -> Histories:
        """Return the histories of the given subjects, in the given order."""
        indptr, take = taken(self.indptr, rows)
        at = None if self.at is None else self.at[take]
        occurrences = None if self.occurrences is None else self.occurrences.select(rows)
        return Histories(self.subjects[rows], indptr, self.products[take], at, occurrences, self.min_query)


def taken(indptr: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (R + 1,) bounds of the chosen rows of a ragged array, and where their entries lie in it."""
    lengths = np.diff(indptr)[rows]
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return bounds, np.arange(bounds[-1]) + np.repeat(indptr[rows] - bounds[:-1], lengths)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A catalogue and three disjoint groups of subjects; everything fitted is fitted on `train`."""

    product_keys: np.ndarray  # (N,) str, ascending
    train: Histories
    validation: Histories
    test: Histories
    source: Mapping[str, Any] = field(default_factory=dict)  # where it came from, for reports

    @property
    def n_products(self) -> int:
        return len(self.product_keys)

    @cached_property
    def popularity(self) -> np.ndarray:
        """The (N,) float32 number of training subjects with each product."""
        return np.bincount(self.train.products, minlength=self.n_products).astype(np.float32)

    @cached_property
    def early_popularity(self) -> np.ndarray:
        """The (N,) float32 number of training subjects with each product among their first 30."""
        early = self.train.products[self.train.positions() < EARLY]
        return np.bincount(early, minlength=self.n_products).astype(np.float32)

    @cached_property
    def log_prior(self) -> np.ndarray:
        """The (N,) float32 log probability of a product for a shopper of whom nothing is known."""
        smoothed = self.early_popularity.astype(np.float64) + 0.5
        return np.log(smoothed / smoothed.sum()).astype(np.float32)

    @cached_property
    def hash(self) -> str:
        """32 hex digits over catalogue, subjects and sequences: equal data has equal hashes."""
        digest = hashlib.blake2b(digest_size=16)
        _feed(digest, self.product_keys)
        for side in (self.train, self.validation, self.test):
            _feed(digest, side.subjects)
            digest.update(np.ascontiguousarray(side.indptr, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(side.products, dtype="<i4").tobytes())
            if side.occurrences is not None:
                digest.update(np.ascontiguousarray(side.occurrences.indptr, dtype="<i8").tobytes())
                digest.update(np.ascontiguousarray(side.occurrences.places, dtype="<i4").tobytes())
        return digest.hexdigest()


def _feed(digest: hashlib.blake2b, keys: np.ndarray) -> None:
    for key in keys.tolist():  # the length first, so that ("a", "bc") and ("ab", "c") differ
        encoded = key.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "little") + encoded)
