"""The learners by name: what they refuse, and that each learns to adapt from one event."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch

from metarec_plugin.exceptions import ConfigurationError, InvalidData
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.publish.layout import check_arrays, check_values
from metarec_plugin.train import Fitted, fit, learners
from metarec_plugin.train.learners import LEARNERS, validation_quality
from metarec_plugin.train.maml import MamlConfig
from tests.evaluate.shoppers import histories, planted

GROUPS = 2
BUDGET = 1.5  # seconds; a sixth of it is enough


@pytest.fixture(scope="module")
def store() -> Dataset:
    return planted(groups=GROUPS, products=20, shoppers=120, length=10)


def same_group(store: Dataset, fitted: Fitted) -> float:
    """How many of the ten first recommendations after one event are of its group, over all products, 0 to 1."""
    model = make_candidate(store, fitted.learner, fitted.kind, fitted.arrays).model()
    shares = []
    for product in range(store.n_products):
        scores = model.scores(np.array([product]))
        scores[product] = -np.inf
        shares.append((np.argsort(-scores)[:10] % GROUPS == product % GROUPS).mean())
    return float(np.mean(shares))


def test_an_unknown_learner_is_refused_by_name(store):
    with pytest.raises(
        ConfigurationError, match="one of closed_form, maml, reptile, maml_nn, mixture; found 'ease'"
    ):
        fit("ease", store)


def test_a_gpu_that_is_not_there_is_a_configuration_error_in_words(store, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match=r"torch finds no GPU here.*DEVICE'\] to auto"):
        fit("maml", store, device="cuda", budget_seconds=0.1)


def test_a_device_of_another_name_is_refused(store):
    with pytest.raises(ConfigurationError, match="auto, cpu or cuda; found 'tpu'"):
        fit("maml", store, device="tpu", budget_seconds=0.1)


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_learner_recovers_planted_groups_and_fits_the_layout_of_its_bundle(store, learner):
    fitted = fit(learner, store, device="cpu", budget_seconds=BUDGET)
    assert fitted.learner == learner
    candidate = make_candidate(store, learner, fitted.kind, fitted.arrays)
    check_arrays(candidate.kind, candidate.arrays)
    check_values(candidate.arrays)
    assert same_group(store, fitted) > 0.95


def test_maml_gets_better_at_adapting_even_from_vectors_that_know_nothing(store, monkeypatch):
    noise = np.random.default_rng(0).normal(size=(store.n_products, 8)).astype("f4") / 8**0.5
    monkeypatch.setattr(learners, "first_vectors", lambda dataset, dimensions, seed: noise.copy())
    # Nothing is worth a pull back to noise.
    monkeypatch.setattr(learners, "MamlConfig", lambda: MamlConfig(decay=0.0, learning_rate=3e-3, batch=64))
    untrained = fit("maml", store, device="cpu", budget_seconds=0)
    trained = fit("maml", store, device="cpu", budget_seconds=BUDGET)
    assert trained.report["best_step"] > 1
    assert trained.report["best"] > untrained.report["best"] + 0.05
    assert same_group(store, untrained) < 0.55  # chance is a half
    assert same_group(store, trained) > 0.58


def test_a_second_attempt_goes_on_and_one_with_other_data_starts_anew(store, tmp_path, caplog):
    def attempt(dataset: Dataset, seed: int = 0) -> Fitted:
        return fit("maml", dataset, seed=seed, device="cpu", budget_seconds=0, checkpoint_dir=tmp_path)

    assert [attempt(store).report["steps"] for _ in range(2)] == [1, 2]
    assert not caplog.records
    # One product more, and other products of the same number: neither may take over the vectors.
    for keys in ([*store.product_keys, "q"], [f"x{key}" for key in store.product_keys]):
        other = dataclasses.replace(store, product_keys=np.array(keys))
        with caplog.at_level(logging.WARNING):
            assert attempt(other).report["steps"] == 1
        assert "training starts anew" in caplog.text
        caplog.clear()
    assert attempt(other, seed=1).report["steps"] == 1  # nor another seed's


def test_the_report_says_when_the_budget_cut_the_training_short(store):
    report = fit("maml", store, device="cpu", budget_seconds=0).report
    assert report["cut_by_budget"]
    assert "cut by the time budget" in report["note"]


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_seed_gives_the_same_bundle(store, learner):
    first, second = (fit(learner, store, seed=3, device="cpu", budget_seconds=0) for _ in range(2))
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(second.arrays[name], array, err_msg=name)


@pytest.mark.parametrize("learner", LEARNERS)
def test_data_too_poor_to_learn_from_is_refused_in_words(store, learner):
    with pytest.raises(InvalidData, match="Collect more events"):
        fit(learner, dataclasses.replace(store, train=histories([[0], [3]])), device="cpu")


def test_a_catalogue_without_validation_shoppers_rates_all_weights_alike(store):
    def scorer(episodes):
        raise AssertionError("there is nobody to score")

    assert validation_quality(dataclasses.replace(store, validation=histories([])))(scorer) == 0.0
