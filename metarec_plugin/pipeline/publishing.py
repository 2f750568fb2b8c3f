"""Write a candidate's bundle, measure what it serves, and register it with the gate's verdict."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.episodes import HEADLINE_KS, KS, Scorer
from metarec_plugin.evaluate.lift import LiftCurve, lift_curve
from metarec_plugin.evaluate.protocol import Result, evaluate
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.pipeline.candidates import Candidate, validation_score
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import read_bundle, write_bundle
from metarec_plugin.publish.gate import Verdict
from metarec_plugin.serve.lift import RETURNING_K
from metarec_plugin.storefront import get_storefront

Measured = Mapping[int, Result]


def publish(
    run: TrainingRun,
    dataset: Dataset,
    candidate: Candidate,
    judge: Callable[[Measured], Verdict] | None = None,
) -> ModelVersion:
    """Return the registered version, measured on test shoppers through the bundle as a web process reads it.

    judge: the gate; a version that nobody judges is a baseline.
    """
    version, root = uuid.uuid4(), get_config().artifacts
    newcomer, returning = (_lift(candidate, dataset, ks) for ks in (HEADLINE_KS, (RETURNING_K,)))
    manifest = {
        "learner": candidate.learner,
        "kind": candidate.kind,
        "feature_schema": get_storefront().feature_schema(),
        "seed": run.seed,
        "data_hash": dataset.hash,
        "metrics": dict(candidate.report),
        # At 50 products too few shoppers may be left to choose by: then what holds for newcomers holds.
        "lifts": {
            "home": newcomer.chosen,
            f"home_at_{RETURNING_K}": (returning if returning.points else newcomer).chosen,
        },
    }
    sha256 = write_bundle(root, version, manifest, candidate.arrays)
    served = replace(candidate, arrays=read_bundle(root, version, sha256).arrays)
    measured = measure(served.scorer(dataset.test), dataset, dataset.test)
    verdict = judge(measured) if judge else None
    return registry.register(
        version,
        learner=candidate.learner,
        sha256=sha256,
        state=verdict.state if verdict else ModelVersion.State.BASELINE,
        run=run,
        verdict=verdict.as_json() if verdict else {},
        metrics={
            "test": figures(measured),
            **_head_alone(served, dataset),
            "lift": newcomer.as_json(),
            "lifts": manifest["lifts"],
            "training": dict(candidate.report),
        },
        data_hash=dataset.hash,
        # Without what is known of shoppers: it was fitted on these, and would flatter whoever gains by it.
        validation_score=validation_score(served.scorer(), dataset),
    )


def _head_alone(served: Candidate, dataset: Dataset) -> dict[str, Any]:
    """What requests answer until a worker has been: another row where the version has a network."""
    if not served.has_network:
        return {}
    return {"test_head": figures(measure(served.request_scorer(), dataset, dataset.test))}


def _lift(candidate: Candidate, dataset: Dataset, ks: Sequence[int]) -> LiftCurve:
    allowed = get_config().lift_loss
    return lift_curve(candidate.scorer(), dataset.validation, dataset.log_prior, allowed_loss=allowed, ks=ks)


def measure(scorer: Scorer, dataset: Dataset, histories: Histories) -> dict[int, Result]:
    return {k: evaluate(scorer, histories, k, dataset.n_products) for k in KS}


def figures(measured: Measured) -> dict[str, dict[str, Any]]:
    """The results as JSON, by k; without the k that no shopper reached."""
    return {
        str(k): {
            "ndcg20": result.mean,
            "se": result.standard_error,
            "recall20": float(result.recall.mean()),
            "coverage20": result.coverage,
            "user_coverage": result.user_coverage,
            "users": len(result),
        }
        for k, result in measured.items()
        if len(result)
    }
