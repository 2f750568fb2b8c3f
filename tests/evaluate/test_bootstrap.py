"""Intervals by resampling shoppers."""

import numpy as np
import pytest

from metarec_plugin.evaluate.bootstrap import mean_interval, paired_interval


def test_interval_matches_the_normal_one_on_many_shoppers():
    values = np.random.default_rng(1).normal(0.3, 0.2, size=2_000)
    interval = mean_interval(values, np.random.default_rng(0))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_pairing_takes_away_what_shoppers_have_in_common():
    rng = np.random.default_rng(2)
    easy = rng.random(500)
    paired = paired_interval(easy + 0.01, easy, np.random.default_rng(0))
    assert paired.low == pytest.approx(0.01)
    assert paired.high == pytest.approx(0.01)
    shuffled = paired_interval(easy + 0.01, rng.permutation(easy), np.random.default_rng(0))
    assert shuffled.low < 0 < shuffled.high


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random(50)
    assert mean_interval(values, np.random.default_rng(7)) == mean_interval(values, np.random.default_rng(7))


def test_resampling_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(4).random(100)
    whole = mean_interval(values, np.random.default_rng(0), samples=1_000)
    monkeypatch.setattr("metarec_plugin.evaluate.bootstrap._CELLS", 700)
    assert mean_interval(values, np.random.default_rng(0), samples=1_000) == pytest.approx(whole)


def test_unpaired_arrays_are_refused():
    with pytest.raises(ValueError, match="one length"):
        paired_interval(np.zeros(3), np.zeros(4), np.random.default_rng(0))
