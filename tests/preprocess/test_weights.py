"""Weights of a support: each part of the rule by itself, and the evidence that it goes by."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from metarec_plugin.preprocess.dataset import build_dataset
from metarec_plugin.preprocess.weights import Evidence, SupportWeights, evidence_of, support_weights

AGES = np.array([[30.0, 10.0, 0.0], [np.nan, 3.0, 3.0]])
EVIDENCE = Evidence(
    kinds=np.array([["view", "purchase", "view"], ["purchase", "purchase", ""]]),
    quantity=np.array([[1.0, 4.0, 100.0], [0.25, 1.0, 1.0]]),
    dwell=np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
    value=np.array([[-1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]),
)


def weighed(rule: SupportWeights) -> list[list[float]]:
    return support_weights(EVIDENCE, AGES, rule).tolist()


@pytest.mark.parametrize(
    "rule, expected",
    [
        (SupportWeights(), [[1, 1, 1], [1, 1, 1]]),
        (SupportWeights({"view": 0.25}), [[0.25, 1, 0.25], [1, 1, 1]]),
        (SupportWeights(quantity=0.5), [[1, 2, 8**0.5], [0.5, 1, 1]]),
        (SupportWeights(dwell=0.5), [[2, 1, 8**-0.5], [1, 1, 1]]),
        (SupportWeights(value=1.0), [[0.5, 1, 4], [1, 1, 1]]),
        (SupportWeights(half_life_days=10.0), [[1 / 8, 1 / 2, 1], [1, 2**-0.3, 2**-0.3]]),
        (SupportWeights(decay=0.5), [[0.25, 0.5, 1], [0.25, 0.5, 1]]),
        (SupportWeights({"view": 0.5}, decay=0.5), [[0.125, 0.5, 0.5], [0.25, 0.5, 1]]),
    ],
    ids=str,
)
def test_each_part_of_the_rule(rule, expected):
    assert weighed(rule) == [pytest.approx(row) for row in expected]


def test_evidence_is_of_the_first_meeting_in_what_is_usual():
    start = datetime(2026, 1, 1)
    rows = [
        (f"s{shopper}", product, start + timedelta(days=day), kind, quantity, value)
        for shopper in range(6)
        for day, (product, kind, quantity, value) in enumerate(
            [
                ("a", "purchase", shopper + 1, None),
                ("b", "rating", 1, float(shopper)),
                ("c", "dwell", 1, 10.0 * shopper),
            ]
        )
    ]
    rows.append(("s0", "a", start + timedelta(days=9), "purchase", 500, None))  # a later meeting says nothing
    names = ["subject", "product", "at", "kind", "quantity", "value"]
    events = pl.DataFrame(rows, schema=names, orient="row")
    first = events.unique(["subject", "product"], keep="first", maintain_order=True)
    sides = pl.DataFrame({"subject": [f"s{i}" for i in range(6)], "side": ["train"] * 6})
    dataset = build_dataset(first.sort("at", maintain_order=True), sides)
    found = evidence_of(events.reverse(), dataset.train, dataset.train, dataset.product_keys)
    by_product = np.argsort(dataset.train.products, kind="stable").reshape(3, 6)
    assert found.kinds[by_product].tolist() == [["purchase"] * 6, ["rating"] * 6, ["dwell"] * 6]
    assert found.quantity[by_product[0]] == pytest.approx((np.arange(6) + 1) / 3.5)
    assert found.value[by_product[1]] == pytest.approx((np.arange(6) - 2.5) / np.arange(6).std())
    assert found.dwell[by_product[2]] == pytest.approx([1, *(np.arange(1, 6) / 3)])
    assert (found.value[by_product[2]] == 0).all()
    assert (found.dwell[by_product[:2]] == 1).all()
    # Of whoever it is asked, what is usual stays that of the training subjects.
    few = dataset.train.select(np.array([0, 5]))
    of_few = evidence_of(events.reverse(), few, dataset.train, dataset.product_keys)
    rows = np.isin(np.repeat(np.arange(6), dataset.train.lengths()), [0, 5])
    for name in ("quantity", "dwell", "value"):
        assert np.array_equal(getattr(of_few, name), getattr(found, name)[rows])


def test_what_a_log_does_not_tell_is_neutral():
    events = pl.DataFrame({"subject": ["s"] * 2, "product": ["a", "b"]})
    sides = pl.DataFrame({"subject": [f"s{i}" for i in range(5)], "side": ["train"] * 5})
    all_events = pl.DataFrame(
        {"subject": [f"s{i}" for i in range(5) for _ in "ab"], "product": ["a", "b"] * 5}
    )
    dataset = build_dataset(all_events, sides)
    found = evidence_of(events, dataset.train, dataset.train, dataset.product_keys)
    ages = np.full((5, 2), np.nan)
    everything = SupportWeights({"view": 0.1}, 1.0, 1.0, 1.0, 5.0)
    assert (support_weights(found[np.arange(10).reshape(5, 2)], ages, everything) == 1).all()
