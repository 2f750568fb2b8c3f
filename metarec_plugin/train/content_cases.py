"""Episodes that the newcomers' gate is fitted on: scores of known products, terms of the new, what was taken next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.new_products import HeldOut, newcomer_episodes
from metarec_plugin.evaluate.protocol import exclude
from metarec_plugin.features.likeness import Sketches
from metarec_plugin.features.transfer import TERMS, Newcomers, Profile, inputs_of

SHOPPERS = 200  # validation shoppers that the gate is fitted on, at each k and fold


@dataclass(frozen=True, eq=False)
class NewcomerCases:
    """Episodes of one k: scores of the known products, terms of the new ones, and what was taken next."""

    k: int
    scores: np.ndarray  # (B, W), the support at -inf
    total: np.ndarray  # (B,) log sum exp of the known products' scores
    terms: np.ndarray  # (B, J, 8)
    query: np.ndarray  # (B, 20) places: known products below W, new ones from W on, padded with -1
    support: np.ndarray  # (B, k) places
    rows: np.ndarray  # (B,) which history each came from

    @property
    def fresh(self) -> np.ndarray:
        """(B, 20) the new products of the query, counted from 0, padded with -1."""
        n_known = self.scores.shape[1]
        return np.where(self.query >= n_known, self.query - n_known, -1)

    def new_scores(self, weights: np.ndarray) -> np.ndarray:
        """Return (B, J) scores under the (16,) weights, those of the support at -inf."""
        one, x = inputs_of(self.k)
        found = self.terms @ (one * weights[:TERMS] + x * weights[TERMS : 2 * TERMS]).astype(np.float32)
        rows, columns = np.nonzero(self.support >= self.scores.shape[1])
        found[rows, self.support[rows, columns] - self.scores.shape[1]] = -np.inf
        return found


def newcomer_cases(
    scorer: Scorer, held: HeldOut, newcomers: Newcomers, vectors: np.ndarray, sketches: Sketches, k: int
) -> NewcomerCases | None:
    """The cases of one k, or None without a shopper. A new product in a support is known by its features."""
    found = newcomer_episodes(held, held.whole.validation, k, SHOPPERS)
    if not len(found):
        return None
    n_known = len(held.warm_products)
    log_prior = held.whole.log_prior[held.warm_products]
    order = np.concatenate([held.warm_products, held.new_products])
    placed = np.concatenate([vectors[held.warm_products], newcomers.directions])
    scores = np.empty((len(found), n_known), dtype=np.float32)
    terms = np.empty((len(found), len(newcomers), TERMS), dtype=np.float32)
    for rows, part in found.warm():
        known = held.warm_products[part.support]  # (b, k) in the whole catalogue, which the scorer knows
        raw = np.asarray(scorer(replace(part, support=known)), dtype=np.float32)[:, held.warm_products]
        raw -= np.log(np.exp(raw.astype(np.float64)).sum(axis=1, keepdims=True)).astype(np.float32)
        for row, one in zip(rows.tolist(), raw):
            own = found.support[row]
            terms[row] = newcomers.terms(one - log_prior, Profile.of(placed[own], sketches[order[own]]))
        scores[rows] = exclude(raw, part.support)
    total = np.log(np.exp(scores.astype(np.float64)).sum(axis=1))
    return NewcomerCases(k, scores, total, terms, found.query, found.support, found.rows)
