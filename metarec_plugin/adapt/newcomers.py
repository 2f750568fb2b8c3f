"""Score products that a bundle does not know from what they are, in numpy, beside any kind of bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metarec_plugin.features.likeness import Sketches, find_alike
from metarec_plugin.features.tokens import TokenSpace
from metarec_plugin.features.transfer import TERMS, Evidence, FeatureMap, Newcomers, place, unit

if TYPE_CHECKING:
    from metarec_plugin.evaluate.episodes import Scorer
    from metarec_plugin.evaluate.new_products import NewcomerEpisodes, Ranker

PREFIX = "content."


class ContentModel:
    """The content arrays of a bundle: from a product's features to its place among the catalogue's.

    kinds: feature -> kind, in the order that values come in.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> None:
        own = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
        space = TokenSpace(dict(kinds), own["token_ids"], own["token_weights"], own["edges"])
        self._map = FeatureMap(
            space, own["token_scales"], own["token_vectors"], own["token_priors"], float(own["prior"])
        )
        self._sketches = Sketches(own["sketch_places"], own["sketch_weights"])  # of the N products
        self._evidence = Evidence(own["evidence"], float(own["patience"]))
        self._vectors = own["vectors"]  # (N, d) of length 1
        self._log_prior = arrays["log_prior"]  # (N,)
        self._gate = own["gate"]  # (5,)

    def place(
        self, rows: Sequence[Sequence[Any] | None], supports: Sequence[Sequence[np.ndarray]] | None = None
    ) -> Newcomers:
        """Place products by their values, in the order of the kinds.

        supports: for each product, its buyers' other products in the catalogue, an array a buyer.
        """
        vectors, log_prior, sketches = self._map(rows)
        if supports is not None:
            means = np.zeros_like(vectors)
            for row, buyers in enumerate(supports):
                if buyers:
                    means[row] = np.mean([self._vectors[other].mean(axis=0) for other in buyers], axis=0)
            buyers_of = np.array([len(buyers) for buyers in supports])
            vectors = self._evidence(vectors, buyers_of, means)
        alike = find_alike(sketches, self._sketches, len(self._map.space))
        return place(vectors, log_prior, self._vectors, alike)

    def towards(self, support: np.ndarray, directions: np.ndarray | None = None) -> np.ndarray:
        """Return the (d,) unit vector of a (k,) support and the (m, d) directions of newcomers in it."""
        parts = [self._vectors[support]] if directions is None else [self._vectors[support], directions]
        together = np.concatenate(parts)
        return unit(together.mean(axis=0)) if len(together) else np.zeros(self._vectors.shape[1], np.float32)

    def scores(
        self, newcomers: Newcomers, scores: np.ndarray, towards: np.ndarray, support: np.ndarray
    ) -> np.ndarray:
        """Return (J,) scores on the scale of the (N,) log probabilities of the catalogue, given a (k,) support."""
        terms = newcomers.terms(scores - self._log_prior, towards, support)
        return terms @ self._gate[:TERMS] + self._gate[TERMS]


def stand_ins(newcomers: Newcomers) -> np.ndarray:
    """Return (J,) the catalogue product that speaks for each newcomer in a support; -1 where nothing is known."""
    return np.where(newcomers.known, newcomers.neighbours[:, 0], -1)


def with_newcomers(scorer: Scorer, content: ContentModel, newcomers: Newcomers) -> Ranker:
    """Rank newcomers beside the catalogue that a scorer knows, for evaluation, as serving does it."""
    instead = stand_ins(newcomers)

    def rank(cases: NewcomerEpisodes) -> np.ndarray:
        n = cases.n_warm
        out = np.empty((len(cases), n + len(newcomers)), dtype=np.float32)
        supports = [support_of(each, n, instead) for each in cases.support]
        for rows, part in cases.warm(supports):
            out[rows, :n] = scorer(part)
        for row, (support, adapts_from) in enumerate(zip(cases.support, supports)):
            directions = newcomers.directions[support[support >= n] - n]
            towards = content.towards(support[support < n], directions)
            out[row, n:] = content.scores(newcomers, out[row, :n], towards, adapts_from)
        return out

    return rank


def support_of(support: np.ndarray, n_products: int, instead: np.ndarray) -> np.ndarray:
    """Return the support with newcomers, numbered from n_products on, replaced by their stand-ins, each once."""
    known = [p if p < n_products else int(instead[p - n_products]) for p in support.tolist()]
    return np.array(list(dict.fromkeys(p for p in known if p >= 0)), dtype=np.int32)
