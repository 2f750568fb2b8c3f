"""Products without a history placed among those with one, and scored from a subject's scores of the latter.

A newcomer j is placed by a vector v_j in the space of the catalogue's vectors, by what it is like, and by a prior.
Its score is a sum of terms, each times a weight that is linear in 1 and x (x grows with the logarithm of the number of
products known of a subject), plus an offset:
  transfer    sum_i c_ji (s_i - log p_i): what a subject's calibrated scores s say of the catalogue products nearest
              to v_j, so that whatever made the scores - any kind of bundle - speaks for newcomers too;
  alike       the same sum over the products whose features are most alike;
  direction   cos(v_j, u), u the mean vector of the subject's support;
  reach       v_j . u: an attribute ridge, to which how sure v_j is counts too;
  likeness    three of them: the mean, over the support, of the cosine of features to the powers 1, 2 and 4, which is
              content kNN;
  prior       log p_j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from metarec_plugin.features.likeness import Sketches, cosines, joined, sketch
from metarec_plugin.features.tokens import TokenSpace

NEIGHBOURS = 50  # of a newcomer in the catalogue
SHARPNESS = 4  # c_ji is cos(v_j, v_i)^4: of 1, 2, 4 and 8 the best among held-out products of two shops
BLOCK = 64  # newcomers placed at a time

TERM_NAMES = ("transfer", "alike", "direction", "reach", "likeness", "likeness^2", "likeness^4", "prior")
TERMS = len(TERM_NAMES)
GATE = 2 * TERMS + 1  # weights of the terms, of the terms times x, and the offset
MIDDLE = 1.4  # of log(1 + k): three products


def mixed_weights(gate: np.ndarray, k: int) -> np.ndarray:
    """Return the (8,) weights of the terms for k products of support, of the (17,) gate."""
    return gate[:TERMS] + inputs_of(k)[1] * gate[TERMS : 2 * TERMS]


def inputs_of(k: int) -> tuple[float, float]:
    """What the weights are linear in: 1 and x."""
    return 1.0, float(np.log1p(k)) - MIDDLE


@dataclass(frozen=True, eq=False)
class Profile:
    """What newcomers are compared with: towards, the (d,) unit mean vector of a support, and its k sketches."""

    towards: np.ndarray
    sketches: Sketches

    @staticmethod
    def of(vectors: np.ndarray, sketches: Sketches) -> Profile:
        """Of the (k, d) unit vectors of a support and its sketches."""
        mean = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
        return Profile(unit(mean.astype(np.float32)), sketches)

    def __len__(self) -> int:
        return len(self.sketches)


@dataclass(frozen=True, eq=False)
class Newcomers:
    """J products placed in the space of N catalogue products.

    directions: (J, d) of length 1, or 0 where nothing is known; lengths: (J,) of the vectors before. log_prior: (J,).
    neighbours: (J, n) catalogue products; nearness: (J, n) their weights, which sum to 1, or to 0 where nothing is
    known of a newcomer. The nearest comes first. alike: (J, m) catalogue products with like features; likeness:
    (J, m) their weights, which sum to 1 or 0. sketches: of the features.
    """

    directions: np.ndarray
    lengths: np.ndarray
    log_prior: np.ndarray
    neighbours: np.ndarray
    nearness: np.ndarray
    alike: np.ndarray
    likeness: np.ndarray
    sketches: Sketches

    def __len__(self) -> int:
        return len(self.directions)

    @property
    def known(self) -> np.ndarray:
        """(J,) whether anything is known of each."""
        return self.nearness[:, 0] > 0

    def __getitem__(self, rows: np.ndarray | slice) -> Newcomers:
        return Newcomers(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @staticmethod
    def joined(parts: Sequence[Newcomers]) -> Newcomers:
        """Return the products of all parts, of which there is at least one, in their order."""
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(each, field.name) for each in parts])
            for field in fields(Newcomers)
            if field.name != "sketches"
        }
        return Newcomers(**columns, sketches=joined([each.sketches for each in parts]))

    def terms(self, residuals: np.ndarray, profile: Profile) -> np.ndarray:
        """Return (J, 8) terms, for (N,) residuals s - log p and what the support says."""
        terms = np.zeros((len(self), TERMS), dtype=np.float32)
        terms[:, 0] = np.einsum("jn,jn->j", residuals[self.neighbours], self.nearness)
        terms[:, 1] = np.einsum("jm,jm->j", residuals[self.alike], self.likeness)
        terms[:, 2] = self.directions @ profile.towards
        terms[:, 3] = terms[:, 2] * self.lengths
        if len(profile):
            like = cosines(self.sketches, profile.sketches)  # (k, J)
            for column in (4, 5, 6):
                terms[:, column] = like.mean(axis=0)
                like *= like  # the powers 1, 2 and 4
        terms[:, 7] = self.log_prior
        return terms


def place(
    vectors: np.ndarray,
    log_prior: np.ndarray,
    catalogue: np.ndarray,
    alike: tuple[np.ndarray, np.ndarray],
    sketches: Sketches,
) -> Newcomers:
    """Find the neighbours of (J, d) vectors among the (N, d) unit vectors of a catalogue.

    alike: catalogue products with like features and their squared cosines, (J, m) each. sketches: of the J.
    """
    n = min(NEIGHBOURS, len(catalogue))
    neighbours = np.empty((len(vectors), n), dtype=np.int32)
    nearness = np.empty((len(vectors), n), dtype=np.float32)
    directions = unit(vectors.astype(np.float32))
    for start in range(0, len(vectors), BLOCK):
        part = slice(start, start + BLOCK)
        cosines = directions[part] @ catalogue.T  # (b, N)
        nearest = np.argpartition(-cosines, n - 1, axis=1)[:, :n]
        found = np.take_along_axis(cosines, nearest, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        neighbours[part] = np.take_along_axis(nearest, order, axis=1)
        nearness[part] = np.maximum(np.take_along_axis(found, order, axis=1), 0) ** SHARPNESS
    lengths = np.sqrt((vectors.astype(np.float32) ** 2).sum(axis=1))
    alikes, squares = alike
    return Newcomers(
        directions, lengths, log_prior.astype(np.float32),
        neighbours, _shares(nearness), alikes, _shares(squares), sketches,
    )  # fmt: skip


def _shares(weights: np.ndarray) -> np.ndarray:
    """Return (J, n) weights divided by their sum, where that is not 0."""
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return (..., d) vectors of length 1; a zero stays one."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """From the tokens of a product to its vector, log prior and sketch.

    token_scales: (F,) of the tokens' groups. token_vectors: (F, d) and token_priors: (F,), of scaled tokens. prior:
    of a product of which nothing is known.
    """

    space: TokenSpace
    token_scales: np.ndarray
    token_vectors: np.ndarray
    token_priors: np.ndarray
    prior: float

    def __call__(self, rows: Sequence[Sequence[Any] | None]) -> tuple[np.ndarray, np.ndarray, Sketches]:
        """Return (J, d) vectors, (J,) log priors and sketches of products with these values; None has none.

        The values are in the order of the kinds.
        """
        vectors = np.zeros((len(rows), self.token_vectors.shape[1]), dtype=np.float32)
        log_prior = np.full(len(rows), self.prior, dtype=np.float32)
        cells = [self._cells(values) for values in rows]
        for row, (places, weights) in enumerate(cells):
            vectors[row] = weights @ self.token_vectors[places]
            log_prior[row] += weights @ self.token_priors[places]
        return vectors, log_prior, sketch(cells)

    def _cells(self, values: Sequence[Any] | None) -> tuple[np.ndarray, np.ndarray]:
        places, weights = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
        for _, found, own in self.space.cells(values) if values is not None else ():
            places.append(found)
            weights.append(own * self.token_scales[found])
        return np.concatenate(places), np.concatenate(weights)


@dataclass(frozen=True, eq=False)
class Evidence:
    """How the first events of a newcomer move its vector.

    With m the mean, over its n buyers, of the mean vector of the buyer's other products, the vector becomes
    (1 - w) v + w m M, w = n / (n + patience). matrix: M, (d, d).
    """

    matrix: np.ndarray
    patience: float

    def __call__(self, vectors: np.ndarray, buyers: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Blend (J, d) vectors from features with (J, d) means over (J,) numbers of buyers."""
        weight = (buyers / (buyers + self.patience))[:, None].astype(np.float32)
        return (1 - weight) * vectors + weight * (means @ self.matrix)
