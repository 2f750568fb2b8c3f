"""Slopes and projections of growth, on curves whose law is known."""

from __future__ import annotations

import pytest

from tests.bench import growth
from tests.bench.growth import in_child, line, slopes, table


def curve(seconds, axis: str = "events", work: str = "read_clean") -> list[growth.Row]:
    return [
        {"axis": axis, "size": size, "work": work, "seconds": seconds(size), "peak_mb": 200.0}
        for size in (1_000, 10_000, 100_000)
    ]


def test_the_slope_is_the_exponent_and_the_projection_follows_it():
    (fit,) = slopes(curve(lambda size: 3e-6 * size**1.5))
    assert fit["seconds_slope"] == pytest.approx(1.5)
    assert fit["peak_mb_slope"] == pytest.approx(0)
    assert fit["seconds_projected"] == pytest.approx(3e-6 * 1e8**1.5)
    assert fit["peak_mb_projected"] == pytest.approx(200)
    assert (fit["measured_to"], fit["to"]) == (100_000, 100_000_000)
    assert "projected, not measured" in table([fit])
    assert "100,000,000: 3,000,000 s" in table([fit])


def test_a_fixed_cost_does_not_hide_what_each_event_costs():
    (fit,) = slopes(curve(lambda size: 2 + 1e-4 * size))
    assert fit["seconds_slope"] < 0.5
    assert fit["seconds_projected"] == pytest.approx(2 + 1e-4 * 1e8)


def test_what_failed_is_said_and_no_part_of_a_curve(tmp_path):
    failed = {"axis": "users", "size": 5, "work": "closed_form"} | in_child("no_such_work", {}, tmp_path)
    assert "KeyError" in line(failed)
    rows = [*curve(float, "users", "closed_form"), failed]
    assert slopes(rows)[0]["measured_to"] == 100_000
