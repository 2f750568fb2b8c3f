"""What a shop could set up itself for products without a history: content kNN and attribute ridge, both tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from metarec_plugin.evaluate.episodes import HEADLINE_KS
from metarec_plugin.evaluate.new_products import HeldOut, NewcomerEpisodes, Ranker, measure_newcomers

POWERS = (1.0, 2.0, 4.0)  # of a cosine
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHRINKAGES = (0.0, 10.0, 50.0)  # buyers that halve a cosine of two products
MAX_SQUARE = 6000  # products up to which all are fitted on; above, a sample of so many, and vectors only
SHOPPERS = 400  # validation shoppers that a setting is chosen on


@dataclass(frozen=True, eq=False)
class Chosen:
    """A baseline with one setting for each k, the best among new products for validation shoppers."""

    name: str
    rankers: dict[int, Ranker]
    settings: dict[int, str]

    def __call__(self, cases: NewcomerEpisodes) -> np.ndarray:
        return self.rankers[cases.k](cases)


class ContentKnn:
    """The mean, over the support, of the cosine of features to a power."""

    def __init__(self, cells: sp.csr_matrix, power: float) -> None:
        length = np.sqrt(np.asarray(cells.multiply(cells).sum(axis=1)).ravel())
        self._cells = (sp.diags_array(1 / np.maximum(length, 1e-9)) @ cells).tocsr().astype(np.float32)
        self._power = power

    def __call__(self, cases: NewcomerEpisodes) -> np.ndarray:
        out = np.zeros((len(cases), self._cells.shape[0]), dtype=np.float32)
        for column in range(cases.k):
            cosines = (self._cells[cases.support[:, column]] @ self._cells.T).toarray()
            out += np.maximum(cosines, 0) ** self._power
        return out


def attribute_ridges(
    cells: sp.csr_matrix, held: HeldOut, vectors: np.ndarray | None, rng: np.random.Generator
) -> dict[str, Ranker]:
    """A ranker for each setting: features predict rows of item-kNN cosines, summed over the support, or vectors.

    cells: (W + J, F); vectors: (W, d) of the warm products, whose mean over the support is multiplied with those
    predicted; None leaves that form out. Above 6,000 products only vectors are predicted: rows are as many again.
    """
    n = len(held.warm_products)
    bought = held.warm.train.matrix(n).tocsc()
    few = n <= MAX_SQUARE
    fitted = np.arange(n) if few else np.sort(rng.choice(n, MAX_SQUARE, replace=False))
    inner = (cells[fitted] @ cells[fitted].T).toarray()
    together = (cells[n:] @ cells[fitted].T).toarray()  # (J, m)
    cosines = {shrinkage: _cosines(bought, shrinkage) for shrinkage in SHRINKAGES} if few else {}
    found: dict[str, Ranker] = {}
    for ridge in RIDGES:
        system = inner.copy()
        system[np.diag_indices(len(system))] += ridge
        factor = scipy.linalg.cho_factor(system, overwrite_a=True, check_finite=False)
        if few:
            weights = scipy.linalg.cho_solve(factor, together.T, check_finite=False).T  # (J, W)
            for shrinkage, rows in cosines.items():
                predicted = (rows @ weights.T).astype(np.float32)  # (W, J)
                found[f"rows, {shrinkage:g}, {ridge:g}"] = _row_sums(rows, predicted)
        if vectors is not None:
            coefficients = scipy.linalg.cho_solve(factor, vectors[fitted], check_finite=False)
            whole = np.concatenate([vectors, together @ coefficients]).astype(np.float32)
            found[f"vectors, {ridge:g}"] = _inner_products(whole)
    return found


def _inner_products(vectors: np.ndarray) -> Ranker:
    """Multiply the mean vector of the support with each of (W + J, d) vectors."""

    def rank(cases: NewcomerEpisodes) -> np.ndarray:
        return (
            vectors[cases.support].mean(axis=1) @ vectors.T
            if cases.k
            else np.zeros((len(cases), len(vectors)))
        )

    return rank


def _row_sums(cosines: sp.csr_matrix, predicted: np.ndarray) -> Ranker:
    """Sum the rows of the support's warm products; a new product in the support says nothing."""
    n, j = predicted.shape

    def rank(cases: NewcomerEpisodes) -> np.ndarray:
        out = np.zeros((len(cases), n + j), dtype=np.float32)
        for rows, part in cases.warm():
            for column in range(part.k):
                products = part.support[:, column]
                out[rows, :n] += cosines[products].toarray()
                out[rows, n:] += predicted[products]
        return out

    return rank


def _cosines(bought: sp.csc_matrix, shrinkage: float) -> sp.csr_matrix:
    """(W, W) co-purchases over the root of both popularities plus the shrinkage, 0 on the diagonal."""
    counts = (bought.T @ bought).tocoo()
    popularity = np.asarray(bought.sum(axis=0)).ravel()
    off = counts.row != counts.col
    row, col = counts.row[off], counts.col[off]
    values = counts.data[off] / (np.sqrt(popularity[row] * popularity[col]) + shrinkage)
    return sp.csr_matrix((values.astype(np.float32), (row, col)), shape=counts.shape)


def choose(name: str, rankers: dict[str, Ranker], held: HeldOut, ks: Sequence[int] = HEADLINE_KS) -> Chosen:
    """Return the ranker that is best among new products for validation shoppers, at each k; the first of equals."""
    validation = held.whole.validation
    if len(validation) > SHOPPERS:
        validation = validation.select(np.linspace(0, len(validation) - 1, SHOPPERS).astype(int))
    best: dict[int, str] = {}
    for k in ks:
        found = {
            setting: float(np.nan_to_num(_mean(measure_newcomers(ranker, held, validation, k).among_new)))
            for setting, ranker in rankers.items()
        }
        best[k] = max(found, key=found.__getitem__)
    return Chosen(name, {k: rankers[setting] for k, setting in best.items()}, best)


def content_baselines(
    cells: sp.csr_matrix,
    held: HeldOut,
    rng: np.random.Generator,
    vectors: np.ndarray | None = None,
    ks: Sequence[int] = HEADLINE_KS,
) -> list[Chosen]:
    """Tune content kNN and attribute ridge; cells: (W + J, F) features, the warm products first."""
    knn: dict[str, Ranker] = {f"{power:g}": ContentKnn(cells, power) for power in POWERS}
    ridge = attribute_ridges(cells, held, vectors, rng)
    return [choose("content kNN", knn, held, ks), choose("attribute ridge", ridge, held, ks)]


def constant(scores: np.ndarray) -> Ranker:
    """Rank by the same (W + J,) scores for everybody."""

    def rank(cases: NewcomerEpisodes) -> np.ndarray:
        return np.repeat(np.asarray(scores, dtype=np.float32)[None], len(cases), axis=0)

    return rank


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
