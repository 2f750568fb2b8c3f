"""The loop from top to bottom: event log -> dataset -> learners -> measured bundles -> gate -> served version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.episodes import KS, Scorer
from metarec_plugin.evaluate.item_knn import item_knn_arrays
from metarec_plugin.evaluate.lift import LiftCurve, lift_curve
from metarec_plugin.evaluate.protocol import Result, evaluate
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.pipeline.runs import Progress
from metarec_plugin.preprocess.clean import RuleReport
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import read_bundle, write_bundle
from metarec_plugin.publish.gate import HEADLINE_KS, PASSED, Verdict, judge
from metarec_plugin.storefront import get_storefront
from metarec_plugin.train import fit

Measured = Mapping[int, Result]


@dataclass(frozen=True, eq=False)
class Baselines:
    """The two that the gate compares with, tuned for each k, measured on test shoppers."""

    popularity: Measured
    item_knn: Measured
    shrinkage: float  # of the item-kNN that is written as a bundle: one for all k


def train_run(run: TrainingRun, progress: Progress) -> dict[str, Any]:
    """Do the work of one run and return its report (JSON). Raises InvalidData if there is nothing to learn from."""
    progress(0.0, "reading and cleaning the event log")
    dataset, cleaning = dataset_from_log(run.seed)
    progress(0.1, "tuning the baselines")
    baselines = measure_baselines(dataset)
    versions = [publish_baseline(run, dataset, name, baselines) for name in ("popularity", "item_knn")]
    for i, learner in enumerate(run.learners):
        start, share = 0.2 + 0.75 * i / len(run.learners), 0.75 / len(run.learners)

        def within(fraction: float, message: str, start: float = start, share: float = share) -> None:
            progress(start + share * fraction, message)

        candidate = fit_candidate(run, dataset, learner, within)
        within(0.9, f"{learner}: measuring against the baselines")
        versions.append(publish_candidate(run, dataset, candidate, baselines))
    progress(0.97, "promoting what passed")
    chosen = choose(versions)
    registry.promote(chosen.pk)
    return _report(dataset, cleaning, versions, chosen)


def measure_baselines(dataset: Dataset) -> Baselines:
    popularity, item_knn = tune("popularity", dataset), tune("item_knn", dataset)
    return Baselines(
        popularity=measure(popularity, dataset, dataset.test),
        item_knn=measure(item_knn, dataset, dataset.test),
        shrinkage=item_knn.best_strength(),
    )


def fit_candidate(run: TrainingRun, dataset: Dataset, learner: str, progress: Progress) -> Candidate:
    """Meta-train one learner within the run's budget; its checkpoints let a second attempt go on."""
    fitted = fit(
        learner,
        dataset,
        seed=run.seed,
        device=run.device,
        budget_seconds=run.budget_seconds,
        progress=lambda fraction, message: progress(0.8 * fraction, f"{learner}: {message}"),
        checkpoint_dir=get_config().artifacts / "runs" / str(run.pk) / learner,
    )
    progress(0.85, f"{learner}: calibrating")
    return make_candidate(dataset, learner, fitted.kind, fitted.arrays, report=fitted.report)


def publish_candidate(
    run: TrainingRun, dataset: Dataset, candidate: Candidate, baselines: Baselines
) -> ModelVersion:
    """Write the bundle, read it back as a web process would, and let the gate judge what that serves."""
    version, sha256, lift = _write(run, dataset, candidate)
    model = Candidate(
        candidate.learner, candidate.kind, read_bundle(get_config().artifacts, version, sha256).arrays
    )
    measured = measure(model.scorer(), dataset, dataset.test)
    rng = np.random.default_rng(run.seed)
    verdict = judge(measured, baselines.popularity, baselines.item_knn, rng=rng)
    return _register(run, dataset, candidate, version, sha256, lift, verdict.state, measured, verdict)


