"""What sold lately: a product that rises is seen from its day on, never before it, and only where there are times."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from metarec_plugin.evaluate import trends
from metarec_plugin.evaluate.trends import HALF_LIVES, trend_arrays
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import DAY, histories

START, N = 18_000.0, 6  # epoch days, products
RISING, FALLING = 5, 0


def store(days: int = 60, rise: int = 40) -> Dataset:
    """A shopper a day buys 1 to 4 and what is in fashion: product 0 before day `rise`, product 5 from it on."""
    sequences = [[1, 2, 3, 4, FALLING if day < rise else RISING] for day in range(days)]
    at = [[(START + day) * DAY + second for second in range(5)] for day in range(days)]
    nobody = histories([], [])
    return Dataset(np.array([f"p{i}" for i in range(N)]), histories(sequences, at), nobody, nobody)


def snapshot(arrays: dict[str, np.ndarray], day: float) -> np.ndarray:
    """The (H, N) scores as of the day."""
    return arrays["trend.scores"][np.searchsorted(arrays["trend.days"], np.float32(day), side="right") - 1]


def test_a_product_that_rises_passes_the_one_that_falls_soon_after_its_day():
    arrays = trend_arrays(store())
    assert arrays["trend.scores"].shape == (60, len(HALF_LIVES), N)
    before, soon, last = (snapshot(arrays, START + day) for day in (39, 52, 60))
    assert (before[:, RISING] < before[:, FALLING]).all()
    assert soon[0, RISING] > soon[0, FALLING]  # the shorter half-life sees it first
    assert soon[1, RISING] < soon[1, FALLING]
    assert (last[0, RISING] - last[0, FALLING]) > (soon[0, RISING] - soon[0, FALLING])


def test_a_snapshot_knows_nothing_from_after_its_day():
    dataset, cut = store(), 45
    swapped = dataset.train.products.reshape(60, 5).copy()
    swapped[cut:, 4] = [FALLING, RISING, RISING] * 5  # two futures of the same products, in another order
    other = swapped.copy()
    other[cut:] = swapped[cut:][::-1]
    arrays, changed = (
        trend_arrays(
            dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, products=each.ravel()))
        )
        for each in (swapped, other)
    )
    known = arrays["trend.days"] < START + cut
    assert 0 < known.sum() < len(known)
    np.testing.assert_array_equal(arrays["trend.scores"][known], changed["trend.scores"][known])
    assert np.abs(arrays["trend.scores"][~known] - changed["trend.scores"][~known]).max() > 0.01


def test_an_event_before_the_day_counts_by_its_age_and_one_after_it_not_at_all():
    dataset = store(days=30, rise=15)
    arrays = trend_arrays(dataset, (7.0,))
    rate = np.log(2) / 7
    for place in (0, 9, 14, 29):
        day = float(arrays["trend.days"][place])
        counts = np.exp(dataset.log_prior.astype("f8"))
        for product, at in zip(dataset.train.products, dataset.train.at / DAY):
            if at < day:
                counts[product] += np.exp(-rate * (day - at))
        wanted = np.log(counts)
        wanted = (wanted - wanted.mean()) / wanted.std()
        np.testing.assert_allclose(arrays["trend.scores"][place, 0], wanted, atol=1e-4)


def test_the_last_snapshot_has_seen_everything_and_each_has_mean_zero_and_deviation_one():
    dataset = store()
    arrays = trend_arrays(dataset)
    days = arrays["trend.days"]
    assert days.dtype == arrays["trend.scores"].dtype == np.float32
    assert (np.diff(days) > 0).all()
    assert dataset.train.at.max() / DAY < days[-1] < dataset.train.at.max() / DAY + 0.01
    np.testing.assert_allclose(arrays["trend.scores"].mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(arrays["trend.scores"].std(axis=2), 1, atol=1e-4)


@pytest.mark.parametrize("most", [1, 4])
def test_where_products_are_many_the_snapshots_are_fewer_and_the_last_day_stays(monkeypatch, most):
    dataset = store()
    whole = trend_arrays(dataset)
    monkeypatch.setattr(trends, "MOST_CELLS", most * len(HALF_LIVES) * N)
    few = trend_arrays(dataset)
    assert few["trend.scores"].shape == (most, len(HALF_LIVES), N)
    assert few["trend.days"][-1] == whole["trend.days"][-1]
    np.testing.assert_array_equal(few["trend.scores"][-1], whole["trend.scores"][-1])


def test_one_day_of_events_makes_one_snapshot():
    assert trend_arrays(store(days=1))["trend.scores"].shape == (1, len(HALF_LIVES), N)


@pytest.mark.parametrize("unknown", [False, True])
def test_without_times_there_are_no_trends(unknown):
    dataset = store()
    at = np.full_like(dataset.train.at, np.nan) if unknown else None
    assert trend_arrays(dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, at=at))) == {}


def test_events_of_unknown_time_are_left_out():
    dataset = store()
    at = dataset.train.at.copy()
    at[:50] = np.nan
    known = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, at=at))
    arrays = trend_arrays(known)
    assert np.isfinite(arrays["trend.scores"]).all()
    assert arrays["trend.days"][0] > START + 9
