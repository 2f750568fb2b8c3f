"""The loop from top to bottom: event log -> dataset -> learners -> measured bundles -> gate -> served version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.item_knn import item_knn_arrays
from metarec_plugin.exceptions import ChangedMeanwhile, ConfigurationError, InvalidData
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.pipeline.newcomers import content_of, with_content
from metarec_plugin.pipeline.priors import PriorFits, known_of_shop
from metarec_plugin.pipeline.publishing import Measured, figures, measure, publish
from metarec_plugin.pipeline.repeats import read_run, with_repeats
from metarec_plugin.pipeline.runs import Progress, checkpoints_of
from metarec_plugin.pipeline.together import fit_together, with_together
from metarec_plugin.preprocess.baskets import baskets_from_log
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.publish import registry
from metarec_plugin.publish.gate import PASSED, Verdict, judge
from metarec_plugin.train import fit
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.distributed import fit_in_processes
from metarec_plugin.train.learners import LEARNERS, check_options

COMPARED = ("popularity", "decayed_popularity", "item_knn", "ease")


@dataclass(frozen=True, eq=False)
class Baselines:
    """What a shop could set up itself, each tuned for each k, measured on test shoppers."""

    measured: Mapping[str, Measured]
    not_run: Mapping[str, str]  # and why
    shrinkage: float  # of the item-kNN that is written as a bundle: one for all k


def train_run(run: TrainingRun, progress: Progress) -> dict[str, Any]:
    """Do the work of one run and return its report (JSON).

    A learner that finds too little to train on is reported and left out. Raises InvalidData if there is nothing
    to learn from at all, ConfigurationError if the run asks for what cannot be had.
    """
    check_choices(run)
    before = registry.current()
    progress(0.0, "reading and cleaning the event log")
    dataset, again = read_run(run.seed, window_of(run))
    progress(0.1, "tuning the baselines")
    baselines = measure_baselines(dataset)

    def gate(measured: Measured) -> Verdict:
        popularity, item_knn = baselines.measured["popularity"], baselines.measured["item_knn"]
        return judge(measured, popularity, item_knn, rng=np.random.default_rng(run.seed))

    progress(0.15, "learning what features say of products without a history")
    content = content_of(dataset, run.seed)
    progress(0.18, "counting what is bought together")
    together = fit_together(dataset, baskets_from_log(dataset))
    progress(0.2, "writing the baselines")
    not_run = dict(baselines.not_run)

    priors = PriorFits(dataset, known_of_shop(dataset))

    def completed(candidate: Candidate) -> Candidate:
        candidate = with_together(with_content(candidate, content), together)
        return priors.added_to(with_repeats(candidate, again))

    versions = [publish(run, dataset, completed(candidate)) for candidate in fallbacks(dataset, baselines)]
    for i, learner in enumerate(run.learners):
        start, share = 0.3 + 0.65 * i / len(run.learners), 0.65 / len(run.learners)

        def within(
            fraction: float, message: str, start: float = start, share: float = share, name: str = learner
        ) -> None:
            progress(start + share * fraction, f"{name}: {message}")

        try:
            candidate = fit_candidate(run, dataset, learner, within)
        except InvalidData as error:
            not_run[learner] = str(error)
            continue
        within(0.9, "measuring against the baselines")
        versions.append(publish(run, dataset, completed(candidate), gate))
    progress(0.97, "promoting what passed")
    chosen = choose(versions)
    served = promote(run, chosen, before)
    if not served:
        progress(0.98, f"another version was promoted meanwhile: {chosen} waits for a person")
    return _report(run, dataset, baselines, not_run, versions, chosen, served)


def window_of(run: TrainingRun) -> datetime | None:
    """From when on events count. It hangs on when the run was asked for, so that each attempt begins at one moment."""
    return None if run.days is None else run.created - timedelta(days=run.days)


def check_choices(run: TrainingRun) -> None:
    """Raise ConfigurationError before any work if the run's choices cannot be used."""
    unknown = [name for name in run.learners if name not in LEARNERS]
    if unknown or not run.learners:
        raise ConfigurationError(
            f"A run trains one or more of {', '.join(LEARNERS)}; found "
            f"{', '.join(map(repr, unknown)) or 'none'} (METAREC['LEARNERS'] or --learners)."
        )
    if not (run.budget_seconds > 0 and math.isfinite(run.budget_seconds)):
        raise ConfigurationError(
            f"The time budget of a learner is a number of seconds above 0; found {run.budget_seconds:g} "
            "(METAREC['TRAIN_SECONDS'] or --budget-seconds)."
        )
    if run.days is not None and run.days < 1:
        raise ConfigurationError(f"A run learns from the events of 1 day or more; found {run.days} (--days).")
    check_options(run.learner_options)
    resolve_device(run.device)