def publish_baseline(run: TrainingRun, dataset: Dataset, name: str, baselines: Baselines) -> ModelVersion:
    """Write popularity or item-kNN as a bundle like any other: what is served when no learner passes."""
    if name == "popularity":
        candidate = make_candidate(dataset, name, "popularity", {})
    else:
        candidate = make_candidate(dataset, name, "linear", item_knn_arrays(dataset, baselines.shrinkage))
    version, sha256, lift = _write(run, dataset, candidate)
    measured = measure(candidate.scorer(), dataset, dataset.test)
    return _register(
        run, dataset, candidate, version, sha256, lift, ModelVersion.State.BASELINE, measured, None
    )


def choose(versions: list[ModelVersion]) -> ModelVersion:
    """The version to serve: of those that passed, else of the baselines, the best on validation shoppers."""
    passed = [version for version in versions if version.state == PASSED]
    return max(
        passed or [version for version in versions if version.state == ModelVersion.State.BASELINE],
        key=lambda version: version.validation_score,
    )


def measure(scorer: Scorer, dataset: Dataset, histories: Histories) -> dict[int, Result]:
    return {k: evaluate(scorer, histories, k, dataset.n_products) for k in KS}


def validation_score(candidate: Candidate, dataset: Dataset) -> float:
    """Mean NDCG@20 over the headline k on validation shoppers; 0 where there is none to measure."""
    scorer = candidate.scorer()
    means = [evaluate(scorer, dataset.validation, k, dataset.n_products).mean for k in HEADLINE_KS]
    return float(np.nanmean(means)) if not np.isnan(means).all() else 0.0


def _write(run: TrainingRun, dataset: Dataset, candidate: Candidate) -> tuple[uuid.UUID, str, LiftCurve]:
    version = uuid.uuid4()
    lift = lift_curve(
        candidate.scorer(), dataset.validation, dataset.log_prior, allowed_loss=get_config().lift_loss
    )
    manifest = {
        "learner": candidate.learner,
        "kind": candidate.kind,
        "feature_schema": get_storefront().feature_schema(),
        "seed": run.seed,
        "data_hash": dataset.hash,
        "metrics": dict(candidate.report),
        "lifts": {"home": lift.chosen},
    }
    return version, write_bundle(get_config().artifacts, version, manifest, candidate.arrays), lift


def _register(
    run: TrainingRun,
    dataset: Dataset,
    candidate: Candidate,
    version: uuid.UUID,
    sha256: str,
    lift: LiftCurve,
    state: str,
    measured: Measured,
    verdict: Verdict | None,
) -> ModelVersion:
    metrics = {
        "test": {
            str(k): {"ndcg20": r.mean, "se": r.standard_error, "recall20": float(r.recall.mean()), "users": len(r),
                     "coverage20": r.coverage}
            for k, r in measured.items() if len(r)
        },
        "lift": lift.as_json(),
        "training": dict(candidate.report),
    }  # fmt: skip
    return registry.register(
        version,
        learner=candidate.learner,
        sha256=sha256,
        state=state,
        run=run,
        verdict=verdict.as_json() if verdict else {},
        metrics=metrics,
        data_hash=dataset.hash,
        validation_score=validation_score(candidate, dataset),
    )


def _report(
    dataset: Dataset, cleaning: Sequence[RuleReport], versions: list[ModelVersion], chosen: ModelVersion
) -> dict[str, Any]:
    return {
        "data": {
            "hash": dataset.hash,
            "products": dataset.n_products,
            "train_users": len(dataset.train),
            "validation_users": len(dataset.validation),
            "test_users": len(dataset.test),
            **dataset.source,
            "cleaning": [{"rule": each.rule, "why": each.why, "rows": each.rows} for each in cleaning],
        },
        "versions": [
            {
                "version": str(version.pk),
                "learner": version.learner,
                "state": str(version.state),
                "validation_score": version.validation_score,
                "reasons": version.verdict.get("reasons", []),
                "test": version.metrics["test"],
                "lift": version.metrics["lift"],
                "training": version.metrics["training"],
            }
            for version in versions
        ],
        "promoted": str(chosen.pk),
    }
