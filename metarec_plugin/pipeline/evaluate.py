"""Measure baselines and learners on one dataset under the few-shot protocol, at lift 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metarec_plugin.conf import LEARNERS, get_config, joined_options
from metarec_plugin.evaluate.baselines import BASELINES
from metarec_plugin.evaluate.cache import measured_baselines
from metarec_plugin.evaluate.comparison import Comparison, compare
from metarec_plugin.evaluate.episodes import HEADLINE_KS, KS, Scorer
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.lift import LiftCurve, lift_curve
from metarec_plugin.evaluate.measured import Measured, results_of
from metarec_plugin.evaluate.prior_gains import TABLE_KS, Gain
from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.evaluate.repeat_tuning import buys_again, with_own
from metarec_plugin.evaluate.report import Report, Row, data_of, protocol_of, reliability_tables
from metarec_plugin.evaluate.variety import Variety, variety_of
from metarec_plugin.evaluate.widening import Strength
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.pipeline.environment import environment_of
from metarec_plugin.pipeline.priors import PriorFits
from metarec_plugin.preprocess.histories import Dataset

if TYPE_CHECKING:
    import scipy.sparse as sp

ALL = (*LEARNERS, *BASELINES)
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class _Training:
    """What a learner is trained with."""

    seed: int
    budget_seconds: float | None
    device: str
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Learned:
    """A learner trained and measured, with what only learners have."""

    measured: list[Measured]  # on the repeat track a second one, with the buy-again term
    lift: LiftCurve | None = None
    said: Mapping[str, Any] | None = None
    gains: Sequence[Gain] = ()  # by what is known beside products


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
    features: sp.csr_matrix | None = None,
    load_seconds: float = 0.0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    cache: Path | None = None,
    command: str = "",
    known: Sequence[Known] = (),
    beyond: Mapping[str, Sequence[Strength]] | None = None,
) -> Report:
    """Tune or train each learner on training and validation shoppers and measure it on the test shoppers.

    Learners are scored through the code that serves, calibrated on validation shoppers; one that finds too
    little to learn from is reported as not run. `budget_seconds` is per learner; departments: (N,) codes,
    negative where unknown; features: (N, D), for the diversity of lists; options: by learner, before those of
    the settings; cache: the folder of baselines tuned before; known: what declared features and the moment add to
    each trained learner is measured beside; beyond: by baseline, what a search beyond its grid found on another split
    of the same data, in place of such a search. Raises InvalidData on an unknown learner.
    """
    unknown = [name for name in learners if name not in ALL]
    if unknown:
        raise InvalidData(f"No learner is called {', '.join(unknown)}; there are {', '.join(ALL)}.")
    options = joined_options(get_config().learner_options, options or {})
    if any(name not in BASELINES for name in learners):
        from metarec_plugin.train.learners import check_options

        check_options(options)
    variety = variety_of(dataset, features)
    found: list[Measured] = []
    rivals: list[str] = []
    trained: list[str] = []
    lifts: dict[str, LiftCurve] = {}
    said: dict[str, Mapping[str, Any]] = {}
    gains: dict[str, Sequence[Mapping[str, Any]]] = {}
    fits = PriorFits(dataset, known)
    started = time.perf_counter()
    for place, name in enumerate(learners):
        progress(place / len(learners), name)
        if name in BASELINES:
            found += measured_baselines(name, dataset, ks, seed, variety, cache, (beyond or {}).get(name, ()))
            rivals = [each.name for each in found if not each.not_run and each.name not in trained]
            continue
        within = _part(progress, name, place / len(learners), 0.9 / len(learners))
        training = _Training(seed, budget_seconds, device, options.get(name, {}))
        learned = _learned(dataset, name, ks, training, departments, variety, fits, within)
        found += learned.measured
        trained += [each.name for each in learned.measured]
        if learned.lift is not None:
            lifts[name], said[name] = learned.lift, learned.said or {}
        if learned.gains:
            gains[name] = [asdict(gain) for gain in learned.gains]
    ran = [each for each in found if not each.not_run]
    spent = time.perf_counter() - started - sum(each.seconds for each in found if not each.cached)
    results = {each.name: each.results for each in ran}
    report = Report(
        protocol={
            **protocol_of(ks, seed, str(dataset.source.get("split", ""))),
            "track": dataset.source.get("track", "user"),
            "min_query": dataset.test.min_query,
            "diversity_of": variety.of,
        },
        data=data_of(dataset),
        rows=tuple(_rows((each for each in ran if not each.wide), seed)),
        wide_rows=tuple(_rows((each for each in ran if each.wide), seed)),
        baselines=tuple(rivals),
        not_run={each.name: each.not_run for each in found if each.not_run},
        seconds={
            "load": load_seconds,
            "train": {each.name: each.seconds for each in ran},
            "evaluate": max(0.0, spent),
            "ms_per_shopper": {each.name: _milliseconds(each.results) for each in ran if each.results},
            "cached": [each.name for each in ran if each.cached],
        },
        lifts=lifts,
        training=said,
        priors=gains,
        comparisons=_compared(results, rivals, seed),
        reliability={
            name: reliability_tables(results[name], HEADLINE_KS) for name in trained if name in results
        },
        tuning={each.name: each.tuning for each in ran if each.tuning},
        environment=environment_of(command, [seed], _device(device, bool(lifts))),
        results=results,
        test_subjects=dataset.test.subjects,
    )
    progress(1.0, "done")
    return report


def _learned(
    dataset: Dataset,
    name: str,
    ks: Sequence[int],
    training: _Training,
    departments: np.ndarray | None,
    variety: Variety,
    fits: PriorFits,
    progress: Progress,
) -> _Learned:
    started = time.perf_counter()
    try:
        candidate = _trained(dataset, name, ks, training, progress)
    except InvalidData as error:
        return _Learned([Measured(name, not_run=str(error), seconds=time.perf_counter() - started)])
    trained = time.perf_counter() - started
    scorer = candidate.scorer()
    lift = lift_curve(
        scorer,
        dataset.validation,
        dataset.log_prior,
        allowed_loss=get_config().lift_loss,
        departments=departments,
    )
    progress(1.0, "test shoppers")
    measured = [_measured(name, scorer, dataset, ks, trained, variety)]
    requests = candidate.request_scorer()
    if candidate.has_network:
        measured.append(_measured(f"{name}_head", requests, dataset, ks, trained, variety))
    if buys_again(dataset, name):
        tuning = time.perf_counter()
        called, own = with_own(name, requests, dataset, ks, calibrated=True)
        measured.append(_measured(called, own, dataset, ks, time.perf_counter() - tuning, variety))
    groups, gains = fits.measured(candidate, TABLE_KS)
    decided = [gain for group in groups for gain in group.gains]
    return _Learned(measured, lift, dict(candidate.report), [*decided, *gains])


def _measured(
    name: str, scorer: Scorer, dataset: Dataset, ks: Sequence[int], seconds: float, variety: Variety
) -> Measured:
    return Measured(
        name, results_of(scorer, dataset, ks, variety=variety, probabilities=True), seconds=seconds
    )


def _rows(ran: Iterable[Measured], seed: int) -> Iterable[Row]:
    for each in ran:
        for k, result in each.results.items():
            yield Row.of(each.name, result, each.settings.get(k, ""), seed)


def _compared(
    results: Mapping[str, Mapping[int, Result]], rivals: Sequence[str], seed: int
) -> tuple[Comparison, ...]:
    parts = {name: {k: [result] for k, result in by_k.items()} for name, by_k in results.items()}
    learners = {name: by_k for name, by_k in parts.items() if name not in rivals}
    return compare(learners, {name: by_k for name, by_k in parts.items() if name in rivals}, seed)


def _milliseconds(results: Mapping[int, Result]) -> float:
    """Return the mean time to score and rank the catalogue for one shopper, many at once, over all k."""
    return 1e3 * sum(r.seconds for r in results.values()) / sum(len(r) for r in results.values())


def _device(asked: str, trained: bool) -> str:
    if not trained:
        return "cpu"
    from metarec_plugin.train.device import resolve_device

    return str(resolve_device(asked))


def _part(progress: Progress, name: str, start: float, share: float) -> Progress:
    """Return the progress of one learner as a part of the whole."""
    return lambda fraction, message: progress(start + share * fraction, f"{name}: {message}")


def _trained(
    dataset: Dataset, name: str, ks: Sequence[int], training: _Training, progress: Progress
) -> Candidate:
    from metarec_plugin.train import fit  # torch takes a second to import, and baselines need none

    given = training.budget_seconds
    fitted = fit(
        name,
        dataset,
        seed=training.seed,
        device=training.device,
        budget_seconds=get_config().train_seconds if given is None else given,
        progress=progress,
        options=training.options,
    )
    return make_candidate(dataset, name, fitted.kind, fitted.arrays, report=fitted.report, ks=ks)
