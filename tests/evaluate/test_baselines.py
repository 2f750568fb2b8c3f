"""The tuned baselines: equal to plain arithmetic, find a planted answer, say why where they do not run."""

import numpy as np
import pytest

from metarec_plugin.evaluate import baselines, ease
from metarec_plugin.evaluate.asymmetric_knn import AsymmetricKnn
from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.item_knn import ItemKnn, item_knn_arrays
from metarec_plugin.evaluate.priors import DecayedPopularity
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.tuning import Setting, choose
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate import reference
from tests.evaluate.shoppers import DAY, histories, planted

KS = (0, 1, 3)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted()


@pytest.mark.parametrize("shrinkage", [0.0, 20.0])
def test_item_knn_rows_equal_the_whole_square(dataset: Dataset, shrinkage: float):
    square = reference.item_knn(list(dataset.train), dataset.n_products, shrinkage)
    support = np.array([[0, 4, 9], [1, 2, 77]])
    (raw,) = ItemKnn(dataset).raws(support, (shrinkage,))
    expected = np.array([np.sum([square[i] for i in row], axis=0) for row in support])
    assert raw == pytest.approx(expected, abs=1e-6)


def test_item_knn_is_the_same_with_next_to_no_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    support = episodes(dataset.test, 3).support
    roomy = ItemKnn(dataset).raws(support, (20.0,))[0]
    for name, size in (("_HELD", 400), ("_BLOCK", 100), ("_DENSE", 0)):
        monkeypatch.setattr(f"metarec_plugin.evaluate.item_knn.{name}", size)
    assert np.array_equal(ItemKnn(dataset).raws(support, (20.0,))[0], roomy)


