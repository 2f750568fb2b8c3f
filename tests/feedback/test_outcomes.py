"""What is counted for an exposed subject: by intention to treat, from the exposure on."""

from __future__ import annotations

import pytest

from metarec_plugin.feedback import outcomes
from metarec_plugin.feedback.outcomes import Outcome, crossed_subjects, outcomes_of
from tests.feedback.logs import ago, click, did, experiment, expose, show

pytestmark = pytest.mark.django_db


@pytest.fixture
def running():
    found = experiment()
    expose(found, "bold", "user:1")
    return found


def only(running) -> Outcome:
    [found] = outcomes_of(running)
    return found


def test_every_purchase_after_the_exposure_counts_whatever_led_to_it(running):
    did("purchase", "oat", at=ago(days=1), price="3.00", quantity=2)
    found = only(running)
    assert (found.variant, found.conversion, found.revenue) == ("bold", True, 6.0)
    assert (found.attributed_conversion, found.attributed_revenue, found.click) == (False, 0.0, False)


def test_what_was_bought_before_the_exposure_does_not_count(running):
    did("purchase", "oat", at=ago(days=4, hours=1), price="3.00")
    assert (only(running).conversion, only(running).revenue) == (False, 0.0)


def test_what_was_bought_after_the_end_does_not_count(running):
    running.stopped_at = ago(days=2)
    did("purchase", "oat", at=ago(days=1), price="3.00")
    assert not only(running).conversion


def test_a_click_on_the_placements_slate_is_one_and_earns_the_purchase(running):
    show("s1", "oat", at=ago(days=4, seconds=1))  # the slate of the exposure is written just before it
    click("s1", "oat", at=ago(days=2))
    did("basket", "oat", at=ago(days=2))
    did("purchase", "oat", at=ago(days=1), price="3.00")
    found = only(running)
    assert (found.click, found.basket, found.attributed_conversion, found.attributed_revenue) == (
        True, True, True, 3.0,
    )  # fmt: skip


def test_clicks_on_other_placements_older_slates_and_made_up_ones_do_not_count(running):
    show("s1", "oat", at=ago(days=3), placement="product")
    show("s2", "oat", at=ago(days=4, hours=1))
    for slate in ("s1", "s2", "made-up"):
        click(slate, "oat", at=ago(days=2))
    did("basket", "oat", at=ago(days=2))
    assert (only(running).click, only(running).basket) == (False, False)


def test_a_browser_whose_clock_is_behind_still_clicks(running):
    show("s1", "oat", at=ago(days=3))
    click("s1", "oat", at=ago(days=5))
    assert only(running).click


def test_what_was_sent_back_whole_is_no_conversion(running):
    bought = did("purchase", "oat", at=ago(days=2), price="3.00")
    did("return", "oat", at=ago(days=1), reverses=bought)
    assert (only(running).conversion, only(running).revenue) == (False, 0.0)


def test_purchases_without_a_price_are_told(running):
    did("purchase", "oat", at=ago(days=2))
    assert (only(running).conversion, only(running).revenue, only(running).unpriced) == (True, 0.0, 1)


def test_subjects_come_once_each_in_batches_up_to_a_limit(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(outcomes, "SUBJECTS", 2)
    running = experiment()
    expose(running, "control", *(f"user:{n}" for n in range(5)))
    with django_assert_num_queries(10):
        assert [each.subject for each in outcomes_of(running)] == [f"user:{n}" for n in range(5)]
    assert [each.subject for each in outcomes_of(running, limit=3)] == ["user:0", "user:1", "user:2"]


def test_who_was_shown_another_variant_too_is_counted(running):
    show("s1", "oat", at=ago(days=3), variant="bold")
    assert crossed_subjects(running) == 0
    show("s2", "oat", at=ago(days=2), variant="control")
    assert crossed_subjects(running) == 1
