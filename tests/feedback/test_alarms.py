"""Alarms: each is on where it should be and off where all is well, and says what to do; advice is in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from metarec_plugin.feedback.advice import MOST, advice
from metarec_plugin.feedback.alarms import BAD, GOOD, WARN, alarms, status
from metarec_plugin.feedback.board import Answers, Board, EventRow, Run, Sign, Version
from metarec_plugin.feedback.readiness import readiness
from metarec_plugin.feedback.silence import awake_days
from metarec_plugin.feedback.span import span_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
TODAY = NOON.date()


def served(**values) -> Version:
    given = {
        "id": "1",
        "learner": "mixture",
        "state": "passed",
        "data_hash": "a",
        "created": NOON,
        "promoted_at": NOON,
    }
    return Version(**{**given, **values})


def well(**values) -> Board:
    """A board on which all is well, but for the values."""
    given = {
        "now": NOON,
        "span": span_of(28, TODAY),
        "newest": NOON - timedelta(minutes=3),
        "signs": {"rollup": Sign(NOON, {"until": (NOON - timedelta(minutes=9)).isoformat()})},
        "placements": {"home": ("adapted", "popular"), "default": ("adapted",)},
        "events": [EventRow(TODAY, "view", "", 9_000, 0), EventRow(TODAY, "purchase", "", 1_000, 100)],
        "daily": {TODAY - timedelta(days=i): 1_000 for i in range(28, 0, -1)},
        "answers": Answers(by_placement={"home": {"adapted": 700, "popular": 300}}),
        "served": served(),
    }
    return Board(**{**given, **values})


def run(state: str, **values) -> Run:
    given = {
        "id": 7, "state": state, "created": NOON - timedelta(hours=1), "rung_at": NOON - timedelta(hours=1),
        "lease_until": None, "finished": None, "progress": 0.0, "error": "",
    }  # fmt: skip
    return Run(**{**given, **values})


def keys(board: Board) -> dict[str, str]:
    return {alarm.key: alarm.level for alarm in alarms(board)}


def refused(reason: str, n: int) -> list[EventRow]:
    return [*well().events, EventRow(TODAY, "view", reason, n, 0)]


def test_where_all_is_well_no_alarm_is_on_and_nothing_is_asked_for():
    board = well()
    assert alarms(board) == []
    assert advice(board, []) == []
    assert status(board, []).level == GOOD


@pytest.mark.parametrize(
    ("newest", "on"),
    [
        (NOON - timedelta(minutes=50), False),  # under an hour is no silence
        (NOON - timedelta(hours=3), True),  # of a thousand a day some two hundred should have come
        (datetime(2026, 3, 4, 11, 30, tzinfo=UTC), False),
    ],
)
def test_silence_is_longer_than_is_usual(newest, on):
    assert (keys(well(newest=newest)).get("silence") == BAD) == on


def test_a_night_is_no_silence():
    early = datetime(2026, 3, 4, 7, 30, tzinfo=UTC)
    assert "silence" not in keys(well(now=early, newest=early - timedelta(hours=8)))


def test_a_small_shop_is_silent_for_longer():
    few = dict.fromkeys(well().daily, 6)
    assert "silence" not in keys(well(daily=few, newest=NOON - timedelta(days=2)))
    assert keys(well(daily=few, newest=NOON - timedelta(days=5)))["silence"] == BAD


def test_a_shop_that_is_shut_on_sundays_is_not_silent_on_one():
    daily = {day: 0 if day.weekday() == 6 else 1_000 for day in well().daily}
    monday = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert "silence" not in keys(well(now=monday, daily=daily, newest=monday - timedelta(hours=37)))
    assert keys(well(daily=daily, newest=NOON - timedelta(days=3)))["silence"] == BAD


def test_waking_hours_are_those_of_the_shop():
    midnight = datetime(2026, 3, 4, tzinfo=UTC)
    assert awake_days(midnight, midnight + timedelta(days=1), ZoneInfo("UTC")) == pytest.approx(1)
    assert awake_days(midnight, midnight + timedelta(hours=8), ZoneInfo("UTC")) == 0
    assert awake_days(midnight, midnight + timedelta(hours=8), ZoneInfo("Asia/Tokyo")) == pytest.approx(
        8 / 14
    )


def test_unknown_products_conflicts_and_other_refusals():
    assert keys(well(events=refused("unknown_product", 200))) == {"unknown": WARN}
    assert keys(well(events=refused("unknown_product", 60))) == {}  # under a hundredth
    assert keys(well(events=refused("id_conflict", 30))) == {"conflicts": WARN}
    assert keys(well(events=refused("id_conflict", 9))) == {}
    found = alarms(well(events=refused("invalid_quantity", 900)))
    assert [alarm.key for alarm in found] == ["refused"]
    assert "invalid_quantity" in found[0].says
    assert found[0].page == "quarantinedevent"


def test_purchases_without_views_say_that_views_are_not_told():
    rows = [EventRow(TODAY, "purchase", "", 1_000, 900)]
    (found,) = alarms(well(events=rows))
    assert (found.key, found.level) == ("unseen", WARN)
    assert "90.0%" in found.says
    assert "metarec_beacon" in found.command
    assert keys(well(events=[EventRow(TODAY, "purchase", "", 60, 60)])) == {}  # too few to tell


def test_it_is_the_kinds_that_are_learned_that_are_looked_at_before(settings):
    settings.METAREC = {**settings.METAREC, "TARGET_KINDS": ["subscribe"]}
    assert keys(well(events=[EventRow(TODAY, "subscribe", "", 1_000, 900)])) == {"unseen": WARN}
    assert keys(well(events=[EventRow(TODAY, "purchase", "", 1_000, 0)])) == {}


def test_lists_with_a_problem_and_lists_that_are_all_the_same():
    lists = {"home": {"adapted": 700, "popular": 300}}
    assert keys(well(answers=Answers(by_placement=lists, failed=50))) == {"failed": WARN}
    assert keys(well(answers=Answers(by_placement=lists, failed=400))) == {"failed": BAD}
    same = Answers(by_placement={"home": {"adapted": 10, "popular": 990}})
    assert keys(well(answers=same)) == {"fallbacks": WARN}
    assert keys(well(answers=same, served=served(state="baseline"))) == {}


def test_a_run_that_nobody_takes_says_how_to_start_a_worker():
    (found,) = alarms(well(runs=[run("queued")]))
    assert (found.key, found.level) == ("no_worker", BAD)
    assert found.command == "celery -A <project> worker -Q metarec.gpu --pool=solo --concurrency=1"
    alive = {**well().signs, "worker:metarec.gpu": Sign(NOON - timedelta(minutes=1))}
    assert keys(well(runs=[run("queued")], signs=alive)) == {}  # it is at another one
    assert keys(well(runs=[run("queued", created=NOON - timedelta(seconds=20))])) == {}


def test_a_run_that_was_never_rung_for_is_the_brokers():
    (found,) = alarms(well(runs=[run("queued", rung_at=None)]))
    assert (found.key, found.level) == ("broker", BAD)
    assert found.command == "manage.py metarec_train --resume 7"


def test_a_worker_that_went_away_is_said_and_one_that_never_was_is_not():
    gone = {**well().signs, "worker:metarec.cpu": Sign(NOON - timedelta(hours=2))}
    (found,) = alarms(well(signs=gone))
    assert (found.key, found.level) == ("worker_gone", WARN)
    assert "2 hours" in found.says
    assert "-Q metarec.cpu -B" in found.command
    busy = {**well().signs, "worker:metarec.gpu": Sign(NOON - timedelta(hours=2))}
    trains = run("running", lease_until=NOON + timedelta(minutes=1))
    assert keys(well(signs=busy, runs=[trains])) == {}  # it trains, and says nothing meanwhile


def test_old_figures_are_called_old():
    def until(**ago):
        return {"rollup": Sign(NOON, {"until": (NOON - timedelta(**ago)).isoformat()})}

    assert keys(well(signs=until(hours=2))) == {}
    assert keys(well(signs=until(hours=5))) == {"stale": WARN}
    assert keys(well(signs=until(days=2))) == {"stale": BAD}


def test_a_failed_run_gives_its_cause_and_a_lost_one_its_silence():
    (found,) = alarms(well(runs=[run("failed", error="Traceback\nInvalidData: no purchases")]))
    assert (found.key, found.level) == ("failed_run", WARN)
    assert "InvalidData: no purchases" in found.says
    assert keys(well(runs=[run("failed")], served=None))["failed_run"] == BAD
    assert keys(well(runs=[run("running", lease_until=NOON - timedelta(minutes=9))])) == {"lost_run": WARN}
    assert keys(well(runs=[run("done"), run("failed")])) == {}  # one that went well came after it


def test_status_is_one_of_three_and_never_good_with_an_alarm():
    assert status(well(newest=None), []).level == WARN
    assert status(well(served=None), []).level == WARN
    bad = well(runs=[run("queued", rung_at=None)])
    assert status(bad, alarms(bad)).level == BAD
    worth = well(events=refused("unknown_product", 200))
    assert status(worth, alarms(worth)).level == WARN


def test_advice_goes_one_step_at_a_time():
    def first(board: Board) -> str:
        return advice(board, alarms(board))[0].key

    assert first(well(newest=None, served=None)) == "sync"
    assert first(well(served=None)) == "train"
    assert first(well(signs={})) == "count"
    assert first(well(answers=Answers())) == "place"
    newer = served(id="2", created=NOON + timedelta(hours=1))
    assert first(well(waiting=[newer])) == "promote"
    assert first(well(waiting=[replace(newer, state="failed")], answers=Answers())) == "place"


def test_an_old_model_is_trained_again_when_events_came():
    old = served(created=NOON - timedelta(days=45))
    (found,) = advice(well(served=old, events_since=5_000), [])
    assert (found.key, found.command) == ("train", "manage.py metarec_train")
    assert "45 days old, and 5,000 events" in found.says
    assert advice(well(served=old, events_since=50), []) == []
    assert advice(well(served=old, events_since=5_000, runs=[run("running")]), []) == []


def test_drift_counts_beyond_chance_and_of_the_served_version_alone():
    def moved(distance: float, version: str = "1", days: int = 10) -> Board:
        says = {"version": version, "distance": distance, "expected": 0.1, "expected_high": 0.12}
        signs = {**well().signs, "drift": Sign(NOON, says)}
        return well(signs=signs, served=served(created=NOON - timedelta(days=days)))

    (found,) = advice(moved(0.3), [])
    assert found.key == "train"
    assert "30 %" in found.says
    assert advice(moved(0.11), []) == []
    assert advice(moved(0.21), []) == []  # beyond chance, and no more than a season moves a shop
    assert advice(moved(0.3, "another"), []) == []
    assert (
        advice(moved(0.3, days=2), []) == []
    )  # it has just read the same events: to train again changes nothing


def test_at_most_three_and_what_is_broken_first():
    board = well(
        runs=[run("queued", rung_at=None)],
        newest=NOON - timedelta(hours=5),
        events=refused("unknown_product", 900),
        served=served(created=NOON - timedelta(days=45)),
        events_since=5_000,
        answers=Answers(),
        waiting=[served(id="2", created=NOON)],
    )
    found = advice(board, alarms(board))
    assert len(found) == MOST
    assert {each.key for each in found[:2]} == {"broker", "silence"}
    assert found[2].key == "promote"


def test_two_workers_that_are_gone_are_two_pieces_of_advice():
    gone = Sign(NOON - timedelta(hours=2))
    board = well(signs={**well().signs, "worker:metarec.cpu": gone, "worker:metarec.gpu": gone})
    assert [each.key for each in advice(board, alarms(board))] == ["worker_gone", "worker_gone"]


def test_readiness_names_what_a_placement_lacks():
    board = well(
        placements={
            "home": ("adapted",), "together": ("together", "adapted"), "shelf": ("again",), "default": ("adapted",),
        },
        answers=Answers(by_placement={"shelf": {"adapted": 4}, "gone": {"popular": 2}}),
    )  # fmt: skip
    rows, others = readiness(board)
    assert [(row.placement, bool(row.lacks)) for row in rows] == [
        ("home", False), ("together", True), ("shelf", True), ("gone", False),
    ]  # fmt: skip
    assert others == []
    rows, _ = readiness(replace(board, served=served(together=True, again=True)))
    assert not any(row.lacks for row in rows)
    rows, _ = readiness(replace(board, served=None))
    assert all(row.lacks for row in rows)


@pytest.mark.parametrize(("days", "rows", "least"), [(7, 7, 7), (28, 28, 28), (90, 13, 85)])
def test_spans_end_today_and_weeks_begin_on_monday(days, rows, least):
    for today in (date(2026, 3, 1) + timedelta(days=i) for i in range(7)):
        span = span_of(days, today)
        assert (len(span.blocks), span.until) == (rows, today)
        assert least <= span.days <= 91
        assert not span.by_week or all(block.weekday() == 0 for block in span.blocks)
        # Both times that are compared end before today, and have each day of the week as often as the others.
        assert today - span.whole == span.whole - span.before == timedelta(days=span.compared)
        assert span.compared % 7 == 0
        assert span.days - 7 < span.compared <= span.days
