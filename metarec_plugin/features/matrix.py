"""Features of products as one sparse matrix of weighted tokens, fitted on the training side's products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from metarec_plugin.features.table import FeatureTable
from metarec_plugin.features.tokens import (
    BANDS,
    TokenSpace,
    band_edges,
    dimension_ids,
    groups_of,
    token_id,
)

MIN_PRODUCTS = 2  # training products that a token needs: what one has alone tells nothing of another


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """The features of n products over F tokens, with the group that each token is of.

    cells: (n, F) float32, each group of a product of length 1, or of 0 where it has no known token in the group.
    token_groups: (F,) places in `groups`.
    """

    cells: sp.csr_matrix
    groups: tuple[str, ...]
    token_groups: np.ndarray

    def weighed(self, scales: Mapping[str, float]) -> sp.csr_matrix:
        """Return the cells with each group times its scale; a group that is not named has 1."""
        scaled = (self.cells @ sp.diags_array(self.token_scales(scales))).tocsr()
        scaled.eliminate_zeros()
        return scaled

    def token_scales(self, scales: Mapping[str, float]) -> np.ndarray:
        """Return the (F,) float32 scale of each token's group."""
        by_group = [scales.get(name, 1.0) for name in self.groups] or [1.0]
        return np.array(by_group, dtype=np.float32)[self.token_groups]

    def rows(self, products: np.ndarray) -> FeatureMatrix:
        return FeatureMatrix(self.cells[products], self.groups, self.token_groups)


def fit_tokens(table: FeatureTable, training_keys: np.ndarray) -> TokenSpace:
    """Learn tokens, weights and bands from the rows with a training key, and from no other.

    A token's weight is log((1 + n) / products with it) (Sparck Jones 1972); a dimension of an embedding has its
    mean instead. Of embeddings those of the commonest length count.
    """
    rows = [values for values in values_of(table, training_keys) if values is not None]
    numbers = [place for place, kind in enumerate(table.kinds.values()) if kind == "number"]
    edges = np.zeros((max(1, len(numbers)), BANDS - 1), dtype=np.float32)
    for row, place in enumerate(numbers):
        edges[row] = band_edges(values[place] for values in rows)
    none = np.empty(0, dtype=np.int32)
    bare = TokenSpace(dict(table.kinds), none, none.astype(np.float32), edges)
    counts: dict[int, int] = {}
    for values in rows:
        for group, tokens in bare.tokens(values).items():
            for token in tokens if table.kinds.get(group) != "embedding" else ():
                found = token_id(group, token)
                counts[found] = counts.get(found, 0) + 1
    means: dict[int, float] = {}
    for place, (name, kind) in enumerate(table.kinds.items()):
        if kind == "embedding":
            vectors = [values[place] for values in rows if values[place] is not None]
            mean = _mean_vector(vectors)
            ids_of = dimension_ids(name, len(mean)).tolist()
            counts |= dict.fromkeys(ids_of, sum(len(vector) == len(mean) for vector in vectors))
            means |= dict(zip(ids_of, mean))
    ids = np.array(sorted(found for found, n in counts.items() if n >= MIN_PRODUCTS), dtype=np.int32)
    frequency = np.array([counts[found] for found in ids.tolist()], dtype=np.float64)
    weights = np.log((1 + len(rows)) / np.maximum(frequency, 1)).astype(np.float32)
    for place, found in enumerate(ids.tolist()):
        weights[place] = means.get(found, weights[place])
    return TokenSpace(bare.kinds, ids, weights, edges)


def feature_matrix(table: FeatureTable, space: TokenSpace, keys: np.ndarray) -> FeatureMatrix:
    """Return the features of the given keys; a key that the table lacks has none."""
    groups = groups_of(space.kinds)
    token_groups = np.zeros(max(1, len(space)), dtype=np.int32)
    columns, cells, indptr = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [0]
    for values in values_of(table, keys):
        end = indptr[-1]
        for group, places, weights in space.cells(values) if values is not None else ():
            token_groups[places] = groups.index(group)
            columns.append(places)
            cells.append(weights)
            end += len(places)
        indptr.append(end)
    shape = len(keys), len(token_groups)
    matrix = sp.csr_matrix((np.concatenate(cells), np.concatenate(columns), np.array(indptr)), shape)
    return FeatureMatrix(matrix, groups, token_groups)


def _mean_vector(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of the vectors of the commonest length."""
    if not vectors:
        return []
    length = Counter(map(len, vectors)).most_common(1)[0][0]
    mean: list[float] = np.mean([vector for vector in vectors if len(vector) == length], axis=0).tolist()
    return mean


def values_of(table: FeatureTable, keys: np.ndarray) -> list[Sequence[Any] | None]:
    """Return each key's values in the order of the table's kinds, None where the table lacks it."""
    columns = [table.rows[name].to_list() for name in table.kinds]
    known = table.rows["key"].to_list()
    place = dict(zip(reversed(known), range(len(known) - 1, -1, -1)))  # the first of equals, as `encode` does
    return [
        tuple(column[place[key]] for column in columns) if key in place else None for key in keys.tolist()
    ]
