"""Training episodes: what came first against what came next, of one shopper at a time."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.evaluate.episodes import MIN_QUERY, QUERY
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.train.sampling import EpisodeSampler
from tests.evaluate.shoppers import histories

LENGTHS = (6, 9, 14, 31, 60)


def sampler(lengths: tuple[int, ...] = LENGTHS, **limits: int) -> EpisodeSampler:
    """Shopper u has the products 100 u, 100 u + 1, ... in this order: a product tells its shopper and its place."""
    return EpisodeSampler(ordered(lengths), np.random.default_rng(0), **limits)


def ordered(lengths: tuple[int, ...]) -> Histories:
    return histories([list(range(100 * u, 100 * u + n)) for u, n in enumerate(lengths)])


def test_an_episode_is_a_stretch_of_one_shoppers_history_cut_in_two():
    draw = sampler().draw
    for _ in range(60):
        batch = draw(16)
        assert batch.query.shape == (16, QUERY)
        for support, query in zip(batch.support, batch.query):
            asked = query[query >= 0]
            shopper, place = divmod(int(support[0]), 100)
            whole = np.concatenate([support, asked])
            # Consecutive, so neither overlaps nor goes back in time, nor reaches another shopper.
            np.testing.assert_array_equal(whole, 100 * shopper + place + np.arange(len(whole)))
            assert place + len(support) + MIN_QUERY <= LENGTHS[shopper]
            assert len(asked) == min(QUERY, LENGTHS[shopper] - place - len(support))
            assert (query[len(asked) :] == -1).all()


def test_half_of_the_episodes_start_where_the_shopper_started():
    draw = sampler((400,), max_support=1).draw
    starts = np.concatenate([draw(500).support[:, 0] for _ in range(8)])
    assert 0.46 < (starts == 0).mean() < 0.54  # 4,000 draws: 5 standard errors; 1 in 395 by chance is inside
    assert len(np.unique(starts)) > 300  # the others anywhere


def test_few_products_are_given_more_often_than_many():
    draw = sampler((60,)).draw
    given = np.array([draw(1).support.shape[1] for _ in range(3000)])
    assert set(given) == set(range(1, 51))
    # Log-uniform: 1 has log 2 / log 51 of the draws, as 2 and 3 together.
    assert 0.15 < (given == 1).mean() < 0.205
    assert 0.15 < np.isin(given, (2, 3)).mean() < 0.205


@pytest.mark.parametrize("lengths", [(), (1,), (MIN_QUERY, 3)])
def test_histories_too_short_for_an_episode_are_refused_in_words(lengths):
    with pytest.raises(InvalidData, match="longest history has"):
        sampler(lengths)


def test_one_history_of_six_products_is_enough():
    batch = sampler((MIN_QUERY, MIN_QUERY + 1)).draw(4)
    np.testing.assert_array_equal(batch.support, np.full((4, 1), 100))
