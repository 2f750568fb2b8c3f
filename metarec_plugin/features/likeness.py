"""How alike products are by what they are: cosines over their heaviest tokens, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KEPT = 32  # tokens of a product: the heaviest make nearly all of a cosine
ALIKE = 100  # catalogue products that a newcomer remembers as alike


@dataclass(frozen=True, eq=False)
class Sketches:
    """The heaviest tokens of n products: places (n, 32) int32 among F tokens, and weights (n, 32) float32.

    The weights are of a vector of length 1; where a product has fewer tokens the last weights are 0.
    """

    places: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: np.ndarray | slice) -> Sketches:
        return Sketches(self.places[rows], self.weights[rows])


def sketch(products: list[tuple[np.ndarray, np.ndarray]]) -> Sketches:
    """Keep the heaviest tokens of products given by the places and weights of all of theirs."""
    places = np.zeros((len(products), KEPT), dtype=np.int32)
    weights = np.zeros((len(products), KEPT), dtype=np.float32)
    for row, (tokens, values) in enumerate(products):
        length = float(np.sqrt((values**2).sum()))
        heaviest = np.argsort(-np.abs(values), kind="stable")[:KEPT]
        if length > 0:
            places[row, : len(heaviest)] = tokens[heaviest]
            weights[row, : len(heaviest)] = values[heaviest] / length
    return Sketches(places, weights)


def find_alike(products: Sketches, catalogue: Sketches, n_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (J, n) catalogue products most alike to each of J products, and their squared cosines.

    The square lets one close match count for more than several loose ones.
    """
    n = min(ALIKE, len(catalogue))
    alike = np.zeros((len(products), n), dtype=np.int32)
    squares = np.zeros((len(products), n), dtype=np.float32)
    own = np.zeros(max(1, n_tokens), dtype=np.float32)
    for row in range(len(products)):
        filled = products.weights[row] != 0  # the rest of a short row points at token 0, which is not its own
        places = products.places[row][filled]
        own[places] = products.weights[row][filled]
        cosines = np.einsum("nm,nm->n", own[catalogue.places], catalogue.weights)  # (N,)
        own[places] = 0
        best = np.argpartition(-cosines, n - 1)[:n]
        alike[row] = best
        squares[row] = np.maximum(cosines[best], 0) ** 2
    return alike, squares


def cosines(products: Sketches, others: Sketches) -> np.ndarray:
    """Return the (k, J) cosines, not below 0, of each of k others to each of J products."""
    found = np.zeros((len(others), len(products)), dtype=np.float32)
    if not found.size:
        return found
    own = np.zeros(1 + max(int(products.places.max()), int(others.places.max())), dtype=np.float32)
    for row in range(len(others)):
        filled = others.weights[row] != 0  # the rest of a short row points at token 0, which is not its own
        places = others.places[row][filled]
        own[places] = others.weights[row][filled]
        np.einsum("jm,jm->j", own[products.places], products.weights, out=found[row])
        own[places] = 0
    return np.maximum(found, 0, out=found)


def joined(parts: Sequence[Sketches]) -> Sketches:
    """Return the sketches of all parts, of which there is at least one, in their order."""
    return Sketches(
        np.concatenate([each.places for each in parts]), np.concatenate([each.weights for each in parts])
    )
