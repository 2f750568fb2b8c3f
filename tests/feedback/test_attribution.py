"""What a purchase is owed to, by logs made by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from metarec_plugin.feedback import attribution
from metarec_plugin.feedback.attribution import Attribution, Windows, attributed
from tests.feedback.logs import NOW, ago, click, did, show

pytestmark = pytest.mark.django_db


def owed(**options) -> list[Attribution]:
    return list(attributed(ago(days=30), NOW, **options))


def only(**options) -> Attribution:
    [found] = owed(**options)
    return found


def test_a_purchase_is_owed_to_the_click_before_it():
    show("s1", "rye", "oat", at=ago(days=2))
    click("s1", "oat", at=ago(days=1))
    did("purchase", "oat", at=ago(hours=1), price="2.50", quantity=3)
    found = only()
    assert (found.touch.slate, found.touch.rank, found.touch.placement) == ("s1", 1, "home")
    assert (found.done.units, found.done.revenue) == (3, Decimal("7.50"))


def test_the_newest_click_gets_it_whatever_the_order_of_rows():
    show("s1", "oat", at=ago(days=3))
    show("s2", "rye", "oat", at=ago(days=2), placement="product")
    click("s2", "oat", at=ago(days=1))
    click("s1", "oat", at=ago(days=2))
    did("purchase", "oat", at=ago(hours=1))
    assert only().touch.slate == "s2"


@pytest.mark.parametrize(("days", "counts"), [(6.9, True), (7, True), (7.1, False)])
def test_a_click_counts_as_long_as_its_window(days, counts):
    show("s1", "oat", at=ago(days=20))
    click("s1", "oat", at=ago(days=1 + days))
    did("purchase", "oat", at=ago(days=1))
    assert (only().touch is not None) is counts


def test_another_window_can_be_asked_for():
    show("s1", "oat", at=ago(days=20))
    click("s1", "oat", at=ago(days=11))
    did("purchase", "oat", at=ago(days=1))
    assert only(windows=Windows(click=timedelta(days=14))).touch.slate == "s1"


def test_a_click_after_the_purchase_led_to_nothing():
    show("s1", "oat", at=ago(days=2))
    did("purchase", "oat", at=ago(days=1))
    click("s1", "oat", at=ago(hours=1))
    assert only().touch is None


def test_another_product_and_another_shopper_are_owed_nothing():
    show("s1", "oat", "rye", at=ago(days=2))
    click("s1", "oat", at=ago(days=1))
    did("purchase", "rye", at=ago(hours=1))
    did("purchase", "oat", at=ago(hours=1), by="user:2")
    assert [each.touch for each in owed()] == [None, None]


def test_a_slate_that_did_not_show_the_product_is_believed_nothing():
    show("s1", "oat", at=ago(days=2))
    show("s2", "rye", at=ago(days=2), to="user:2")
    click("s1", "rye", at=ago(days=1))  # s1 showed something else
    click("s2", "rye", at=ago(days=1))  # s2 was shown to somebody else
    click("made-up", "rye", at=ago(days=1))
    did("purchase", "rye", at=ago(hours=1))
    assert only().touch is None


def test_a_slate_shown_to_somebody_not_known_yet_counts():
    show("s1", "oat", at=ago(days=2), to="")
    click("s1", "oat", at=ago(days=1), by="visitor:a")
    did("purchase", "oat", at=ago(hours=1), by="visitor:a")
    assert only().touch.slate == "s1"


def test_the_rank_is_that_of_the_impression_and_not_the_one_claimed():
    show("s1", "rye", "oat", at=ago(days=2))
    did("click", "oat", at=ago(days=1), slate="s1", position=0)
    did("purchase", "oat", at=ago(hours=1))
    assert only().touch.rank == 1


def test_what_was_sent_back_is_taken_off():
    bought = did("purchase", "oat", at=ago(days=2), price="2.00", quantity=3)
    did("return", "oat", at=ago(days=1), reverses=bought, quantity=2)
    assert (only().done.units, only().done.revenue) == (1, Decimal("2.00"))
    did("return", "oat", at=ago(hours=1), reverses=bought, quantity=-5)
    assert (only().done.units, only().done.revenue) == (0, Decimal(0))


def test_nobody_takes_back_what_another_bought():
    bought = did("purchase", "oat", at=ago(days=2), price="2.00")
    did("return", "oat", at=ago(days=1), reverses=bought, by="user:2")
    assert only().done.units == 1


def test_a_purchase_without_a_price_has_no_revenue_rather_than_none_at_all():
    did("purchase", "oat", at=ago(days=2))
    assert (only().done.units, only().done.revenue) == (1, None)


def test_having_been_shown_counts_only_where_asked_for_and_after_clicks():
    show("s1", "oat", "rye", at=ago(days=3))
    show("s2", "oat", "rye", at=ago(hours=5))
    click("s1", "oat", at=ago(days=2))
    did("purchase", "oat", at=ago(hours=1))
    did("purchase", "rye", at=ago(hours=1))
    assert [each.touch and each.touch.slate for each in owed()] == ["s1", None]
    found = owed(windows=Windows(impression=timedelta(days=1)))
    assert [each.touch.slate for each in found] == ["s1", "s2"]


def test_a_basket_that_names_its_slate_is_its_own_touch_and_that_of_the_purchase():
    show("s1", "oat", at=ago(days=2))
    did("basket", "oat", at=ago(days=1), slate="s1")
    did("purchase", "oat", at=ago(hours=1))
    found = owed(kinds=("basket", "purchase"))
    assert [(each.done.kind, each.touch.slate) for each in found] == [("basket", "s1"), ("purchase", "s1")]


def test_every_purchase_is_one_row_over_batches_of_subjects(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(attribution, "SUBJECTS", 2)
    show("s1", "oat", at=ago(days=2), to="user:3")
    for number in range(5):
        click("s1", "oat", at=ago(days=1), by=f"user:{number}")
        did("purchase", "oat", at=ago(hours=2), by=f"user:{number}")
        did("purchase", "oat", at=ago(hours=1), by=f"user:{number}")
    with django_assert_num_queries(10):  # three batches of three queries, and a look that finds no more
        found = owed()
    assert [each.done.subject for each in found] == [f"user:{n}" for n in range(5) for _ in range(2)]
    assert [each.done.subject for each in found if each.touch] == ["user:3", "user:3"]
