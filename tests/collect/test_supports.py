"""The supports of a batch are those that each subject's own request would get, in one query."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from metarec_plugin.collect.subjects import support_keys
from metarec_plugin.collect.supports import support_of
from metarec_plugin.models import Event

pytestmark = pytest.mark.django_db
KINDS = ("view", "purchase", "search", "dislike", "return")


@pytest.fixture
def subjects() -> list[str]:
    """Thirty subjects with few or many products, repeats, moments shared by several events, and one with nothing."""
    rng = np.random.default_rng(0)
    names = [f"user:{i}" for i in range(30)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    Event.objects.bulk_create(
        Event(
            event_id=f"{name}/{n}",
            subject=name,
            kind=(kind := str(rng.choice(KINDS))),
            product="" if kind == "search" else f"p{rng.integers(1 + i)}",
            at=start + timedelta(hours=int(rng.integers(20))),
        )
        for i, name in enumerate(names)
        for n in range(4 * i)
    )
    return names


@pytest.mark.parametrize("window", [1, 3, 8, 50])
def test_a_batch_gets_what_each_subject_gets_alone(subjects, window):
    supports = support_of(subjects, window)
    assert supports == {subject: support_keys(subject, window) for subject in subjects}
    assert supports["user:0"] == []
    assert max(map(len, supports.values())) == min(window, 22)


def test_a_batch_takes_one_query(subjects, django_assert_num_queries):
    with django_assert_num_queries(1):
        support_of(subjects, 8)
