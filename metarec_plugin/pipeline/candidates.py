"""From a fitted learner to a model as it will be served: its arrays calibrated, its lift chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.priors import prior_scorer, priors_in
from metarec_plugin.evaluate.calibration import NEUTRAL, Calibration, fit_calibration
from metarec_plugin.evaluate.episodes import HEADLINE_KS, KS, Episodes, Scorer
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.pipeline.approximate import cells_of_large, found_of_exact
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.publish.bundle import Bundle


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that can be measured, and written as a bundle if it is worth it."""

    learner: str
    kind: str
    arrays: Mapping[str, np.ndarray]  # the whole layout of its kind
    report: Mapping[str, Any] = field(default_factory=dict)  # what training said
    known: Sequence[Known] = ()  # what the values of its prior arrays, if it has some, are read from

    def model(self) -> OnlineModel:
        """The model in memory, through the code that serves bundles."""
        return OnlineModel(Bundle(self.learner, {"kind": self.kind, "learner": self.learner}, self.arrays))

    @property
    def has_network(self) -> bool:
        """Workers say more than requests do: their rankings come from head and network."""
        return self.kind == "network"

    def scorer(self, side: Histories | None = None) -> Scorer:
        """What is served, as a scorer: of a candidate with a network what workers leave, else what requests answer.

        side: whose episodes they are, for what is known of its shoppers and moments. Where that counts, serving takes
        no worker's ranking, and neither does the scorer.
        """
        served = self._worker_scorer() if self.has_network else self.request_scorer()
        priors = {} if side is None else priors_in(self.arrays)
        if side is None or not priors:
            return served
        known = {each.group: each.values(side) for each in self.known}
        beside = prior_scorer(self.request_scorer(), priors, known)
        if not self.has_network:
            return beside

        def score(part: Episodes) -> np.ndarray:
            counts = any(group.left(part.k) for group in priors.values())
            return (beside if counts else served)(part)

        return score

    def request_scorer(self) -> Scorer:
        """What a request computes itself, one support after the other; of a network it is the head beside it."""
        return self.model().scorer()

    def _worker_scorer(self) -> Scorer:
        """What a worker leaves for a subject, through its own code, many at once."""
        from metarec_plugin.adapt.batch import BatchModel  # torch is slow to import

        model = BatchModel(self.kind, self.arrays, "cpu")  # as states are refreshed (pipeline/states.py)
        return lambda part: model.scores(list(part.support))


def make_candidate(
    dataset: Dataset,
    learner: str,
    kind: str,
    arrays: Mapping[str, np.ndarray],
    *,
    report: Mapping[str, Any] | None = None,
    ks: Sequence[int] = KS,
) -> Candidate:
    """Calibrate a learner's own arrays on validation shoppers and join them with what every bundle holds.

    A bundle has one calibration: with a network it is fitted to head and network, which is what the gate measures;
    the report then has the mean NDCG@20 of validation shoppers with the network and of the head under the same one.
    """
    common = {"product_keys": encode_keys(dataset.product_keys), "log_prior": dataset.log_prior}
    exact, cells = arrays, cells_of_large(kind, arrays, dataset)
    arrays = {**exact, **cells}  # so that whoever measures the candidate measures the search that is served
    raw = Candidate(learner, kind, {**common, **_raw_only().arrays(), **arrays})
    calibration = NEUTRAL
    if kind != "popularity":
        calibration = fit_calibration(
            raw.scorer(), dataset.validation, dataset.log_prior, ks, weighs_prior=kind == "mixture"
        )
    made = Candidate(learner, kind, {**common, **calibration.arrays(), **arrays}, report or {})
    if cells:
        whole = replace(made, arrays={**common, **calibration.arrays(), **exact})
        found = found_of_exact(made.model(), whole.model(), dataset)
        made = replace(made, report={**made.report, "approximate": found})
    if not made.has_network:
        return made
    both = {
        "ndcg20_network": validation_score(made.scorer(), dataset),
        "ndcg20_head": validation_score(made.request_scorer(), dataset),
    }
    return replace(made, report={**made.report, **both})


def validation_score(scorer: Scorer, dataset: Dataset) -> float:
    """Mean NDCG@20 over the headline k on validation shoppers; 0 where there is none to measure."""
    means = [evaluate(scorer, dataset.validation, k, dataset.n_products).mean for k in HEADLINE_KS]
    return float(np.nanmean(means)) if not np.isnan(means).all() else 0.0


def encode_keys(keys: np.ndarray) -> np.ndarray:
    """(N,) str -> (N,) bytes. UTF-8 keeps the order of code points, so sorted keys stay sorted."""
    return np.array([key.encode("utf-8", "surrogatepass") for key in keys.tolist()])


def _raw_only() -> Calibration:
    """Scores on the learner's own scale up to a shift and a factor, which calibration takes away anyway."""
    one = np.ones(1, dtype=np.float32)
    return Calibration(ks=one, scale=one, prior_weight=np.zeros(1, dtype=np.float32))
