"""From a fitted learner to a model as it will be served: its arrays calibrated, its lift chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.priors import prior_scorer, priors_in
from metarec_plugin.evaluate.calibration import NEUTRAL, Calibration, fit_calibration
from metarec_plugin.evaluate.episodes import KS, Scorer
from metarec_plugin.evaluate.known import Known
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

    def scorer(self, side: Histories | None = None) -> Scorer:
        """The model's scorer; with a side, of that side's episodes, with what is known of its shoppers and moments."""
        scorer = self.model().scorer()
        if side is None:
            return scorer
        return prior_scorer(
            scorer, priors_in(self.arrays), {each.group: each.values(side) for each in self.known}
        )


def make_candidate(
    dataset: Dataset,
    learner: str,
    kind: str,
    arrays: Mapping[str, np.ndarray],
    *,
    report: Mapping[str, Any] | None = None,
    ks: Sequence[int] = KS,
) -> Candidate:
    """Calibrate a learner's own arrays on validation shoppers and join them with what every bundle holds."""
    common = {"product_keys": encode_keys(dataset.product_keys), "log_prior": dataset.log_prior}
    raw = Candidate(learner, kind, {**common, **_raw_only().arrays(), **arrays})
    calibration = NEUTRAL
    if kind != "popularity":
        calibration = fit_calibration(
            raw.scorer(), dataset.validation, dataset.log_prior, ks, weighs_prior=kind == "mixture"
        )
    return Candidate(learner, kind, {**common, **calibration.arrays(), **arrays}, report or {})


def encode_keys(keys: np.ndarray) -> np.ndarray:
    """(N,) str -> (N,) bytes. UTF-8 keeps the order of code points, so sorted keys stay sorted."""
    return np.array([key.encode("utf-8", "surrogatepass") for key in keys.tolist()])


def _raw_only() -> Calibration:
    """Scores on the learner's own scale up to a shift and a factor, which calibration takes away anyway."""
    one = np.ones(1, dtype=np.float32)
    return Calibration(ks=one, scale=one, prior_weight=np.zeros(1, dtype=np.float32))
