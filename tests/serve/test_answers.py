"""Lists are counted where they are made, and the counts are written now and then, whatever the database does."""

from __future__ import annotations

import atexit
import runpy
from datetime import timedelta
from threading import Thread

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from metarec_plugin.models import AnswerDay
from metarec_plugin.serve import answers, recommend
from metarec_plugin.serve.answers import BUCKETS, EVERY, Answers
from metarec_plugin.serve.slate import Slate


def slate(placement: str = "home", stage: str = "adapted", problem: str = "") -> Slate:
    return Slate("s", (), stage, None, placement, problem)


def stored() -> dict[tuple[str, str, int], tuple[int, int]]:
    rows = AnswerDay.objects.filter(day=timezone.localdate())
    return {(row.placement, row.stage, row.ms): (row.answers, row.failed) for row in rows}


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only by `clock(seconds)`."""
    now = [1000.0]
    monkeypatch.setattr(answers.time, "monotonic", lambda: now[0])

    def go(seconds: float) -> None:
        now[0] += seconds

    return go


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ms", "bucket"), [(0.2, 1), (1, 1), (1.1, 2), (99, 100), (100.5, 200), (1e4, 10_000), (9e4, 10_000)]
)
def test_a_list_counts_in_the_bucket_of_its_time(ms, bucket):
    counts = Answers()
    counts.add(slate(), ms / 1e3)
    counts.flush()
    assert stored() == {("home", "adapted", bucket): (1, 0)}


@pytest.mark.django_db
def test_counts_add_up_over_processes_and_flushes():
    for _ in range(2):
        one, other = Answers(), Answers()
        one.add(slate(), 0.003)
        one.add(slate(problem="NoModel: none"), 0.003)
        other.add(slate(stage="popular", placement="product"), 0.003)
        other.add(slate(), 0.004)
        one.flush()
        other.flush()
        one.flush()
    assert stored() == {("home", "adapted", 5): (6, 2), ("product", "popular", 5): (2, 0)}


@pytest.mark.django_db(transaction=True)
def test_they_are_written_a_minute_after_the_first_and_no_sooner(clock, django_assert_num_queries):
    counts = Answers()
    with django_assert_num_queries(0):
        for _ in range(3):
            counts.add(slate(), 0.003)
            clock(EVERY / 4)
    clock(EVERY / 4)
    counts.add(slate(), 0.003)
    assert stored() == {("home", "adapted", 5): (4, 0)}
    with django_assert_num_queries(0):
        clock(EVERY - 1)
        counts.add(slate(), 0.003)


@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_rolled_back_loses_no_count(clock):
    counts = Answers()
    counts.add(slate(), 0.003)
    clock(EVERY)
    with transaction.atomic():
        counts.add(slate(), 0.003)
        transaction.set_rollback(True)
    assert stored() == {}
    clock(EVERY)
    with transaction.atomic():
        counts.add(slate(), 0.003)
        assert stored() == {}
    assert stored() == {("home", "adapted", 5): (3, 0)}


@pytest.mark.django_db
def test_what_could_not_be_written_is_kept_and_said(monkeypatch, caplog):
    counts = Answers()
    counts.add(slate(problem="x"), 0.003)

    def refuse(*args):
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(answers, "_write", refuse)
        counts.flush()
    assert "kept for later lists=1" in caplog.text
    counts.add(slate(), 0.003)
    counts.flush()
    assert stored() == {("home", "adapted", 5): (2, 1)}


@pytest.mark.django_db
def test_threads_lose_no_count():
    counts = Answers()

    def add() -> None:
        for _ in range(500):
            counts.add(slate(), 0.003)

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.flush()
    assert stored() == {("home", "adapted", 5): (2000, 0)}


@pytest.mark.django_db
def test_a_list_of_after_midnight_counts_on_the_next_day(monkeypatch):
    counts = Answers()
    counts.add(slate(), 0.003)
    today = timezone.now()
    monkeypatch.setattr(answers.timezone, "now", lambda: today + timedelta(days=1))
    monkeypatch.setattr(answers.time, "time", lambda: today.timestamp() + 86_400)
    counts.add(slate(), 0.003)
    counts.flush()
    days = list(AnswerDay.objects.order_by("day").values_list("day", flat=True))
    assert days == [timezone.localdate(today), timezone.localdate(today) + timedelta(days=1)]


def test_recommend_counts_what_it_answers_and_no_dry_run(products):
    recommend("user:1", placement="home")
    recommend("user:1", placement="home", dry_run=True)
    answers._answers.flush()
    [row] = AnswerDay.objects.all()
    assert (row.placement, row.answers, row.failed) == ("home", 1, 1)  # there is no model
    assert row.ms in BUCKETS


@pytest.mark.parametrize("placement", [None, 5, "x" * 500, "a\0b"])
def test_whatever_a_page_asks_for_it_gets_a_list_and_is_counted(products, placement):
    assert recommend("user:1", placement=placement).problem
    answers._answers.flush()
    [row] = AnswerDay.objects.all()
    assert (row.placement, row.failed) == (str(placement).replace("\0", "")[:40], 1)


def test_a_count_that_fails_takes_no_page_down(products, settings, monkeypatch, caplog):
    settings.METAREC = {**settings.METAREC, "STRICT": False}

    def fail(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Answers, "add", fail)
    assert recommend("user:1", placement="home")
    assert recommend("user:1", placement=["home"]).problem
    assert "RuntimeError: a bug" in caplog.text


def test_nothing_is_written_as_the_process_ends(monkeypatch):
    """Django's test runner has put the name of the shop's own database back by then."""
    registered = []
    monkeypatch.setattr(atexit, "register", lambda each, *args, **kwargs: registered.append(each) or each)
    runpy.run_path(answers.__file__)
    assert registered == []
