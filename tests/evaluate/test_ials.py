"""iALS fold-in: equal to the normal equations, tuned from the benchmark's points, optional."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.evaluate import ials, priors
from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.widening import MAX_STRENGTHS
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import planted

POINT = (32.0, 10.0, 4.0)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted()


def test_the_fold_in_solves_the_normal_equations(dataset: Dataset):
    model = ials.Ials(dataset, (POINT,))
    support = episodes(dataset.test, 3).support
    (scores,) = model.raws(support, (POINT,))
    v = model._models[POINT].item_factors.astype(np.float64)
    for row in range(3):
        own = v[support[row]]
        left = v.T @ v + POINT[2] * own.T @ own - own.T @ own + POINT[1] * np.eye(32)
        u = np.linalg.solve(left, POINT[2] * own.sum(axis=0))
        assert scores[row] == pytest.approx(v @ u, abs=1e-4)


def test_the_planted_group_is_found_and_tuning_starts_from_the_benchmarks_points(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    tuned = tune("ials", dataset, (0, 1, 3))
    popular = evaluate(tune("popularity", dataset, (3,)), dataset.test, 3, dataset.n_products).mean
    assert evaluate(tuned, dataset.test, 3, dataset.n_products).mean > 1.5 * popular
    assert {setting.strength for setting in tuned.validation[3]} == {
        (64.0, 1.0, 2.0), (64.0, 10.0, 4.0), (128.0, 30.0, 4.0), (64.0, 100.0, 8.0)
    }  # fmt: skip
    assert {setting.prior_weight for setting in tuned.validation[3]} == {0.0, 0.3, 1.0}
    monkeypatch.setattr("metarec_plugin.evaluate.widening.MAX_STRENGTHS", 7)
    wide = tuned.widen()
    assert len({setting.strength for setting in wide.validation[3]}) == 7 < MAX_STRENGTHS
    assert max(wide.validation[3].values()) >= max(tuned.validation[3].values())


def test_without_support_early_popularity_ranks(dataset: Dataset):
    tuned = tune("ials", dataset, (0,))
    part = episodes(dataset.test, 0)
    early = priors.popularity_priors(dataset)["early"]
    if tuned.settings[0].prior_weight == 0:
        assert np.corrcoef(tuned(part)[0], early)[0, 1] == pytest.approx(1)


def test_where_the_package_is_missing_it_is_said_how_to_install_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ials, "installed", lambda: False)
    tuned = tune("ials", dataset, (0, 1))
    assert "pip install" in tuned.not_run
    assert "implicit" in tuned.not_run


def test_the_same_data_gives_the_same_factors(dataset: Dataset):
    support = episodes(dataset.test, 1).support
    first, second = (ials.Ials(dataset, (POINT,)).raws(support, (POINT,))[0] for _ in range(2))
    assert first == pytest.approx(second, abs=1e-6)