def test_exported_rows_hold_the_largest_entries(dataset: Dataset):
    square = np.array(reference.item_knn(list(dataset.train), dataset.n_products, 20.0))
    arrays = item_knn_arrays(dataset, 20.0)
    rebuilt = np.zeros_like(square)
    np.add.at(rebuilt, (np.arange(dataset.n_products)[:, None], arrays["row_products"]), arrays["row_values"])
    n = min(dataset.n_products, max(64, 16_000_000 // dataset.n_products))
    assert arrays["row_products"].shape == (dataset.n_products, n)
    assert rebuilt == pytest.approx(square, abs=1e-6)
    assert arrays["row_values"].dtype == np.float32
    assert arrays["row_products"].dtype == np.int32


@pytest.mark.parametrize("exponent", [0.0, 0.25, 0.75, 1.0])
def test_asymmetric_rows_equal_plain_arithmetic(dataset: Dataset, exponent: float):
    buyers = [
        {u for u, history in enumerate(dataset.train) if p in history} for p in range(dataset.n_products)
    ]
    n = [max(1, len(each)) for each in buyers]
    support = np.array([[0, 9], [2, 77]])
    (raw,) = AsymmetricKnn(dataset).raws(support, (exponent,))
    for row, products in enumerate(support):
        for j in range(dataset.n_products):
            parts = [
                len(buyers[i] & buyers[j]) / (n[i] ** exponent * n[j] ** (1 - exponent))
                for i in products
                if i != j
            ]
            assert raw[row, j] == pytest.approx(sum(parts), rel=1e-4, abs=1e-6)


def test_asymmetric_cosine_of_one_half_is_the_cosine(dataset: Dataset):
    support = episodes(dataset.test, 3).support
    ours, theirs = AsymmetricKnn(dataset).raws(support, (0.5,))[0], ItemKnn(dataset).raws(support, (0.0,))[0]
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_share_of_buyers_is_within_reach_of_the_asymmetric_grid(dataset: Dataset):
    tuned = tune("asymmetric_knn", dataset, KS)
    assert {setting.strength for setting in tuned.validation[1]} == {0.0, 0.25, 0.5, 0.75}
    if any(setting.strength == 0.75 for k, setting in tuned.settings.items() if k):
        assert 1.0 in {setting.strength for grid in tuned.widen().validation.values() for setting in grid}


def test_ease_has_the_property_that_defines_it(dataset: Dataset):
    # Steck 2019: with a zero diagonal, B minimises |X - XB|^2 + ridge |B|^2, so G (B - I) + ridge B is diagonal.
    gram = ease.gram(dataset)
    weights = ease.Ease(gram, 300.0)._weights
    residual = gram @ weights - gram + 300.0 * weights
    off = residual - np.diag(np.diag(residual))
    assert np.abs(np.diag(weights)).max() == 0
    assert np.abs(off).max() < 1e-3 * np.abs(residual).max()


@pytest.mark.parametrize("name", ["item_knn", "asymmetric_knn", "ease"])
def test_the_planted_group_is_found_from_one_product(dataset: Dataset, name: str):
    popular = evaluate(tune("popularity", dataset, KS), dataset.test, 1, dataset.n_products).mean
    personal = evaluate(tune(name, dataset, KS), dataset.test, 1, dataset.n_products).mean
    assert personal > 1.5 * popular


def test_without_support_every_family_ranks_by_popularity(dataset: Dataset):
    results = [
        evaluate(tune(n, dataset, (0,)), dataset.test, 0, dataset.n_products) for n in ("popularity", "ease")
    ]
    assert results[0].ndcg.tolist() == results[1].ndcg.tolist()


def test_tuning_reads_nothing_of_the_test_shoppers(dataset: Dataset):
    other = Dataset(
        dataset.product_keys, dataset.train, dataset.validation, histories([[1, 2, 3, 4, 5, 6, 7]])
    )
    for name in ("popularity", "item_knn", "ease"):
        ours, theirs = tune(name, dataset, KS), tune(name, other, KS)
        assert ours.validation == theirs.validation
        part = episodes(dataset.test, 3)
        assert np.array_equal(ours(part), theirs(part))


def test_the_first_of_equal_settings_is_chosen():
    first, second, third = Setting(0.0, "pop", 0.0), Setting(0.0, "pop", 0.3), Setting(20.0, "pop", 0.0)
    assert choose({1: {first: 0.1, second: 0.2, third: 0.2}}, [1]) == {1: second}


def test_a_k_without_validation_shoppers_takes_the_setting_of_the_k_below():
    setting = Setting(0.0, "pop", 0.0)
    assert choose({1: {setting: 0.1}, 50: {}}, [1, 50]) == {1: setting, 50: setting}


def test_a_shop_without_validation_shoppers_still_gets_a_baseline(dataset: Dataset):
    bare = Dataset(dataset.product_keys, dataset.train, histories([[1, 2]]), dataset.test)
    for name in ("popularity", "item_knn", "ease"):
        assert len(evaluate(tune(name, bare, KS), bare.test, 3, bare.n_products)) > 0


def test_item_knn_for_a_bundle_has_one_shrinkage_for_all_k(dataset: Dataset):
    tuned = tune("item_knn", dataset, (0, 1, 2, 3, 5))
    means = {
        h: np.mean([max(s for g, s in tuned.validation[k].items() if g.strength == h) for k in (1, 2, 3, 5)])
        for h in (0.0, 20.0, 100.0, 400.0)
    }
    assert means[tuned.best_strength()] == max(means.values())


def test_without_validation_shoppers_a_bundle_takes_the_first_strength(dataset: Dataset):
    bare = Dataset(dataset.product_keys, dataset.train, histories([[1, 2]]), dataset.test)
    assert (
        tune("item_knn", bare, (0, 1, 2)).best_strength()
        == tune("item_knn", bare, (1, 2)).best_strength()
        == 0.0
    )


def test_ease_does_not_run_on_a_large_catalogue(dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ease, "MAX_PRODUCTS", 100)
    tuned = tune("ease", dataset, KS)
    assert "not run" in tuned.not_run
    assert "120 products" in tuned.not_run


def test_decayed_popularity_needs_times(dataset: Dataset):
    assert tune("decayed_popularity", dataset, KS).not_run.startswith("not applicable")
    assert not tune("decayed_popularity", planted(timed=True), KS).not_run


def test_decayed_popularity_counts_what_was_bought_before_now_and_forgets():
    train = histories([[0], [1], [2]], at=[[0.0], [9 * DAY], [11 * DAY]])
    test = histories([[3, 4, 5, 6, 7, 8]], at=[[10 * DAY] * 6])
    dataset = Dataset(np.array([f"p{i}" for i in range(9)]), train, test, test)
    scores = np.exp(DecayedPopularity(dataset, half_life_days=1.0)(episodes(test, 0)))[0]
    prior = np.exp(dataset.log_prior)
    assert scores[1] == pytest.approx(0.5 + prior[1], rel=1e-5)  # a day old, of one day's half-life
    assert scores[0] == pytest.approx(2**-10 + prior[0], rel=1e-5)
    assert scores[2] == pytest.approx(prior[2], rel=1e-5)  # not bought yet


def test_decayed_popularity_is_the_same_shopper_by_shopper():
    dataset = planted(timed=True, shoppers=120)
    part = episodes(dataset.test, 1)
    scorer = DecayedPopularity(dataset, 7.0)
    alone = np.concatenate([scorer(part[slice(i, i + 1)]) for i in range(len(part))])
    assert scorer(part) == pytest.approx(alone, abs=1e-4)


def test_random_repeats_itself_and_beats_nobody(dataset: Dataset):
    part = episodes(dataset.test, 1)
    chance = tune("random", dataset, KS, seed=5)
    assert np.array_equal(chance(part), tune("random", dataset, KS, seed=5)(part))
    assert not np.array_equal(chance(part), tune("random", dataset, KS, seed=6)(part))


def test_an_unknown_name_lists_the_known_ones(dataset: Dataset):
    with pytest.raises(InvalidData, match="item_knn"):
        tune("itemknn", dataset)
    assert set(baselines.BASELINES) >= {"popularity", "decayed_popularity", "item_knn", "ease"}
