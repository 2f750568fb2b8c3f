"""What one query of the newest events tells is what the support's and the dislikes' own queries tell, or nothing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.collect import disliked_by, support_keys
from metarec_plugin.collect.newest import RECENT_PER_PRODUCT, newest_of
from metarec_plugin.collect.supports import support_of
from metarec_plugin.models import Event

pytestmark = pytest.mark.django_db
START = timezone.now() - timedelta(days=10)
KINDS = ("view", "purchase", "dislike", "rating", "search", "return")


def drawn(n: int, products: int, seed: int, subject: str = "user:1") -> None:
    """A log of all kinds, several events a moment, some of them taken back."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(n):
        kind = KINDS[rng.integers(len(KINDS))]
        takes_back = kind == "return" and number > 0
        rows.append(
            Event(
                event_id=f"{subject}:{number}",
                subject=subject,
                kind=kind,
                product="" if kind == "search" else f"p{rng.integers(products)}",
                value=float(rng.integers(1, 6)) if kind == "rating" else None,
                at=START + timedelta(hours=int(rng.integers(n // 2 + 1))),
                reverses=f"{subject}:{rng.integers(number)}" if takes_back else "",
            )
        )
    Event.objects.bulk_create(rows)


@pytest.mark.parametrize("seed", range(12))
def test_it_tells_what_the_two_queries_tell(seed, settings, django_assert_num_queries):
    settings.METAREC = {**settings.METAREC, "DISLIKES": {"dislike": None, "rating": 2.0}}
    drawn(19, products=6, seed=seed)
    drawn(9, products=6, seed=seed, subject="user:2")
    newest_of("user:1", 5)
    with django_assert_num_queries(1):
        found = newest_of("user:1", 5)
    assert list(found.products) == support_of(["user:1"], 5)["user:1"]
    assert found.disliked == disliked_by(["user:1"])["user:1"]


def test_it_says_nothing_of_what_older_events_may_change(settings):
    window = 3
    drawn(RECENT_PER_PRODUCT * window + 1, products=40, seed=1)
    assert list(newest_of("user:1", window).products) == support_of(["user:1"], window)["user:1"]
    assert newest_of("user:1", window).disliked is None
    again = [
        Event(event_id=f"again:{number}", subject="user:2", kind="view", product="p1", at=START)
        for number in range(RECENT_PER_PRODUCT * window)
    ]
    Event.objects.bulk_create(again)
    assert newest_of("user:2", window) == (None, None)
    assert support_keys("user:2", window) == ["p1"]


def test_a_shop_without_dislikes_has_none(settings):
    settings.METAREC = {**settings.METAREC, "DISLIKES": {}}
    drawn(10, products=3, seed=2)
    assert newest_of("user:1", 5).disliked == frozenset()


def test_nobody_has_done_nothing():
    assert newest_of("user:1", 5) == ((), frozenset())
