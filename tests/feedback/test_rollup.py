"""The counts by day are those of the rows, whatever came, went or changed, and in whatever order."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarec_plugin.collect.pulses import ROLLUP
from metarec_plugin.feedback import claim, rollup
from metarec_plugin.feedback.ledger import Ledger, read_ledger
from metarec_plugin.feedback.rollup import roll_up
from metarec_plugin.models import Event, EventDay, Impression, PlacementDay, Pulse, QuarantinedEvent
from tests.feedback import recount
from tests.feedback.logs import did, show

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 28, 15, tzinfo=BERLIN)  # three days after a day of 25 hours
LATER = NOW + timedelta(hours=25)
PEOPLE, PRODUCTS = ("user:1", "user:2", "visitor:3"), ("oat", "rye")
# to whom, placement, variant; two were shown to somebody not known yet
SLATES = {
    "s1": ("user:1", "home", ""),
    "s2": ("user:1", "home", "bold"),
    "s3": ("", "home", ""),
    "s4": ("user:2", "product", ""),
    "s5": ("", "product", ""),
    "s6": ("user:1", "home", ""),
}
KINDS = ("view", "click", "click", "basket", "purchase", "purchase")
FEW = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}

moments = st.integers(0, 2 * 24 * 11).map(lambda halves: NOW - timedelta(minutes=30 * halves))
shows = st.tuples(
    st.just("show"), st.sampled_from(sorted(SLATES)), st.sampled_from(["adapted", "popular"]), moments
)
acts = st.tuples(
    st.just("did"),
    st.sampled_from(KINDS),
    st.sampled_from(PEOPLE),
    st.sampled_from(PRODUCTS),
    st.sampled_from(["", *SLATES]),
    st.sampled_from([None, "2.50", "0.75"]),
    st.integers(-1, 3),
    moments,
)
places = st.integers(0, 50)
returns = st.tuples(st.just("return"), places, st.integers(1, 3), moments)
changes = st.one_of(
    st.tuples(st.just("delete"), places),
    st.tuples(st.just("change"), places, st.integers(0, 3), moments),
    st.tuples(st.just("unshow"), places),
    st.tuples(st.just("refuse"), st.sampled_from(["bot", "too_old"]), moments),
)
rolls = st.just(("roll",))


@pytest.fixture(autouse=True)
def berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


def play(steps: list[tuple[Any, ...]]) -> None:
    """Go through the steps; one about a row that is not there does nothing."""
    ids = count()
    for step, *values in steps:
        rows = list(Event.objects.order_by("pk"))
        if step == "roll":
            roll_up(now=NOW)
        elif step == "show":
            slate, source, at = values
            to, placement, variant = SLATES[slate]
            show(slate, *PRODUCTS, to=to, at=at, placement=placement, variant=variant)
            Impression.objects.filter(slate=slate, product="oat").update(source=source)
        elif step == "did":
            kind, by, product, slate, price, quantity, at = values
            told = at + (timedelta(days=3) if quantity == 3 else timedelta(minutes=1))  # or read in later
            did(kind, product, by=by, at=at, slate=slate, price=price, quantity=quantity, received_at=told)
        elif step == "refuse":
            reason, at = values
            QuarantinedEvent.objects.create(
                digest=next(ids), source="beacon", reason=reason, payload={}, received_at=at
            )
        elif step == "unshow":
            Impression.objects.filter(
                pk__in=Impression.objects.values("pk")[values[0] : values[0] + 1]
            ).delete()
        elif rows:
            row = rows[values[0] % len(rows)]
            if step == "return":
                did(
                    "return",
                    row.product,
                    by=row.subject,
                    at=values[2],
                    quantity=values[1],
                    reverses=row.event_id,
                )
            elif step == "delete":
                row.delete()
            else:
                Event.objects.filter(pk=row.pk).update(quantity=values[1], at=values[2])


def assert_counted() -> None:
    assert recount.stored_events() == recount.events_by_day(BERLIN)
    assert recount.stored_placements() == recount.placements_by_day(BERLIN)


@settings(max_examples=20, **FEW)
@given(
    st.lists(shows, min_size=1, max_size=8),
    st.lists(st.one_of(acts, acts, acts, returns, changes, rolls, shows), max_size=24),
)
def test_a_day_later_the_counts_are_those_of_the_rows_whatever_happened_to_them(first, then):
    with transaction.atomic():
        play([*first, *then])
        roll_up(now=LATER)
        assert_counted()
        transaction.set_rollback(True)


@settings(max_examples=10, **FEW)
@given(
    st.lists(shows, min_size=1, max_size=8),
    st.lists(st.one_of(acts, acts, returns, rolls), max_size=24),
)
def test_what_only_comes_late_is_counted_at_once(first, then):
    with transaction.atomic():
        play([*first, *then])
        roll_up(now=NOW)
        assert_counted()
        transaction.set_rollback(True)


def bought_by_click(at: datetime = NOW - timedelta(days=4)) -> None:
    show("s1", "oat", "rye", at=at)
    did("click", "oat", at=at, slate="s1")
    did("purchase", "oat", at=at, price="2.50", quantity=2)


def test_the_sums_are_those_of_a_day_counted_by_hand():
    at = NOW - timedelta(days=1)
    bought_by_click(at)
    show("s2", "oat", at=at)  # another list of the same shopper, not clicked
    show("s3", "rye", to="", at=at)
    show("s9", "rye", to="user:2", at=at - timedelta(days=3))
    did("click", "rye", by="user:2", at=at, slate="s9")  # shown three days before
    roll_up(now=NOW)
    row = PlacementDay.objects.get(day=at.date())
    assert (row.impressions, row.products, row.subjects) == (4, 2, 3)
    assert (row.slates, row.slates_sq) == (3, 5)  # two lists of one, one of nobody known, none of user:2
    assert (row.clicks, row.clicks_sq, row.clicks_slates) == (2, 2, 2)
    assert (row.revenue, row.revenue_sq, row.revenue_slates) == (5, 25, 10)


def test_a_slate_of_nobody_known_that_two_clicked_is_one_slate_clicked():
    show("s3", "oat", to="", at=NOW)
    for person in PEOPLE:
        did("click", "oat", by=person, at=NOW, slate="s3")
        did("purchase", "oat", by=person, at=NOW, price="1")
    roll_up(now=NOW)
    row = PlacementDay.objects.get()
    assert (row.subjects, row.clicks, row.purchases, row.purchases_sq) == (1, 1, 3, 9)


def test_of_what_is_deleted_by_age_the_counts_stay_and_the_orders_beside_it_are_counted_on(settings):
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": 60, "IMPRESSION_DAYS": 60}
    bought_by_click()
    roll_up(now=NOW)
    before, lists = recount.stored_events(), recount.stored_placements()
    assert len(before) == 2
    assert lists
    Event.objects.filter(kind="click").delete()
    Impression.objects.all().delete()
    did("purchase", "oat", at=NOW - timedelta(days=4))
    roll_up(now=NOW + timedelta(days=100), full=True)
    day = (NOW - timedelta(days=4)).date()
    assert recount.stored_events() == before | {(day, "purchase", "live", ""): (2, 0)}
    assert recount.stored_placements() == lists


def test_days_deleted_under_a_shorter_time_do_not_come_back_empty(settings):
    bought_by_click(NOW - timedelta(days=10))
    roll_up(now=NOW)
    lists = recount.stored_placements()
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": 8, "IMPRESSION_DAYS": 8}
    roll_up(now=NOW)
    Impression.objects.all().delete()
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": 90, "IMPRESSION_DAYS": 90}
    roll_up(now=LATER, full=True)
    assert recount.stored_placements() == lists


def test_two_at_once_count_once():
    bought_by_click()
    inside = []
    said = roll_up(now=NOW, progress=lambda done, total: inside.append(roll_up(now=NOW)))
    assert (said["busy"], said["days"], len(inside)) == (False, 3, 3)
    assert all(each["busy"] and not each["days"] for each in inside)
    assert not roll_up(now=NOW)["busy"]


def test_one_that_was_silent_is_taken_over_and_writes_no_more(monkeypatch):
    bought_by_click()
    monkeypatch.setattr(claim, "LEASE", timedelta(0))
    other = []

    def take_over(done, total):
        if not other:
            other.append(roll_up(now=NOW))
            EventDay.objects.update(events=77)

    said = roll_up(now=NOW, progress=take_over)
    assert (said["busy"], other[0]["busy"]) == (True, False)
    assert set(EventDay.objects.values_list("events", flat=True)) == {77}


def test_a_failure_lets_the_next_one_begin(monkeypatch):
    def fail(*args):
        raise RuntimeError("no")

    monkeypatch.setattr(rollup, "_count", fail)
    with pytest.raises(RuntimeError):
        roll_up(now=NOW)
    monkeypatch.undo()
    assert not roll_up(now=NOW)["busy"]


def test_what_is_left_when_the_time_is_up_is_counted_by_the_next_calls(monkeypatch):
    bought_by_click()
    monkeypatch.setattr(rollup, "SECONDS", -1.0)
    assert roll_up(now=NOW)["left"] == 3
    assert Pulse.objects.get(pk=ROLLUP).says["left"] == 3
    monkeypatch.setattr(rollup, "SECONDS", 240.0)
    assert roll_up(now=NOW)["left"] == 0
    assert_counted()


def test_counts_of_a_day_do_not_grow_with_the_number_of_queries(django_assert_max_num_queries):
    for number in range(40):
        show(f"s{number}", "oat", to=f"user:{number}", at=NOW)
        did("click", "oat", by=f"user:{number}", at=NOW, slate=f"s{number}")
    with django_assert_max_num_queries(60):
        roll_up(now=NOW)


def test_days_of_another_zone_are_counted_anew(settings):
    did("view", "oat", at=datetime(2026, 10, 20, 23, 30, tzinfo=BERLIN))
    roll_up(now=NOW)
    assert EventDay.objects.get().day == date(2026, 10, 20)
    settings.TIME_ZONE = "Asia/Shanghai"
    roll_up(now=NOW)
    assert EventDay.objects.get().day == date(2026, 10, 21)


def test_what_is_remembered_of_days_is_short_and_comes_back():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(300)]
    ledger = Ledger({"event": 7}, dict.fromkeys(days, 1_700_000_000) | {days[5]: 0}, {"events": "x"}, 3)
    said = ledger.says()
    assert len(said["counted"]) == 3
    assert read_ledger(said) == ledger


def test_the_command_counts_and_says_so(capsys):
    bought_by_click()
    call_command("metarec_rollup", full=True, verbosity=0)
    assert "days counted" in capsys.readouterr().out
    assert EventDay.objects.filter(kind="purchase").get().events == 1
    assert PlacementDay.objects.get().revenue == Decimal("5")


def test_a_comparison_that_fails_is_logged_and_the_counts_are_reported(monkeypatch, caplog):
    def fail(now):
        raise RuntimeError("the catalogue is gone")

    monkeypatch.setattr(rollup, "note_drift", fail)
    did("view", "oat", at=NOW)
    told = roll_up(now=NOW)
    assert (told["busy"], told["until"]) == (False, NOW.isoformat())
    assert Pulse.objects.get(pk=ROLLUP).says["until"] == NOW.isoformat()
    assert EventDay.objects.count() == 1
    assert "RuntimeError: the catalogue is gone" in caplog.text
