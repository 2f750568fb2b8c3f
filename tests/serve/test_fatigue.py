"""Fatigue: what was shown often enough without notice goes behind the others, until somebody takes notice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from metarec_plugin.collect import known_subject
from metarec_plugin.collect.seen import seen_counts
from metarec_plugin.models import Event, Impression
from metarec_plugin.serve import recommend
from metarec_plugin.serve.placements import save_placement
from tests.serve.merchants import keys_of, saw

pytestmark = pytest.mark.usefixtures("merchant")


def shown(subject: str, key: str, times: int, days_ago: float = 0.0) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    Impression.objects.bulk_create(
        Impression(slate=f"{key[-4:]}{days_ago}{time}", subject=subject, placement="home", product=key, rank=0,
                   source="adapted", at=at)
        for time in range(times)
    )  # fmt: skip


@pytest.fixture
def request_of(publish, visit, keys):
    publish()
    save_placement("home", {"fatigue": 3, "fatigue_days": 7})
    request = visit(keys[:2], consent="full")
    saw(known_subject(request), *keys[:2])
    return request


def test_shown_three_times_without_notice_goes_behind(request_of, visit, keys):
    me = known_subject(request_of)
    before = keys_of(recommend(request_of, placement="home", k=5, dry_run=True))
    shown(me, before[0], 2)
    assert keys_of(recommend(request_of, placement="home", k=5, dry_run=True)) == before
    shown(me, before[0], 1, days_ago=1)
    shown("user:other", before[1], 9)
    shown(me, before[2], 9, days_ago=8)
    after = keys_of(recommend(request_of, placement="home", k=5, dry_run=True))
    assert after[:4] == before[1:]
    assert before[0] not in after


def test_a_click_resets_the_count_and_it_begins_anew(request_of):
    me = known_subject(request_of)
    first = keys_of(recommend(request_of, placement="again", k=5, dry_run=True))
    key = "00000000-0000-0000-0000-000000000020"
    shown(me, key, 5, days_ago=3)
    assert seen_counts(me, [key, *first], 7) == {key: 5}
    Event.objects.create(
        event_id="c", subject=me, kind="click", product=key, at=timezone.now() - timedelta(days=2)
    )
    assert seen_counts(me, [key], 7) == {}
    shown(me, key, 2, days_ago=1)
    assert seen_counts(me, [key], 7) == {key: 2}


def test_one_slate_counts_once(db):
    for rank in range(3):
        Impression.objects.create(
            slate="s", subject="user:1", placement="home", product="a", rank=rank, source="x"
        )
    assert seen_counts("user:1", ["a", "b"], 7) == {"a": 1}


def test_where_all_are_tired_the_list_is_full_and_in_its_order(request_of, keys):
    me = known_subject(request_of)
    before = keys_of(recommend(request_of, placement="home", k=5, dry_run=True))
    for key in keys:
        shown(me, key, 3)
    assert keys_of(recommend(request_of, placement="home", k=5, dry_run=True)) == before


def test_nobody_is_counted_without_full_consent(publish, visit, keys, django_assert_num_queries, settings):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    publish()
    save_placement("home", {"fatigue": 1})
    recommend(visit(keys[:2]), placement="home")
    request = visit(keys[:2])
    with django_assert_num_queries(1):
        recommend(request, placement="home")
