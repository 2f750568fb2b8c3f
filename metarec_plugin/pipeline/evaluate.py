"""Measure baselines and learners on one dataset under the few-shot protocol, at lift 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.baselines import BASELINES, tune
from metarec_plugin.evaluate.episodes import KS, Scorer
from metarec_plugin.evaluate.lift import LiftCurve, lift_curve
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.report import Report, Row, data_of, protocol_of
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.preprocess.histories import Dataset

LEARNERS = ("closed_form", "maml")
ALL = (*LEARNERS, *BASELINES)
Progress = Callable[[float, str], None]


def evaluate_dataset(
    dataset: Dataset,
    learners: Sequence[str] = ALL,
    ks: Sequence[int] = KS,
    seed: int = 0,
    budget_seconds: float | None = None,
    progress: Progress = lambda fraction, message: None,
    *,
    device: str = "auto",
    departments: np.ndarray | None = None,
    load_seconds: float = 0.0,
) -> Report:
    """Tune or train each learner on training and validation shoppers and measure it on the test shoppers.

    Learners are scored through the code that serves, calibrated on validation shoppers. `budget_seconds` is
    per learner; departments: (N,) codes, negative where unknown. Raises InvalidData on an unknown learner.
    """
    unknown = [name for name in learners if name not in ALL]
    if unknown:
        raise InvalidData(f"No learner is called {', '.join(unknown)}; there are {', '.join(ALL)}.")
    rows: list[Row] = []
    not_run: dict[str, str] = {}
    trained: dict[str, float] = {}
    lifts: dict[str, LiftCurve] = {}
    said: dict[str, dict[str, Any]] = {}
    measuring = 0.0
    scorer: Scorer
    settings: dict[int, str]
    for place, name in enumerate(learners):
        progress(place / len(learners), name)
        started = time.perf_counter()
        if name in BASELINES:
            baseline = tune(name, dataset, ks, seed)
            trained[name] = time.perf_counter() - started
            if baseline.not_run:
                not_run[name] = baseline.not_run
                continue
            settings = {k: str(baseline.settings[k]) for k in ks if k in baseline.settings}
            scorer, adapts = baseline, baseline.adapts
        else:
            within = _part(progress, name, place / len(learners), 0.8 / len(learners))
            candidate = _trained(dataset, name, ks, seed, budget_seconds, device, within)
            trained[name] = time.perf_counter() - started
            said[name] = dict(candidate.report)
            settings, scorer, adapts = {}, candidate.scorer(), True
            lifts[name] = lift_curve(
                scorer,
                dataset.validation,
                dataset.log_prior,
                allowed_loss=get_config().lift_loss,
                departments=departments,
            )
        progress((place + 0.8) / len(learners), f"{name}: test shoppers")
        started = time.perf_counter()
        rows += _measured(name, scorer, dataset, ks, seed, adapts, settings)
        measuring += time.perf_counter() - started
    progress(1.0, "done")
    return Report(
        protocol=protocol_of(ks, seed, str(dataset.source.get("split", ""))),
        data=data_of(dataset),
        rows=tuple(rows),
        not_run=not_run,
        seconds={"load": load_seconds, "train": trained, "evaluate": measuring},
        lifts=lifts,
        training=said,
    )


def _measured(
    name: str,
    scorer: Scorer,
    dataset: Dataset,
    ks: Sequence[int],
    seed: int,
    adapts: bool,
    settings: dict[int, str],
) -> list[Row]:
    results = [evaluate(scorer, dataset.test, k, dataset.n_products, adapts=adapts) for k in ks]
    return [Row.of(name, result, settings.get(result.k, ""), seed) for result in results if len(result)]


def _part(progress: Progress, name: str, start: float, share: float) -> Progress:
    """Return the progress of one learner as a part of the whole."""
    return lambda fraction, message: progress(start + share * fraction, f"{name}: {message}")


def _trained(
    dataset: Dataset,
    name: str,
    ks: Sequence[int],
    seed: int,
    budget_seconds: float | None,
    device: str,
    progress: Progress,
) -> Candidate:
    from metarec_plugin.train import fit  # torch takes a second to import, and baselines need none

    budget = get_config().train_seconds if budget_seconds is None else budget_seconds
    fitted = fit(name, dataset, seed=seed, device=device, budget_seconds=budget, progress=progress)
    return make_candidate(dataset, name, fitted.kind, fitted.arrays, report=fitted.report, ks=ks)
