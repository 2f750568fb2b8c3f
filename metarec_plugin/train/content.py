"""Learn from the catalogue what features say of behaviour, so that a product without a history can be scored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.new_products import without
from metarec_plugin.features.likeness import Sketches, find_alike, sketch
from metarec_plugin.features.matrix import feature_matrix, fit_tokens
from metarec_plugin.features.table import FeatureTable
from metarec_plugin.features.transfer import Evidence, FeatureMap, Newcomers, place, unit
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.content_choice import RankedByVectors
from metarec_plugin.train.content_evidence import fit_evidence
from metarec_plugin.train.content_gate import ALLOWED_LOSS, GateFit, fit_gate
from metarec_plugin.train.content_ridge import (
    MAX_SQUARE,
    MOST,
    choose_ridge,
    most_bought,
    precision,
    solve_ridge,
)
from metarec_plugin.train.maml import first_vectors

DIMENSIONS = 64
MOST_PRETENDED = 4000  # products of a fold: the gate keeps their terms for every shopper


@dataclass(frozen=True, eq=False)
class Content:
    """What is learned once for a dataset, whatever learner scores its catalogue.

    vectors: (N, d) unit vectors, and sketches, of the catalogue. folds: catalogue products that take the part of
    newcomers while gate and evidence are fitted, with these placed by a map that was fitted without them.
    """

    dataset: Dataset
    vectors: np.ndarray
    sketches: Sketches
    map: FeatureMap
    evidence: Evidence
    folds: tuple[tuple[np.ndarray, Newcomers], ...]
    report: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether no feature says anything, so that there is nothing for a bundle to hold."""
        return len(self.map.space) == 0

    def gate(self, scorer: Scorer, allowed_loss: float = ALLOWED_LOSS) -> GateFit:
        """Fit how the terms of a newcomer's score are weighed, for a scorer of calibrated log probabilities."""
        folds = [(without(self.dataset, pretended), as_new) for pretended, as_new in self.folds]
        return fit_gate(scorer, folds, self.vectors, self.sketches, allowed_loss)

    def arrays(self, gate: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays that a bundle of any kind may hold; their names start with "content."."""
        found = {
            "token_weights": self.map.space.weights,
            "token_scales": self.map.token_scales,
            "token_vectors": self.map.token_vectors,
            "token_priors": self.map.token_priors,
            "prior": np.array(self.map.prior),
            "edges": self.map.space.edges,
            "vectors": self.vectors,
            "sketch_weights": self.sketches.weights,
            "gate": gate,
            "evidence": self.evidence.matrix,
            "patience": np.array(self.evidence.patience),
        }
        floats = {f"content.{name}": array.astype(np.float32) for name, array in found.items()}
        places = {"content.token_ids": self.map.space.ids, "content.sketch_places": self.sketches.places}
        return places | floats


def fit_content(
    dataset: Dataset,
    table: FeatureTable,
    seed: int = 0,
    *,
    dimensions: int = DIMENSIONS,
    scales: Mapping[str, float] | None = None,
) -> Content:
    """Fit vectors and priors on features over the catalogue, and how first events move them.

    scales: of feature groups, where they are not to be chosen (0 leaves a group out).
    """
    started = time.monotonic()
    rng = np.random.default_rng(seed)
    space = fit_tokens(table, dataset.product_keys)
    features = feature_matrix(table, space, dataset.product_keys)
    behaviour = first_vectors(dataset, dimensions, seed)  # (N, d)
    weights = precision(dataset.popularity)

    def quality_among(products: np.ndarray) -> RankedByVectors | None:
        return RankedByVectors(dataset, behaviour, products) or None

    choice = choose_ridge(features, behaviour, dataset.log_prior, weights, quality_among, rng, scales=scales)
    cells = features.weighed(choice.scales)

    def fitted(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """(F, d) and (F,) coefficients and the prior's mean, learned from the given products."""
        mean = float(np.average(dataset.log_prior[rows], weights=weights[rows]))
        centred = (dataset.log_prior[rows] - mean)[:, None]
        told = rows if len(rows) <= MAX_SQUARE else rows[most_bought(weights[rows], MOST)]
        by_vector = solve_ridge(cells[told], behaviour[told], weights[told], choice.vector_ridge)
        by_prior = solve_ridge(cells[rows], centred, weights[rows], choice.prior_ridge)
        return by_vector, by_prior[:, 0], mean

    by_vector, by_prior, mean = fitted(np.arange(dataset.n_products))
    scale = features.token_scales(choice.scales)[: len(space)]
    learned = FeatureMap(space, scale, by_vector[: len(space)], by_prior[: len(space)], mean)
    sketches = sketch([(row.indices, row.data) for row in cells])
    vectors = unit(behaviour)
    folds = []
    for pretended in _parts(dataset.n_products, rng):
        rest = np.setdiff1d(np.arange(dataset.n_products), pretended)
        part_vector, part_prior, part_mean = fitted(rest)
        predicted = cells[pretended] @ part_vector
        alike = find_alike(sketches[pretended], sketches[rest], len(space))
        priors = part_mean + cells[pretended] @ part_prior
        as_new = place(predicted, priors, vectors[rest], alike, sketches[pretended])
        folds.append((pretended, as_new))
    evidence = fit_evidence(dataset, vectors, behaviour[pretended], pretended, predicted, rng)
    report = {
        "groups": {name: choice.scales.get(name, 1.0) for name in features.groups},
        "vector_ridge": choice.vector_ridge,
        "prior_ridge": choice.prior_ridge,
        "ndcg_left_out": choice.ndcg,
        "explained": {"vectors": choice.explained[0], "log_prior": choice.explained[1]},
        "patience": evidence.patience,
        "tokens": len(space),
        "seconds": time.monotonic() - started,
    }
    return Content(dataset, vectors, sketches, learned, evidence, tuple(folds), report)


def _parts(n_products: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Disjoint fifths of the catalogue, ascending: four, or two where each costs seconds to fit."""
    order = rng.permutation(n_products)
    size = max(1, min(n_products // 5, MOST_PRETENDED))
    parts = 4 if n_products <= MAX_SQUARE else 2
    return [
        np.sort(order[start : start + size]) for start in range(0, min(parts, n_products - 1) * size, size)
    ]
