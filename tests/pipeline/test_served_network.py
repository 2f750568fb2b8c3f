"""Where workers add a network to a head, what is calibrated, judged and reported is head and network together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.known import SUBJECT
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline import evaluate as evaluation
from metarec_plugin.pipeline.candidates import Candidate, make_candidate, validation_score
from metarec_plugin.pipeline.publishing import Measured, figures, measure, publish
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.publish.gate import FAILED, Verdict
from metarec_plugin.train import fit
from metarec_plugin.train.network_head import NetworkHead
from tests.evaluate.shoppers import planted

GAIN = np.array([2.0, 0.0], "f4")


@pytest.fixture(scope="module")
def store() -> Dataset:
    return planted(groups=2, products=20, shoppers=150, length=12)


@pytest.fixture(scope="module")
def candidate(store: Dataset) -> Candidate:
    """A network that is given a say, whatever one step taught it."""
    fitted = fit("maml", store, device="cpu", budget_seconds=0, options={"adapt": "network"})
    return make_candidate(store, "maml", fitted.kind, {**fitted.arrays, "network_gain": GAIN})


def test_the_scorer_says_what_a_worker_leaves_and_the_other_what_a_request_answers(store, candidate):
    part = episodes(store.test, 3)
    workers = BatchModel("network", candidate.arrays, "cpu").scores(list(part.support))
    requests = np.array([candidate.model().scores(support) for support in part.support])
    np.testing.assert_array_equal(candidate.scorer()(part), workers)
    np.testing.assert_array_equal(candidate.request_scorer()(part), requests)
    assert np.abs(workers - requests).max() > 0.1
    nobody = episodes(store.test, 0)
    np.testing.assert_array_equal(candidate.scorer()(nobody), candidate.request_scorer()(nobody))


def test_the_calibration_is_that_of_head_and_network(store, candidate):
    names = ("calibration_scale", "calibration_prior")
    own = {name: array for name, array in candidate.arrays.items() if not name.startswith("calibration")}
    alone = {name: array for name, array in own.items() if name not in NetworkHead._fields}
    head = make_candidate(store, "maml", "gradient", alone)  # the same head, with the network left out
    assert any(not np.allclose(candidate.arrays[name], head.arrays[name]) for name in names)
    silent = make_candidate(store, "maml", "network", {**own, "network_gain": np.zeros(2, "f4")})
    for name in names:
        np.testing.assert_allclose(silent.arrays[name], head.arrays[name], rtol=1e-3)


def test_the_report_has_both_figures(store, candidate):
    assert candidate.report["ndcg20_network"] == validation_score(candidate.scorer(), store)
    assert candidate.report["ndcg20_head"] == validation_score(candidate.request_scorer(), store)
    assert candidate.report["ndcg20_network"] != candidate.report["ndcg20_head"]


def test_where_what_is_known_of_a_shopper_counts_it_is_what_a_request_answers(store, candidate):
    """At k = 1 the group counts, from 3 on nothing is left of it: there a worker's ranking is served."""
    group = {
        "fields": np.array([b"region"]),
        "values": np.array([b"north"]),
        "uppers": np.zeros(1, "f4"),
        "indptr": np.array([0, 1], "i4"),
        "products": np.zeros(1, "i4"),
        "ratios": np.ones(1, "f4"),
        "fading_k": np.array([0, 3], "f4"),
        "fading": np.array([1, 0], "f4"),
    }
    arrays = {**candidate.arrays, **{f"{SUBJECT}.{name}": array for name, array in group.items()}}
    known = replace(candidate, arrays=arrays)
    for k, expected in ((1, candidate.request_scorer()), (3, candidate.scorer())):
        part = episodes(store.test, k)
        np.testing.assert_array_equal(known.scorer(store.test)(part), expected(part))


def test_an_evaluation_has_a_row_for_each(store, monkeypatch):
    def given_a_say(*args: object, **options: object):
        return make_candidate(*args[:3], {**args[3], "network_gain": GAIN}, **options)

    monkeypatch.setattr(evaluation, "make_candidate", given_a_say)
    report = evaluation.evaluate_dataset(
        store,
        ["maml"],
        ks=(3,),
        budget_seconds=0.0,
        device="cpu",
        options={"maml": {"adapt": "network"}},
    )
    both = {row.learner: row.ndcg20 for row in report.rows}
    assert both.keys() == {"maml", "maml_head"}
    assert both["maml"] != both["maml_head"]


@pytest.mark.django_db
def test_the_gate_judges_what_workers_leave_and_the_version_keeps_the_heads_figures(
    store, candidate, settings, tmp_path
):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path}
    run = TrainingRun.objects.create(budget_seconds=1)
    judged: list[Measured] = []

    def judge(measured: Measured) -> Verdict:
        judged.append(measured)
        return Verdict(FAILED, 0, (), ())

    version = publish(run, store, candidate, judge)
    both, head = (
        figures(measure(scorer, store, store.test))
        for scorer in (candidate.scorer(), candidate.request_scorer())
    )
    (measured,) = judged
    assert figures(measured) == version.metrics["test"] == both
    assert version.metrics["test_head"] == head != both
    assert version.validation_score == candidate.report["ndcg20_network"]
