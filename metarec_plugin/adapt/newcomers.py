"""Score products that a bundle does not know from what they are, in numpy, beside any kind of bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metarec_plugin.features.likeness import Sketches, find_alike, joined
from metarec_plugin.features.tokens import TokenSpace, token_id
from metarec_plugin.features.transfer import (
    GATE,
    Evidence,
    FeatureMap,
    Newcomers,
    Profile,
    mixed_weights,
    place,
)

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
        self._gate = own["gate"]  # (17,)

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
        return place(vectors, log_prior, self._vectors, alike, sketches)

    def profile(self, support: np.ndarray, newcomers: tuple[np.ndarray, Sketches] | None = None) -> Profile:
        """Return what a (k,) support says, and the (m, d) directions and sketches of newcomers in it."""
        vectors, sketches = self._vectors[support], self._sketches[support]
        if newcomers is not None:
            vectors = np.concatenate([vectors, newcomers[0]])
            sketches = joined([sketches, newcomers[1]])
        return Profile.of(vectors, sketches)

    def scores(self, newcomers: Newcomers, scores: np.ndarray, profile: Profile) -> np.ndarray:
        """Return (J,) scores on the scale of the (N,) log probabilities of the catalogue, given a support."""
        terms = newcomers.terms(scores - self._log_prior, profile)
        return terms @ mixed_weights(self._gate, len(profile)) + self._gate[-1]


def holds_content(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether a bundle says how newcomers are scored, in terms that this release knows."""
    gate = arrays.get(f"{PREFIX}gate")
    return gate is not None and gate.shape == (GATE,)


def knows_embedding(arrays: Mapping[str, np.ndarray], name: str) -> bool:
    """Whether a bundle was trained with the embedding of that name and makes use of it."""
    ids = arrays[f"{PREFIX}token_ids"]  # ascending
    wanted = [token_id(name, dimension) for dimension in ("0", "1")]
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return bool((ids[at] == wanted).all() and arrays[f"{PREFIX}token_scales"][at].all())


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
        for row, support in enumerate(cases.support):
            own = support[support >= n] - n
            profile = content.profile(
                support[support < n], (newcomers.directions[own], newcomers.sketches[own])
            )
            out[row, n:] = content.scores(newcomers, out[row, :n], profile)
        return out

    return rank


def support_of(support: np.ndarray, n_products: int, instead: np.ndarray) -> np.ndarray:
    """Return the support with newcomers, numbered from n_products on, replaced by their stand-ins, each once."""
    known = [p if p < n_products else int(instead[p - n_products]) for p in support.tolist()]
    return np.array(list(dict.fromkeys(p for p in known if p >= 0)), dtype=np.int32)
