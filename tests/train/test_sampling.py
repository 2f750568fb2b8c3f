"""Training episodes: what came first against what came next, of one shopper at a time."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from metarec_plugin.evaluate.episodes import QUERY
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import MIN_QUERY, Histories
from metarec_plugin.preprocess.stored import open_histories, write_histories
from metarec_plugin.train import sampling
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


def test_all_shoppers_with_enough_products_are_drawn_alike():
    lengths = (6, 30, 7, 6, 30, 12)
    draw = sampler(lengths, max_support=2).draw
    drawn = {1: np.zeros(len(lengths)), 2: np.zeros(len(lengths))}
    for _ in range(60):
        batch = draw(200)
        drawn[batch.support.shape[1]] += np.bincount(batch.support[:, 0] // 100, minlength=len(lengths))
    for k, able in ((1, [0, 1, 2, 3, 4, 5]), (2, [1, 2, 4, 5])):  # who has k + 5
        shares = drawn[k] / drawn[k].sum()
        assert set(np.flatnonzero(shares)) == set(able)
        np.testing.assert_allclose(shares[able], 1 / len(able), atol=0.03)


def test_the_order_of_many_shoppers_is_made_chunk_by_chunk_in_a_file(monkeypatch):
    lengths = tuple(int(n) for n in np.random.default_rng(0).integers(1, 80, 300))
    plain = [sampler(lengths).draw(32) for _ in range(2)]
    monkeypatch.setattr(sampling, "CHUNK", 7)
    made = sampler(lengths)
    assert isinstance(made._order, np.memmap)
    chunked = [made.draw(32)]
    np.testing.assert_array_equal(chunked[0].support, plain[0].support)
    np.testing.assert_array_equal(chunked[0].query, plain[0].query)


def test_a_share_of_a_batch_is_every_other_episode_with_the_same_seed():
    batch = sampler().draw(7)
    shares = [batch.share(rank, 2) for rank in range(2)]
    np.testing.assert_array_equal(shares[0].support, batch.support[::2])
    np.testing.assert_array_equal(shares[1].query, batch.query[1::2])
    assert {share.seed for share in shares} == {batch.seed}
    assert sampler().draw(7).seed == batch.seed  # a run's own seed decides it
    assert len({made.draw(1).seed for made in [sampler()] for _ in range(9)}) == 9


def drawing_peak(folder: Path, n_shoppers: int) -> int:
    """The most that making a sampler over stored histories and drawing from it holds at once, in bytes."""
    lengths = np.random.default_rng(0).integers(1, 12, n_shoppers)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    products = np.arange(indptr[-1], dtype=np.int32)
    write_histories(folder, Histories(np.zeros(n_shoppers, dtype="U1"), indptr, products, None))
    del lengths, indptr, products
    tracemalloc.start()
    try:
        made = EpisodeSampler(open_histories(folder), np.random.default_rng(0))
        for _ in range(20):
            made.draw(256)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_drawing_takes_no_more_memory_for_ten_times_the_shoppers(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK", 10_000)
    few, many = (drawing_peak(tmp_path / str(n), n) for n in (40_000, 400_000))
    assert many < 1.05 * few
    assert many < 400_000  # less than a byte a shopper, of whom each has six products
