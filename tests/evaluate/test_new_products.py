"""The new-product track: what is taken out leaves no trace, and what is measured can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from metarec_plugin.evaluate.content_baselines import (
    ContentKnn,
    attribute_ridges,
    choose,
    constant,
    content_baselines,
)
from metarec_plugin.evaluate.new_products import (
    HeldOut,
    NewcomerEpisodes,
    hold_out,
    measure_newcomers,
    newcomer_episodes,
    without,
)
from metarec_plugin.features.matrix import feature_matrix, fit_tokens
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories
from tests.planted import planted


@pytest.fixture
def held() -> HeldOut:
    """Six products of which 1 and 4 are new."""
    side = histories([[0, 1, 2, 3, 4, 5], [1, 4, 0, 5, 2, 3], [4]])
    dataset = Dataset(np.array(list("abcdef")), side, side, side)
    return without(dataset, np.array([1, 4]))


def test_no_event_with_a_new_product_is_left_for_training(held: HeldOut):
    assert held.warm.product_keys.tolist() == ["a", "c", "d", "f"]
    assert [history.tolist() for history in held.warm.train] == [[0, 1, 2, 3], [0, 3, 1, 2]]
    assert len(held.whole.train) == 3, "who had nothing else drops out of the warm side only"


def test_a_share_of_the_products_is_drawn_by_the_seed():
    dataset, _ = planted()
    first, again, other = (hold_out(dataset, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert len(first.new_products) == 32
    assert first.new_products.tolist() == again.new_products.tolist() != other.new_products.tolist()
    assert set(first.warm_products) | set(first.new_products) == set(range(160))


def test_products_are_numbered_warm_ones_first(held: HeldOut):
    cases = newcomer_episodes(held, held.whole.test, 1)
    assert cases.support.tolist() == [[0], [4]]
    assert cases.query[:, :5].tolist() == [[4, 1, 2, 5, 3], [5, 0, 3, 1, 2]]


def test_scorers_of_the_warm_catalogue_get_what_they_know(held: HeldOut):
    cases = newcomer_episodes(held, held.whole.test, 1)
    parts = {len(part.support[0]): (rows.tolist(), part) for rows, part in cases.warm()}
    assert parts[1][0] == [0]
    assert parts[0][0] == [1]
    assert parts[1][1].support.tolist() == [[0]]
    assert parts[1][1].query[0, :5].tolist() == [-1, 1, 2, -1, 3]


def test_ndcg_among_new_overall_and_among_known_counted_by_hand(held: HeldOut):
    # For both shoppers: d first, then the newcomers b and e, then the rest.
    scores = np.array([0.0, 0.1, 3.0, 0.2, 2.0, 1.0])  # a c d f | b e
    found = measure_newcomers(constant(scores), held, held.whole.test, 1)
    gain = 1 / np.log2(np.arange(6) + 2)
    assert found.among_new.tolist() == pytest.approx([1, 1])
    assert found.overall.tolist() == pytest.approx([1, 1]), "all that is ranked is asked for"
    assert found.warm_alone.tolist() == pytest.approx([1, 1])
    with_new = [(gain[0] + gain[3] + gain[4]) / gain[:3].sum(), (gain[0] + gain[2:5].sum()) / gain[:4].sum()]
    assert found.warm.tolist() == pytest.approx(with_new)
    assert found.share == pytest.approx(3 / 10), "the second shopper's own newcomer is not ranked"


def test_a_shopper_who_takes_no_new_product_is_not_counted_among_new():
    side = histories([[0, 1, 2, 3, 4, 5]])
    held = without(Dataset(np.array(list("abcdef")), side, side, side), np.array([0]))
    found = measure_newcomers(constant(np.arange(6.0)), held, side, 1)
    assert np.isnan(found.among_new).all()
    assert not np.isnan(found.warm).any()


def test_content_knn_ranks_by_the_mean_cosine_to_the_support():
    cells = sp.csr_matrix(np.array([[1.0, 0], [0, 2], [3, 3]]))
    query = np.full((1, 20), -1)
    cases = NewcomerEpisodes(2, np.zeros(1, int), np.array([[0, 1]]), query, None, 2)
    assert ContentKnn(cells, 1.0)(cases)[0].tolist() == pytest.approx([1, 1, 2 * np.sqrt(0.5)])
    assert ContentKnn(cells, 2.0)(cases)[0].tolist() == pytest.approx([1, 1, 1])


def test_both_baselines_find_the_planted_brand():
    dataset, table = planted()
    held = hold_out(dataset, np.random.default_rng(0))
    space = fit_tokens(table, held.warm.product_keys)
    order = np.concatenate([held.warm_products, held.new_products])
    cells = feature_matrix(table, space, dataset.product_keys[order]).cells
    vectors = np.eye(8)[held.warm_products % 8]
    chance = measure_newcomers(constant(np.random.default_rng(1).random(160)), held, dataset.test, 2)
    for baseline in content_baselines(cells, held, np.random.default_rng(0), vectors, ks=(2,)):
        found = measure_newcomers(baseline, held, dataset.test, 2)
        assert np.nanmean(found.among_new) > np.nanmean(chance.among_new) + 0.2, baseline.name
    settings = attribute_ridges(cells, held, vectors, np.random.default_rng(0))
    assert {name.split(",")[0] for name in settings} == {"rows", "vectors"}


def test_the_best_setting_for_validation_shoppers_is_chosen_at_each_k():
    dataset, _ = planted()
    held = hold_out(dataset, np.random.default_rng(0))
    wanted = np.zeros(160)
    wanted[held.place[np.bincount(dataset.validation.products, minlength=160).argsort()]] = np.arange(160)
    chosen = choose("x", {"bad": constant(-wanted), "good": constant(wanted)}, held, ks=(1, 2))
    assert chosen.settings == {1: "good", 2: "good"}
