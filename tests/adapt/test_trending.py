"""What rose lately: planted risers are found, and neither the large nor the rare are taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.trending import rising

WEEK = 7.0


def scores(counts: dict[int, tuple[int, int]], n: int = 6, half_life: float = 3.0) -> np.ndarray:
    """Scores where product p had counts[p][0] events in the week before last and counts[p][1] in the last one."""
    products, ages = [], []
    for product, (before, now) in counts.items():
        products += [product] * (before + now)
        ages += [*(WEEK + WEEK * (np.arange(before) + 0.5) / max(before, 1))]
        ages += [*(WEEK * (np.arange(now) + 0.5) / max(now, 1))]
    return rising(np.array(products, int), np.array(ages), n, window=WEEK, half_life=half_life)


def test_what_rose_leads_and_neither_the_large_nor_the_lone_event_does():
    found = scores({0: (400, 400), 1: (20, 90), 2: (0, 1), 3: (90, 20)})
    assert found.argmax() == 1
    assert found[1] > found[2] + 0.5
    assert abs(found[0]) < 0.2
    assert found.argmin() == 3


def test_a_shop_that_grows_as_a_whole_has_no_trend():
    assert scores(dict.fromkeys(range(6), (100, 300))) == pytest.approx(np.zeros(6), abs=0.05)


def test_what_rose_yesterday_is_ahead_of_what_rose_six_days_ago():
    fresh, old = np.full(30, 0.5), np.full(30, 6.0)
    products = np.repeat([0, 1], 30)
    found = rising(products, np.concatenate([old, fresh]), 2, window=WEEK, half_life=2.0)
    assert found[1] > found[0] + 0.5


def test_without_a_week_before_the_most_bought_lately_leads_and_without_events_nothing_does():
    found = scores({0: (0, 5), 1: (0, 50)})
    assert found[1] > found[0] > 0
    assert rising(np.empty(0, int), np.empty(0), 0, window=WEEK, half_life=3.0).tolist() == []
