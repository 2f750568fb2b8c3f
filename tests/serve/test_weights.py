"""SUPPORT_WEIGHTS in serving: what counts more turns the list, in requests and in what workers leave."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metarec_plugin.collect.supports import Behind
from metarec_plugin.models import Event, SubjectState
from metarec_plugin.pipeline import states
from metarec_plugin.serve import recommend
from metarec_plugin.serve.weights import _evidence

HALF = 30  # of sixty products: department A, then B
VIEWED, BOUGHT = 3, 40
SUBJECT = "user:7"


@pytest.fixture
def shop(publish, keys):
    """A bundle in which each product leads to its own department; one of A was viewed, then one of B was bought."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["offset"][:], arrays["log_prior"][:] = 0, -np.log(60)
        arrays["row_products"] = np.stack([np.arange(HALF) + HALF * (p >= HALF) for p in range(60)]).astype(
            "i4"
        )
        arrays["row_values"] = np.ones((60, HALF), dtype="f4")

    publish(change=change)
    now = timezone.now()
    for kind, product, days, quantity in (("view", VIEWED, 5, 1), ("purchase", BOUGHT, 0, 4)):
        at = now - timedelta(days=days)
        Event.objects.create(
            event_id=kind, subject=SUBJECT, kind=kind, product=keys[product], at=at, quantity=quantity
        )


def departments(keys: list[str], slate: list[str]) -> set[str]:
    return {"A" if keys.index(key) < HALF else "B" for key in slate}


CASES = [
    ({"kinds": {"view": 0.1}}, "B"),
    ({"kinds": {"view": 10}}, "A"),
    ({"half_life_days": 1}, "B"),
    ({"quantity": 1}, "B"),
    ({"quantity": -1}, "A"),
]


@pytest.mark.parametrize("rule, winner", CASES)
def test_what_counts_more_brings_its_department(shop, settings, keys, rule, winner):
    settings.METAREC = {**settings.METAREC, "SUPPORT_WEIGHTS": rule}
    assert departments(keys, [entry.key for entry in recommend(SUBJECT, placement="home")]) == {winner}


@pytest.mark.usefixtures("large_catalogue")
@pytest.mark.parametrize("rule, winner", CASES[:2])
def test_a_worker_leaves_the_list_that_the_request_would_make(shop, settings, keys, rule, winner):
    states.refresh()
    settings.METAREC = {**settings.METAREC, "SUPPORT_WEIGHTS": rule}
    asked = [entry.key for entry in recommend(SUBJECT, placement="home")]  # not what was left without weights
    assert states.refresh() == 1, "under another rule the state is made anew"
    assert states.refresh() == 0
    left = [key for key, _ in SubjectState.objects.get().ranking][:10]
    assert left == asked == [entry.key for entry in recommend(SUBJECT, placement="home")]
    assert departments(keys, left) == {winner}


def test_weights_take_no_query_more_and_off_reads_no_column_more(shop, settings):
    recommend(SUBJECT, placement="home")  # the model is loaded
    made = []
    for rule in ({}, {"kinds": {"view": 0.1}}):
        settings.METAREC = {**settings.METAREC, "SUPPORT_WEIGHTS": rule}
        with CaptureQueriesContext(connection) as queries:
            recommend(SUBJECT, placement="home")
        made.append([each["sql"] for each in queries.captured_queries])
    assert len(made[0]) == len(made[1])
    reads = [[sql for sql in each if '"quantity"' in sql] for each in made]
    assert (len(reads[0]), len(reads[1])) == (0, 1)


def test_even_weights_change_nothing(shop, settings, keys):
    even = {"kinds": {"view": 2, "purchase": 2}}
    before = [entry.key for entry in recommend(SUBJECT, placement="home")]
    settings.METAREC = {**settings.METAREC, "SUPPORT_WEIGHTS": even}
    assert [entry.key for entry in recommend(SUBJECT, placement="home")] == before


def test_quantities_count_beside_those_of_the_same_shopper():
    now = timezone.now()
    packs = [Behind("purchase", quantity, None, now) for quantity in (12, 24, 96)]
    weights = _evidence(packs).quantity
    assert weights.tolist() == [0.5, 1.0, 4.0]
