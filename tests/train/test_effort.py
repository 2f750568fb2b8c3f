"""A budget cuts the dear parts where products are many, leaves small stores alone, and is the same each time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import linear_maps
from metarec_plugin.train.closed_form import climb, fit_closed_form
from metarec_plugin.train.effort import (
    FEWEST_DIRECTIONS,
    FEWEST_SHOPPERS,
    Effort,
    gate_effort,
    spectral_effort,
)
from metarec_plugin.train.gate import GateConfig
from tests.evaluate.shoppers import histories, planted


def store(products: int, shoppers: int, length: int) -> Dataset:
    rng = np.random.default_rng(0)
    side = histories([rng.choice(products, length, replace=False).tolist() for _ in range(shoppers)])
    return Dataset(np.array([f"p{i:05d}" for i in range(products)]), side, side, side)


@pytest.fixture(scope="module")
def large() -> Dataset:
    """As many products as are dear, and a part of the events: what counts is what is estimated."""
    return store(50_000, 2_000, 100)


def test_the_less_time_the_less_is_done_and_without_a_limit_all(large):
    found = [spectral_effort(large, seconds, 3_000, 4) for seconds in (1_000, 30, 10, 3, 0.1)]
    assert found[0] == spectral_effort(large, None, 3_000, 4) == Effort()
    assert found[0].cuts(large.n_products) == {}
    ranks = [each.rank or 128 for each in found]
    ridges = [each.ridges or 4 for each in found]
    assert ranks == sorted(ranks, reverse=True)
    assert ridges == sorted(ridges, reverse=True)
    assert (found[-1].rank, found[-1].ridges) == (FEWEST_DIRECTIONS, 1)
    assert set(found[-1].cuts(large.n_products)) == {"rank", "ridges", "row_entries"}


def test_a_gate_looks_at_fewer_shoppers_where_products_are_many_and_time_is_short():
    whole = GateConfig()
    assert gate_effort(whole, 51_000, 17, 8, None) == whole
    for products in (3_000, 8_000, 12_000):  # with the default budget, 60 s
        assert gate_effort(whole, products, 17, 8, 18.0) == whole
    some = gate_effort(whole, 51_000, 17, 8, 18.0)
    assert FEWEST_SHOPPERS < some.shoppers < 300
    assert some == dataclasses.replace(whole, shoppers=some.shoppers)
    least = gate_effort(whole, 51_000, 17, 8, 6.0)
    assert (least.shoppers, least.batch, least.candidates) == (FEWEST_SHOPPERS, 32, 60)
    assert gate_effort(GateConfig(shoppers=40), 51_000, 17, 8, 0.0).shoppers == 40


def test_no_more_ridges_are_solved_for_than_there_is_time_for():
    tried: list[float] = []

    def compare(strength: float):
        tried.append(strength)
        return strength, strength

    quality, chosen = climb((1.0, 3.0, 10.0, 30.0), 1, compare, 2)
    assert tried == [3.0, 10.0] == list(quality)
    assert chosen == 10.0


def test_a_map_cut_to_its_budget_says_so_and_still_tells_groups_apart(monkeypatch):
    monkeypatch.setattr(linear_maps, "MAX_SQUARE", 0)
    monkeypatch.setattr(linear_maps, "MAX_SHOPPERS", 0)
    dataset = planted(groups=4, products=20, shoppers=300, length=16, stray=0.3)
    whole = fit_closed_form(dataset, rng=np.random.default_rng(0))
    short = fit_closed_form(dataset, rng=np.random.default_rng(0), seconds=1e-6)
    assert whole.report["cut_to_budget"] == {}
    assert len(whole.report["validation_ndcg20"]) > 1
    assert short.report["cut_to_budget"]["ridges"] == 1
    assert short.report["cut_to_budget"]["rank"] == FEWEST_DIRECTIONS
    assert short.report["validation_ndcg20"] == {}
    group = np.array([int(key[1:]) for key in dataset.product_keys.tolist()]) % 4
    products, values = short.arrays["row_products"], short.arrays["row_values"]
    own = group[products] == group[:, None]
    assert values[own].mean() > 2 * abs(values[~own].mean())


def test_an_exact_map_is_never_cut():
    dataset = planted(groups=4, products=20, shoppers=300, length=16, stray=0.3)
    short, whole = (fit_closed_form(dataset, rng=np.random.default_rng(0), seconds=s) for s in (1e-6, None))
    assert short.report["cut_to_budget"] == {}
    np.testing.assert_array_equal(short.arrays["row_values"], whole.arrays["row_values"])