def measure_baselines(dataset: Dataset) -> Baselines:
    tuned = {name: tune(name, dataset) for name in COMPARED}
    return Baselines(
        measured={
            name: measure(each, dataset, dataset.test) for name, each in tuned.items() if not each.not_run
        },
        not_run={name: each.not_run for name, each in tuned.items() if each.not_run},
        shrinkage=tuned["item_knn"].best_strength(),
    )


def fallbacks(dataset: Dataset, baselines: Baselines) -> list[Candidate]:
    """Popularity and item-kNN as bundles like any other: what is served when no learner passes."""
    rows = item_knn_arrays(dataset, baselines.shrinkage)
    return [
        make_candidate(dataset, "popularity", "popularity", {}),
        make_candidate(dataset, "item_knn", "linear", rows, report={"shrinkage": baselines.shrinkage}),
    ]


def fit_candidate(run: TrainingRun, dataset: Dataset, learner: str, progress: Progress) -> Candidate:
    """Meta-train one learner within the run's budget; its checkpoints let a second attempt go on."""
    processes = get_config().processes
    train = partial(fit_in_processes, processes=processes) if processes > 1 else fit
    fitted = train(
        learner,
        dataset,
        seed=run.seed,
        device=run.device,
        budget_seconds=run.budget_seconds,
        progress=lambda fraction, message: progress(0.8 * fraction, message),
        checkpoint_dir=checkpoints_of(run.pk) / learner,
        options=run.learner_options.get(learner, {}),
    )
    progress(0.85, "calibrating")
    return make_candidate(dataset, learner, fitted.kind, fitted.arrays, report=fitted.report)


def choose(versions: Sequence[ModelVersion]) -> ModelVersion:
    """The version to serve: of those that passed, else of the baselines, the best on validation shoppers."""
    passed = [version for version in versions if version.state == PASSED]
    baselines = [version for version in versions if version.state == ModelVersion.State.BASELINE]
    return max(passed or baselines, key=lambda version: version.validation_score)


def promote(run: TrainingRun, chosen: ModelVersion, before: ModelVersion | None) -> bool:
    """Serve what the run chose, unless another version is served by now than before it: a decision stands."""
    try:
        registry.promote(chosen.pk, expected=before.pk if before else None, by=f"run {run.pk}")
    except ChangedMeanwhile:
        return False
    return True


def _report(
    run: TrainingRun,
    dataset: Dataset,
    baselines: Baselines,
    not_run: Mapping[str, str],
    versions: Sequence[ModelVersion],
    chosen: ModelVersion,
    served: bool,
) -> dict[str, Any]:
    return {
        "data": {
            "hash": dataset.hash,
            "products": dataset.n_products,
            "train_users": len(dataset.train),
            "validation_users": len(dataset.validation),
            "test_users": len(dataset.test),
            **dataset.source,
            "days": run.days,
        },
        "baselines": {name: figures(measured) for name, measured in baselines.measured.items()},
        "not_run": dict(not_run),
        "versions": [
            {
                "version": str(version.pk),
                "learner": version.learner,
                "state": str(version.state),
                "validation_score": version.validation_score,
                "reasons": version.verdict.get("reasons", []),
                **version.metrics,
            }
            for version in versions
        ],
        "promoted": str(chosen.pk) if served else None,
        "waits": None if served else str(chosen.pk),  # for a person: somebody promoted another one meanwhile
    }
