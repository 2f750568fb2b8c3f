"""The lift of a placement: configured, chosen by the bundle, and fading for shoppers who are well known."""

from __future__ import annotations

import pytest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.serve.lift import lift_at
from tests import bundles


def model(**lifts: float) -> OnlineModel:
    return OnlineModel(Bundle("lifts", bundles.manifest("linear", lifts=lifts), bundles.arrays("linear")))


def test_up_to_ten_products_the_bundles_lift_holds_and_at_fifty_what_it_allows_there():
    chosen = model(home=0.5, home_at_50=0.3)
    assert [lift_at(chosen, "home", k) for k in (0, 1, 10)] == [0.5, 0.5, 0.5]
    assert 0.3 < lift_at(chosen, "home", 20) < 0.5
    assert [lift_at(chosen, "home", k) for k in (50, 500)] == pytest.approx([0.3, 0.3])


def test_nobody_gets_a_more_specific_list_for_being_known():
    assert lift_at(model(home=0.5, home_at_50=0.8), "home", 50) == 0.5


def test_a_bundle_without_the_second_lift_keeps_the_first():
    assert lift_at(model(home=0.5), "home", 50) == 0.5


def test_a_configured_lift_stays_for_everybody():
    assert lift_at(model(home=0.5, home_at_50=0.1), "home", 50, configured=0.2) == 0.2
