"""Baskets: by order, by visit where orders are not known, whatever the order of the rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from metarec_plugin.preprocess import baskets as module
from metarec_plugin.preprocess.baskets import Baskets, baskets_of
from metarec_plugin.preprocess.histories import Dataset, Histories

KEYS = list("abcdef")
DAY = datetime(2024, 5, 1, 12)


@pytest.fixture
def dataset() -> Dataset:
    def side(*subjects: str) -> Histories:
        n = len(subjects)
        return Histories(np.array(subjects, dtype=np.str_), np.arange(n + 1), np.zeros(n, np.int32), None)

    return Dataset(np.array(KEYS), side("ann", "bob"), side("cat"), side("dan"))


def events(*rows: tuple[str, str, int, str]) -> pl.DataFrame:
    """(subject, product, minutes after noon, order)"""
    return pl.DataFrame(
        [(subject, product, DAY + timedelta(minutes=m), order) for subject, product, m, order in rows],
        schema={"subject": pl.String, "product": pl.String, "at": pl.Datetime, "order": pl.String},
        orient="row",
    )


def told(baskets: Baskets) -> list[tuple[str, str]]:
    return [
        (str(who), "".join(KEYS[p] for p in baskets[i])) for i, who in enumerate(baskets.subjects.tolist())
    ]


def test_products_of_one_order_are_one_basket_however_far_apart(dataset):
    found = baskets_of(
        events(("ann", "b", 0, "1"), ("ann", "a", 999, "1"), ("ann", "c", 0, "2"), ("bob", "d", 0, "1")),
        dataset,
    )
    assert told(found) == [("ann", "ab")]
    assert found.source == {"orders": 1, "visits": 0, "too_large": 0}


def test_without_orders_a_visit_ends_after_half_an_hour_without_an_event(dataset):
    log = events(
        ("ann", "a", 0, ""), ("ann", "b", 29, ""), ("ann", "c", 58, ""),
        ("ann", "d", 89, ""), ("ann", "e", 90, ""),
        ("bob", "f", 90, ""), ("bob", "f", 91, ""),
    )  # fmt: skip
    found = baskets_of(log, dataset)
    assert told(found) == [("ann", "abc"), ("ann", "de")]
    assert found.source == {"orders": 0, "visits": 2, "too_large": 0}
    assert told(baskets_of(log.drop("order"), dataset)) == told(found)
    assert not len(baskets_of(log.drop("order", "at"), dataset))


def test_orders_and_visits_may_stand_in_one_log(dataset):
    found = baskets_of(
        events(("ann", "a", 0, ""), ("ann", "b", 1, ""), ("ann", "c", 0, "7"), ("ann", "d", 1, "7")), dataset
    )
    assert sorted(told(found)) == [("ann", "ab"), ("ann", "cd")]


def test_strangers_and_unknown_products_are_in_no_basket(dataset):
    found = baskets_of(
        events(("eve", "a", 0, "1"), ("eve", "b", 0, "1"), ("cat", "a", 0, "2"), ("cat", "z", 0, "2")),
        dataset,
    )
    assert not len(found)
    assert found.matrix(len(KEYS)).shape == (0, len(KEYS))


def test_an_order_of_very_many_products_is_left_out_and_counted(dataset, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    found = baskets_of(
        events(*[("ann", key, 0, "1") for key in "abcd"], *[("bob", key, 0, "2") for key in "abc"]), dataset
    )
    assert told(found) == [("bob", "abc")]
    assert found.source["too_large"] == 1


def test_the_order_of_the_rows_does_not_matter_and_sides_can_be_taken(dataset):
    log = events(*[(who, key, i, str(i % 3)) for who in ("cat", "ann", "bob") for i, key in enumerate(KEYS)])
    found = baskets_of(log, dataset)
    again = baskets_of(log.sample(fraction=1.0, shuffle=True, seed=3), dataset)
    assert told(again) == told(found)
    assert {who for who, _ in told(found.of(dataset.train.subjects))} == {"ann", "bob"}
    assert told(found.of(dataset.validation.subjects)) == [("cat", each) for each in ("ad", "be", "cf")]
