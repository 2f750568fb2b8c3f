"""A run counts what is bought together: chosen on validation baskets, part of every bundle, absent where it must be."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.adapt.together import Together
from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.basket_cases import TASKS
from metarec_plugin.evaluate.item_knn import item_knn_arrays
from metarec_plugin.models import Event, ModelVersion
from metarec_plugin.pipeline import runs
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.pipeline.together import fit_together, similar_lister, with_together
from metarec_plugin.pipeline.train import train_run
from metarec_plugin.preprocess.baskets import baskets_from_log, baskets_of
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.serve import current
from tests.baskets import FAMILIES, PER_FAMILY, main_of, planted_dataset, planted_events, side_of, substitutes


@pytest.fixture(scope="module")
def events():
    return planted_events()


@pytest.fixture(scope="module")
def dataset(events) -> Dataset:
    return planted_dataset(events)


@pytest.fixture(scope="module")
def candidate(dataset) -> Candidate:
    return make_candidate(dataset, "item_knn", "linear", item_knn_arrays(dataset, 20.0))


def test_complements_are_together_and_not_similar_and_substitutes_the_other_way_round(
    events, dataset, candidate
):
    whole = with_together(candidate, fit_together(dataset, baskets_of(events, dataset)))
    together, similar = Together(whole.arrays), similar_lister(whole.model())
    keys = dataset.product_keys
    complements = {"together": 0, "similar": 0}
    alike = {"together": 0, "similar": 0}
    for family in range(FAMILIES):
        for i in range(PER_FAMILY):
            known = np.searchsorted(keys, [main_of(family, i)])
            tops = {"together": keys[together.scores(known)[0][:3]], "similar": keys[similar(known)[:3]]}
            for name, top in tops.items():
                complements[name] += side_of(family, i) in top
                alike[name] += len(substitutes(family, i) & set(top.tolist()))
    mains = FAMILIES * PER_FAMILY
    assert complements["together"] > 0.9 * mains
    assert complements["similar"] < 0.1 * mains
    assert alike["similar"] > 0.9 * 3 * mains
    assert alike["together"] < 0.1 * 3 * mains


def test_the_report_says_what_was_chosen_and_how_it_compares(events, dataset, candidate):
    together = fit_together(dataset, baskets_of(events, dataset))
    report = with_together(candidate, together).report["bought_together"]
    chosen = report["ndcg10"][report["formula"]]
    assert sum(chosen.values()) == max(sum(each.values()) for each in report["ndcg10"].values())
    for task in TASKS:
        assert chosen[task] > report["ndcg10_popularity"][task] + 0.2
        assert report["ndcg10_beside_similar"][task] > report["ndcg10_similar"][task] + 0.1
    assert report["orders"] > 0 == report["visits"]


def test_shuffled_rows_make_the_same_arrays(events, dataset):
    one = fit_together(dataset, baskets_of(events, dataset))
    other = fit_together(dataset, baskets_of(events.sample(fraction=1.0, shuffle=True, seed=5), dataset))
    assert one.report == other.report
    assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_held_out_baskets_are_not_counted(events, dataset):
    training = events.filter(events["subject"].is_in(dataset.train.subjects.tolist()))
    few = fit_together(dataset, baskets_of(training, dataset))
    assert few.report["validation_baskets"] == 0
    assert few.report["formula"] == "rise, s 10"
    whole = fit_together(dataset, baskets_of(events, dataset), ())  # the usual formula alone
    assert all(np.array_equal(few.arrays[name], whole.arrays[name]) for name in few.arrays)


def test_a_store_without_baskets_gets_no_arrays_and_says_so(events, dataset, candidate):
    none = fit_together(dataset, baskets_of(events.drop("order", "at"), dataset))
    assert not none.arrays
    whole = with_together(candidate, none)
    assert set(whole.arrays) == set(candidate.arrays)
    assert "more than chance" in whole.report["bought_together"]["left_out"]


@pytest.mark.django_db(transaction=True)
def test_every_version_of_a_run_carries_what_was_ordered_together(planted, monkeypatch, settings, tmp_path):
    monkeypatch.setattr(current, "_served", current.Served())
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "TRAIN_SECONDS": 2, "DEVICE": "cpu"}
    run = runs.execute(runs.create_run(learners=("closed_form",)).pk, train_run, lambda *_: None)
    assert ModelVersion.objects.filter(run=run).count() == 3
    for version in ModelVersion.objects.filter(run=run):
        bundle = read_bundle(get_config().artifacts, version.pk, version.sha256)
        assert Together(bundle.arrays).known, version.learner
        assert "formula" in version.metrics["training"]["bought_together"]


@pytest.mark.django_db(transaction=True)
def test_orders_are_read_from_the_log_less_what_was_taken_back(planted):
    dataset = dataset_from_log(0)
    before = baskets_from_log(dataset)
    assert before.source["orders"] == len(before) > 0
    taken = Event.objects.filter(product=str(dataset.product_keys[0])).exclude(order="")
    for event in taken:
        Event.objects.create(
            event_id=f"back:{event.event_id}", subject=event.subject, kind="return", product=event.product,
            quantity=event.quantity, at=timezone.now() - timedelta(days=1), reverses=event.event_id,
        )  # fmt: skip
    after = baskets_from_log(dataset)
    assert (before.products == 0).any()
    assert not (after.products == 0).any()
