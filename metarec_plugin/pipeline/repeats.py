"""Give a model what it takes to say what a shopper will buy again, where the shop's own log shows that people do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from metarec_plugin.evaluate.episodes import KS
from metarec_plugin.evaluate.repeat_tuning import tune_repeats
from metarec_plugin.evaluate.repeats import RepeatParams
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.candidates import Candidate
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.preprocess.histories import Dataset

SHOPPERS = 2_000  # validation shoppers that choose the term: each is scored once for each k


def read_run(seed: int, since: datetime | None = None) -> tuple[Dataset, Dataset | None]:
    """Return the dataset of a run, and the same with every event where somebody bought a product twice.

    since: the moment from which events count. Raises InvalidData as `dataset_from_log` does.
    """
    try:
        again = dataset_from_log(seed, track="repeat", since=since)
    except InvalidData:  # nobody bought twice; if something else is wrong the next line says it
        return dataset_from_log(seed, since=since), None
    dataset = replace(
        again,
        train=replace(again.train, occurrences=None),
        validation=replace(again.validation, occurrences=None),
        test=replace(again.test, occurrences=None),
        source={**again.source, "track": "user"},
    )
    return dataset, again


def with_repeats(candidate: Candidate, again: Dataset | None, ks: Sequence[int] = KS) -> Candidate:
    """Add the buy-again term, tuned on the candidate's own scores of validation shoppers, as requests make them.

    again: the repeat track of the same run; None leaves the candidate as it is. Of very many validation shoppers
    a sample chooses.
    """
    if again is None:
        return candidate
    n = len(again.validation)
    rows = np.sort(np.random.default_rng(0).choice(n, min(n, SHOPPERS), replace=False))
    sampled = replace(again, validation=again.validation.select(rows))
    tuned = tune_repeats(candidate.request_scorer(), sampled, ks)
    chosen = tuned.repeats.params
    said: dict[str, Any] = {
        str(k): {"chosen": str(chosen[k]), "ndcg20_alone": grid[RepeatParams()], "ndcg20": grid[chosen[k]]}
        for k, grid in tuned.validation.items()
    }
    said["validation_shoppers"] = len(rows)
    arrays = {**candidate.arrays, **tuned.repeats.arrays()}
    return replace(candidate, arrays=arrays, report={**candidate.report, "buy_again": said})
