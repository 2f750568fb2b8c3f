"""Calibrated scores are log probabilities, ranked with the weight of the prior that serves best."""

import numpy as np
import pytest

from metarec_plugin.evaluate import calibration
from metarec_plugin.evaluate.calibration import NEUTRAL, Calibration, calibrated, fit_calibration, halves, z
from metarec_plugin.evaluate.episodes import Episodes, episodes
from metarec_plugin.evaluate.item_knn import ItemKnn
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories, planted

KS = (0, 1, 2, 3, 5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted(shoppers=600)


def knn(dataset: Dataset):
    maps = ItemKnn(dataset)
    return lambda part: maps.raws(part.support, (0.0,))[0]


def noise(part: Episodes) -> np.ndarray:
    return np.random.default_rng(part.k).normal(size=(len(part), 120)).astype(np.float32)


def test_calibrated_scores_are_log_probabilities(dataset: Dataset):
    fitted = fit_calibration(knn(dataset), dataset.validation, dataset.log_prior, KS)
    scores = calibrated(knn(dataset), fitted, dataset.log_prior)(episodes(dataset.test, 3))
    assert np.exp(scores).sum(axis=1) == pytest.approx(np.ones(len(scores)), abs=1e-4)


def test_without_support_the_calibrated_score_is_the_prior(dataset: Dataset):
    scores = calibrated(knn(dataset), NEUTRAL, dataset.log_prior)(episodes(dataset.test, 0))
    assert (scores == dataset.log_prior).all()


def test_noise_is_outweighed_by_the_prior(dataset: Dataset):
    fitted = fit_calibration(noise, dataset.validation, dataset.log_prior, (1,))
    _, prior_weight = fitted.at(1)
    useful, _ = fit_calibration(knn(dataset), dataset.validation, dataset.log_prior, (1,)).at(1)
    scale, _ = fitted.at(1)
    assert scale < 0.3 * useful
    assert prior_weight > 3 * scale / dataset.log_prior.std()


def test_the_scale_undoes_a_factor_on_the_scores(dataset: Dataset):
    # z() takes any factor and shift of the raw scores away, so the fit is the same.
    raw = knn(dataset)
    ours = fit_calibration(raw, dataset.validation, dataset.log_prior, KS)
    theirs = fit_calibration(lambda part: 7 * raw(part) + 3, dataset.validation, dataset.log_prior, KS)
    assert ours.scale == pytest.approx(theirs.scale, rel=1e-2)


def test_the_scale_is_that_of_highest_likelihood():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 50)).astype(np.float32)
    truth = np.exp(1.7 * scores) / np.exp(1.7 * scores).sum(axis=1, keepdims=True)
    query = np.full((400, 20), -1, dtype=np.int32)
    for row in range(400):
        query[row, :10] = rng.choice(50, size=10, p=truth[row])
    cases = Episodes(0, np.arange(400), np.empty((400, 0), dtype=np.int32), query, None)
    assert calibration.best_scale(scores, cases) == pytest.approx(1.7, abs=0.1)


def test_scores_against_the_queries_keep_a_small_positive_scale():
    scores = np.zeros((30, 50), dtype=np.float32)
    scores[:, 0] = 1
    query = np.full((30, 20), -1, dtype=np.int32)
    query[:, :5] = np.arange(10, 15)
    cases = Episodes(0, np.arange(30), np.empty((30, 0), dtype=np.int32), query, None)
    assert calibration.best_scale(scores, cases) == calibration.MIN_SCALE


def test_calibration_costs_no_ranking_quality(dataset: Dataset):
    raw = knn(dataset)
    fitted = fit_calibration(raw, dataset.validation, dataset.log_prior, KS)
    scorer = calibrated(raw, fitted, dataset.log_prior)
    plain = evaluate(raw, dataset.test, 1, dataset.n_products, adapts=False).mean
    assert evaluate(scorer, dataset.test, 1, dataset.n_products).mean >= plain - 0.005


def test_numbers_between_two_k_lie_between():
    fitted = Calibration(np.array([1, 10], "f4"), np.array([1, 2], "f4"), np.array([4, 0], "f4"))
    scale, prior_weight = fitted.at(3)
    assert (scale, prior_weight) == pytest.approx((1 + 0.4066, 4 * (1 - 0.4066)), abs=1e-3)
    assert fitted.at(100) == (2.0, 0.0)


def test_too_few_validation_shoppers_leave_the_neutral_numbers(dataset: Dataset):
    few = histories([[0, 1, 2, 3, 4, 5, 6]] * 5)
    assert fit_calibration(knn(dataset), few, dataset.log_prior, KS) is NEUTRAL


def test_constant_scores_become_zero_not_nan():
    assert (z(np.full((2, 5), 3.0, dtype=np.float32)) == 0).all()


def test_the_halves_are_disjoint_and_always_the_same(dataset: Dataset):
    fit, other = halves(dataset.validation)
    assert not set(fit.subjects) & set(other.subjects)
    assert len(fit) + len(other) == len(dataset.validation)
    assert (halves(dataset.validation)[0].subjects == fit.subjects).all()
